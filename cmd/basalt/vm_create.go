package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) vmCreate() *cobra.Command {
	in := wire.VMCreate{}
	var memory, most string
	var start bool
	var devices deviceFlags
	var share cpuFlags
	var cpu wire.CPU
	c := &cobra.Command{
		Use: "create NAME --kernel PATH", Short: "Create a virtual machine", Args: cobra.ExactArgs(1),
		Long: `Create a virtual machine that is off. Its kernel, initial RAM disk and modules are paths
of the host's file store. The kernel may be a Linux bzImage, a PVH ELF image or a
Multiboot1 ELF image: the host recognises it by its content.

Memory is in MiB; with the suffix G in GiB. Each --module is a path, optionally a
space and the module's own string, in the order in which the kernel gets them.

Each --disk is image=PATH, ram=SIZE or null=SIZE, with the options ro and name=NAME
behind commas; each --nic is a network's name with the options mac=, vlan=, name=
and, on nat, forward=tcp:2222:22: the host's port 2222 leads to the guest's port 22.

Each --console-port is a name, with ,terminal for one that is a terminal in the guest:
ports of a virtio console device, for life. Linux has the first kind as
/dev/virtio-ports/NAME, for a program on either side, and the second as /dev/hvc0 and so
on; 'basalt vm console --port NAME' is the other end of both.

What the guest's CPUs can do is chosen for life with --cpu-level: x86-64-v2, x86-64-v3,
x86-64-v4, a baseline's name, or host for all that this host has.

--cpu-shares, --cpu-reservation, --cpu-limit and --pool are its part of the host's
processors; 'basalt vm set' changes them.`,
		Example: `  basalt vm create web --memory 512 --kernel debian/vmlinuz --initrd debian/initrd.img --cmdline 'console=ttyS0'
  basalt vm create xen --memory 2G --kernel xen --cmdline 'com1=115200 console=com1' --module 'vmlinuz console=hvc0' --module initrd.img
  basalt vm create db --memory 4G --cpus 2 --kernel debian/vmlinuz --cmdline root=/dev/vda1 --disk image=debian.img --disk image=tools.img,ro --nic nat,forward=tcp:2222:22
  basalt vm create app --kernel vmlinuz --initrd initrd.img --cmdline console=hvc0 --console-port tty,terminal --console-port org.example.agent`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return work(func(ctx context.Context, args []string) error {
				in.Name = args[0]
				n, err := parseMemory(memory)
				if err != nil {
					return err
				}
				in.MemoryMiB = n
				if most != "" {
					if in.MaxMemoryMiB, err = parseMemory(most); err != nil {
						return err
					}
				}
				if err := devices.fill(&in); err != nil {
					return err
				}
				if err := share.fill(cmd.Flags(), "cpu-", &cpu.Shares, &cpu.Reservation, &cpu.Limit); err != nil {
					return err
				}
				if cpu != (wire.CPU{}) {
					in.CPU = &cpu
				}
				return a.with(ctx, func(ctx context.Context, c *client.Client) error {
					vm, err := c.CreateVM(ctx, in)
					if err != nil {
						return err
					}
					if start {
						if vm, err = c.Act(ctx, vm.ID, "start"); err != nil {
							return err
						}
					}
					return a.show(vm, func(w io.Writer) { fmt.Fprintln(w, vm.ID) })
				})
			})(cmd, args)
		},
	}
	f := c.Flags()
	f.IntVar(&in.CPUs, "cpus", 1, "virtual CPUs")
	f.IntVar(&in.MaxCPUs, "max-cpus", 0, "what --cpus can become while it runs, for life (default: none can come)")
	f.StringVar(&in.UUID, "uuid", "", "the machine's `UUID` in SMBIOS (default: the host makes one)")
	f.IntVar(&in.Hardware, "hardware", 0, "`version` of the board, for life (default: the newest)")
	f.IntVar(&in.APICIDStep, "apic-id-step", 0, "APIC IDs of the CPUs are `n` apart, a power of two, for life (default: 1)")
	f.StringVarP(&memory, "memory", "m", "512", "memory in MiB, or with G in GiB")
	f.StringVar(&most, "max-memory", "", "what --memory can become while it runs, for life (default: none can come)")
	f.IntVar(&in.NUMANodes, "numa-nodes", 0, "`nodes` among which CPUs and memory are divided, for life (default: 1)")
	f.StringVarP(&in.Boot.Kernel, "kernel", "k", "", "kernel's `path` on the host")
	f.StringVarP(&in.Boot.Initrd, "initrd", "i", "", "initial RAM disk's `path` on the host")
	f.StringVarP(&in.Boot.Cmdline, "cmdline", "c", "", "kernel's command `line`")
	f.StringArrayVar(&in.Boot.Modules, "module", nil, "Multiboot module: `'path [string]'`; may be repeated")
	f.StringArrayVar(&devices.disks, "disk", nil, "`disk` such as image=PATH,ro or ram=64M; may be repeated")
	f.StringArrayVar(&devices.nics, "nic", nil, "network `adapter` such as nat or lab,vlan=5; may be repeated")
	f.StringArrayVar(&devices.consoles, "console-port", nil, "console `port` such as agent or tty,terminal; may be repeated")
	f.StringVar(&in.CPULevel, "cpu-level", "", "what the CPUs can do: `level` such as x86-64-v3")
	f.Uint32Var(&in.VsockCID, "vsock", 0, "virtio socket device with the `address`, 3 or more")
	share.add(f, "cpu-")
	f.StringVar(&cpu.Pool, "pool", "", "the resource `pool` that it is in; see 'basalt pool'")
	f.BoolVar(&start, "start", false, "start it too")
	c.MarkFlagRequired("kernel")
	for _, n := range []string{"kernel", "initrd", "module"} {
		c.RegisterFlagCompletionFunc(n, a.completeFiles)
	}
	c.RegisterFlagCompletionFunc("cpu-level", cobra.FixedCompletions([]string{"x86-64-v2", "x86-64-v3", "x86-64-v4", "host"}, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("nic", cobra.FixedCompletions([]string{"nat"}, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("pool", a.completePools)
	c.RegisterFlagCompletionFunc("disk", a.completeDiskSpec)
	return c
}

// parseMemory gives MiB.
func parseMemory(s string) (int, error) {
	upper := strings.ToUpper(s) // not always as long as s
	digits := strings.TrimRight(upper, "MGIB")
	unit := upper[len(digits):]
	n, err := strconv.Atoi(digits)
	if err == nil && n >= 0 && n <= 1<<30 {
		switch unit {
		case "", "M", "MIB":
			return n, nil
		case "G", "GIB":
			return n * 1024, nil
		}
	}
	return 0, usageError(fmt.Sprintf("--memory %q is not a number of MiB, such as 512 or 2G", s))
}
