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
	var memory string
	var start bool
	var devices deviceFlags
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
What the guest's CPUs can do is chosen for life with --cpu-level: x86-64-v2, x86-64-v3,
x86-64-v4, a baseline's name, or host for all that this host has.`,
		Example: `  basalt vm create web --memory 512 --kernel debian/vmlinuz --initrd debian/initrd.img --cmdline 'console=ttyS0'
  basalt vm create xen --memory 2G --kernel xen --cmdline 'com1=115200 console=com1' --module 'vmlinuz console=hvc0' --module initrd.img
  basalt vm create db --memory 4G --cpus 2 --kernel debian/vmlinuz --cmdline root=/dev/vda1 --disk image=debian.img --disk image=tools.img,ro --nic nat,forward=tcp:2222:22`,
		RunE: work(func(ctx context.Context, args []string) error {
			in.Name = args[0]
			n, err := parseMemory(memory)
			if err != nil {
				return err
			}
			in.MemoryMiB = n
			if err := devices.fill(&in); err != nil {
				return err
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
		}),
	}
	f := c.Flags()
	f.IntVar(&in.CPUs, "cpus", 1, "virtual CPUs")
	f.StringVarP(&memory, "memory", "m", "512", "memory in MiB, or with G in GiB")
	f.StringVarP(&in.Boot.Kernel, "kernel", "k", "", "kernel's `path` on the host")
	f.StringVarP(&in.Boot.Initrd, "initrd", "i", "", "initial RAM disk's `path` on the host")
	f.StringVarP(&in.Boot.Cmdline, "cmdline", "c", "", "kernel's command `line`")
	f.StringArrayVar(&in.Boot.Modules, "module", nil, "Multiboot module: `'path [string]'`; may be repeated")
	f.StringArrayVar(&devices.disks, "disk", nil, "`disk` such as image=PATH,ro or ram=64M; may be repeated")
	f.StringArrayVar(&devices.nics, "nic", nil, "network `adapter` such as nat or lab,vlan=5; may be repeated")
	f.StringVar(&in.CPULevel, "cpu-level", "", "what the CPUs can do: `level` such as x86-64-v3")
	f.Uint32Var(&in.VsockCID, "vsock", 0, "virtio socket device with the `address`, 3 or more")
	f.BoolVar(&start, "start", false, "start it too")
	c.MarkFlagRequired("kernel")
	for _, n := range []string{"kernel", "initrd", "module"} {
		c.RegisterFlagCompletionFunc(n, a.completeFiles)
	}
	c.RegisterFlagCompletionFunc("cpu-level", cobra.FixedCompletions([]string{"x86-64-v2", "x86-64-v3", "x86-64-v4", "host"}, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("nic", cobra.FixedCompletions([]string{"nat"}, cobra.ShellCompDirectiveNoFileComp))
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
