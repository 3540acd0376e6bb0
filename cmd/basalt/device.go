package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

const hotHelp = "\nIt works while the machine is off and while it runs, if the host can do that."

func group(use, short, long string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(sub...)
	return c
}

func (a *app) vmDisk() *cobra.Command {
	return group("disk", "Attach, detach, resize and list a machine's disks",
		`A machine's disk is an image of the host's file store, memory that is zeroed at each
start, or nothing at all (null: reads zeroes and forgets writes, for benchmarks). An
image that a machine runs with belongs to it: nobody else can write to, replace or
remove it.`,
		a.diskAdd(), a.diskRemove(), a.diskResize(), a.vmDevices("list", "disks", a.printDisks))
}

func (a *app) vmNIC() *cobra.Command {
	return group("nic", "Attach, detach, forward ports to and list a machine's network adapters",
		"A network adapter is on a network: nat is behind the host's address, every other name is a switch.",
		a.nicAdd(), a.nicRemove(), a.nicLink(), a.nicForward(), a.vmDevices("list", "network adapters", a.printNICs))
}

// change does f and shows what kind of devices the machine has then.
func (a *app) change(ctx context.Context, print func(io.Writer, wire.VM), f func(context.Context, *client.Client) (wire.VM, error)) error {
	return a.with(ctx, func(ctx context.Context, c *client.Client) error {
		vm, err := f(ctx, c)
		if err != nil {
			return err
		}
		return a.show(vm, func(w io.Writer) { print(w, vm) })
	})
}

func (a *app) printDisks(w io.Writer, vm wire.VM) {
	fmt.Fprintln(w, "NAME\tDISK")
	for _, d := range vm.Disks {
		fmt.Fprintf(w, "%s\t%s\n", printable(d.Name), diskText(d))
	}
}

func (a *app) printNICs(w io.Writer, vm wire.VM) {
	fmt.Fprintln(w, "NAME\tNETWORK\tMAC\tVLAN\tADDRESS\tFORWARDS")
	for _, n := range vm.NICs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", printable(n.Name), printable(n.Network), printable(n.MAC), n.VLAN, dash(n.Address), dash(forwardsText(n.Forwards)))
	}
}

func (a *app) vmDevices(use, what string, print func(io.Writer, wire.VM)) *cobra.Command {
	return &cobra.Command{
		Use: use + " VM", Aliases: []string{"ls"}, Short: "List a machine's " + what, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeVMs,
		Long: "List the " + what + " of a machine; with --json all of the machine.", Example: "  basalt vm disk list web\n  basalt vm nic list web",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.change(ctx, print, func(ctx context.Context, c *client.Client) (wire.VM, error) { return c.VM(ctx, args[0]) })
		}),
	}
}

func (a *app) diskAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add VM DISK", Short: "Attach a disk", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeAttach(a.completeDiskSpec),
		Long:    "Attach a disk: image=PATH, ram=SIZE or null=SIZE, with the options ro and name=NAME behind commas." + hotHelp,
		Example: "  basalt vm disk add web image=data.img\n  basalt vm disk add web ram=64M,name=scratch",
		RunE: work(func(ctx context.Context, args []string) error {
			d, err := parseDisk(args[1])
			if err != nil {
				return err
			}
			return a.change(ctx, a.printDisks, func(ctx context.Context, c *client.Client) (wire.VM, error) { return c.AttachDisk(ctx, args[0], d) })
		}),
	}
}

func (a *app) diskRemove() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "remove VM NAME", Aliases: []string{"rm"}, Short: "Detach a disk", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeDisks,
		Long:    "Detach a disk; an image's file stays. A running guest is asked to let it go; with --force it is pulled out." + hotHelp,
		Example: "  basalt vm disk remove web disk1",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.change(ctx, a.printDisks, func(ctx context.Context, c *client.Client) (wire.VM, error) {
				return c.DetachDisk(ctx, args[0], args[1], force)
			})
		}),
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "pull it out even if the guest uses it")
	return c
}

func (a *app) diskResize() *cobra.Command {
	var cut bool
	c := &cobra.Command{
		Use: "resize VM NAME SIZE", Short: "Resize a disk", Args: cobra.ExactArgs(3), ValidArgsFunction: a.completeDisks,
		Long: "Set a disk's size: in MiB, or with K, M, G or T. What grows reads as zeroes. A smaller size that would cut\n" +
			"data off is refused without --cut." + hotHelp,
		Example: "  basalt vm disk resize web disk0 20G",
		RunE: work(func(ctx context.Context, args []string) error {
			n, err := parseSize(args[2])
			if err != nil {
				return err
			}
			return a.change(ctx, a.printDisks, func(ctx context.Context, c *client.Client) (wire.VM, error) {
				return c.ResizeDisk(ctx, args[0], args[1], n, cut)
			})
		}),
	}
	c.Flags().BoolVar(&cut, "cut", false, "allow data to be cut off")
	return c
}

func (a *app) nicAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add VM NIC", Short: "Attach a network adapter", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeAttach(cobra.FixedCompletions([]string{"nat"}, cobra.ShellCompDirectiveNoFileComp)),
		Long:              "Attach a network adapter: the network's name, with the options mac=, vlan= and name= behind commas." + hotHelp,
		Example:           "  basalt vm nic add web nat,forward=tcp:2222:22\n  basalt vm nic add web lab,vlan=5",
		RunE: work(func(ctx context.Context, args []string) error {
			n, err := parseNIC(args[1])
			if err != nil {
				return err
			}
			return a.change(ctx, a.printNICs, func(ctx context.Context, c *client.Client) (wire.VM, error) { return c.AttachNIC(ctx, args[0], n) })
		}),
	}
}

func (a *app) nicRemove() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "remove VM NAME", Aliases: []string{"rm"}, Short: "Detach a network adapter", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeNICs,
		Long: "Detach a network adapter. A running guest is asked to let it go; with --force it is pulled out." + hotHelp, Example: "  basalt vm nic remove web nic1",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.change(ctx, a.printNICs, func(ctx context.Context, c *client.Client) (wire.VM, error) {
				return c.DetachNIC(ctx, args[0], args[1], force)
			})
		}),
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "pull it out even if the guest uses it")
	return c
}

func (a *app) nicLink() *cobra.Command {
	return &cobra.Command{
		Use: "link VM NAME up|down", Short: "Plug a network adapter's cable in or out", Args: cobra.ExactArgs(3), ValidArgsFunction: a.completeNICs,
		Long: "Plug a running machine's network adapter in or out, until its next start.", Example: "  basalt vm nic link web nic0 down",
		RunE: work(func(ctx context.Context, args []string) error {
			if args[2] != "up" && args[2] != "down" {
				return usageError(fmt.Sprintf("%q is neither up nor down", args[2]))
			}
			return a.change(ctx, a.printNICs, func(ctx context.Context, c *client.Client) (wire.VM, error) {
				return c.SetLink(ctx, args[0], args[1], args[2] == "up")
			})
		}),
	}
}

// completeDisks completes a machine, then one of its disks.
func (a *app) completeDisks(c *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
	return a.completeDevice(c, args, to, func(vm wire.VM) (out []string) {
		for _, d := range vm.Disks {
			out = append(out, d.Name+"\t"+diskText(d))
		}
		return out
	})
}

func (a *app) completeNICs(c *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 2 && c.Name() == "link" {
		return []string{"up", "down"}, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeDevice(c, args, to, func(vm wire.VM) (out []string) {
		for _, n := range vm.NICs {
			out = append(out, n.Name+"\t"+nicText(n))
		}
		return out
	})
}

func (a *app) completeDevice(c *cobra.Command, args []string, to string, names func(wire.VM) []string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeVMs(c, args, to)
	case 1:
		return a.complete(c, func(ctx context.Context, cl *client.Client) []string {
			vm, _ := cl.VM(ctx, args[0])
			return names(vm)
		})
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeDiskSpec completes --disk: a kind, then an image's path.
func (a *app) completeDiskSpec(c *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
	path, image := strings.CutPrefix(to, "image=")
	if !image {
		return []string{"image=", "ram=", "null="}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	files, dir := a.completeFiles(c, args, path)
	for i := range files {
		files[i] = "image=" + files[i]
	}
	return files, dir
}

// completeAttach completes a machine, then what device says.
func (a *app) completeAttach(device cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return a.completeVMs(c, args, to)
		case 1:
			return device(c, args, to)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}
