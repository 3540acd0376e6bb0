package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) vmCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "vm", Aliases: []string{"vms"}, Short: "Create, run and inspect virtual machines", Args: cobra.NoArgs,
		Long: "A machine is named by its name or by its id. It is off, starting, running, paused, crashed or suspended.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.vmCreate(), a.vmList(), a.vmShow(), a.vmStart(),
		a.vmAct("stop", "Cut the power of machines", "Cut the power at once, as by pulling the plug. A start that is under way is cancelled, and the state\nof a suspended machine is thrown away.\nTo shut a guest down in order, use 'basalt vm shutdown', or do it in the guest."),
		a.vmShutdown(),
		a.vmAct("nmi", "Send an NMI to machines", "Raise the NMI pin of every CPU of running machines. What a guest does then is its own affair:\nLinux can be told to panic, and write a dump."),
		a.vmAct("reset", "Press the reset button of machines", "Restart the guests at once with the files that they were started with."),
		a.vmAct("pause", "Hold machines", "Hold the guests: they use no CPU time and their clocks stand still."),
		a.vmAct("resume", "Let held machines go on", "Let paused or suspended guests go on where they were. The state of a suspended one is removed then."),
		a.vmAct("discard", "Throw the state of suspended machines away", "Throw the saved state of suspended machines away: they are off, as if their power had been cut."),
		a.vmSuspend(), a.vmClone(), a.vmRestore(), a.vmState(),
		a.vmWait(), a.vmConsole(), a.vmLog(), a.vmRemove(), a.vmDisk(), a.vmNIC(), a.vmSet(), a.vmTop())
	return c
}

func (a *app) vmList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List virtual machines", Args: cobra.NoArgs,
		Long: "List the virtual machines, oldest first.", Example: "  basalt vm ls\n  basalt vm ls --json | jq -r '.[] | select(.state==\"running\").name'",
		RunE: work(func(ctx context.Context, _ []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				vms, err := c.VMs(ctx)
				if err != nil {
					return err
				}
				return a.show(vms, func(w io.Writer) {
					fmt.Fprintln(w, "ID\tNAME\tSTATE\tCPUS\tMEMORY\tUPTIME\tCPU TIME")
					for _, v := range vms {
						fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d MiB\t%s\t%s\n", v.ID, v.Name, v.State, v.CPUs, v.MemoryMiB, seconds(v.UptimeSeconds), seconds(v.CPUTimeSeconds))
					}
				})
			})
		}),
	}
}

func (a *app) vmShow() *cobra.Command {
	return &cobra.Command{
		Use: "show VM", Short: "Describe a virtual machine", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeVMs,
		Long: "Print everything about a machine: settings, state and why, times, exits by kind.", Example: "  basalt vm show web",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				v, err := c.VM(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(v, func(w io.Writer) { printVM(w, v) })
			})
		}),
	}
}

func printVM(w io.Writer, v wire.VM) {
	row := func(k, format string, args ...any) { fmt.Fprintf(w, k+"\t"+format+"\n", args...) }
	row("ID", "%s", v.ID)
	row("Name", "%s", v.Name)
	state := v.State
	if v.Reason != "" {
		state += ": " + printable(v.Reason)
	}
	row("State", "%s", state)
	row("Since", "%s", v.Since.Local().Format(time.DateTime))
	if v.StateFile != "" {
		row("State in", "%s", v.StateFile)
	}
	cpus := fmt.Sprint(v.CPUs)
	if v.MaxCPUs != 0 {
		cpus += fmt.Sprintf(", up to %d", v.MaxCPUs)
	}
	row("CPUs", "%s", cpus)
	if v.APICIDStep > 1 {
		row("APIC IDs", "%d apart", v.APICIDStep)
	}
	row("CPU share", "%s", shareText(v.CPU))
	memory := fmt.Sprintf("%d MiB", v.MemoryMiB)
	if v.MaxMemoryMiB != 0 {
		memory += fmt.Sprintf(", up to %d MiB", v.MaxMemoryMiB)
	}
	row("Memory", "%s, %s in use", memory, size(v.MemoryUsedBytes))
	if n := v.MemoryOverheadBytes; n > 0 {
		row("Overhead", "%s of the host's memory are promised beside it", size(n))
	}
	if v.NUMANodes > 1 {
		row("NUMA nodes", "%d", v.NUMANodes)
	}
	if v.MemoryTargetBytes != 0 && v.MemoryTargetBytes < uint64(v.MemoryMiB)<<20 {
		row("Balloon", "the guest is to live with %s, and does without %s", size(v.MemoryTargetBytes), size(v.MemoryBalloonBytes))
	}
	row("UUID", "%s", printable(v.UUID))
	row("Hardware", "version %d", v.Hardware)
	row("Kernel", "%s (%s)", v.Boot.Kernel, v.KernelFormat)
	if v.Boot.Initrd != "" {
		row("Initrd", "%s", v.Boot.Initrd)
	}
	row("Command line", "%s", printable(v.Boot.Cmdline))
	for _, m := range v.Boot.Modules {
		row("Module", "%s", printable(m))
	}
	if v.CPULevel != "" {
		row("CPU level", "%s", printable(v.CPULevel))
	}
	if v.VsockCID != 0 {
		row("Vsock", "%d", v.VsockCID)
	}
	for _, p := range v.Consoles {
		row("Console port "+printable(p.Name), "%s", consoleText(p))
	}
	for _, d := range v.Disks {
		row("Disk "+printable(d.Name), "%s", diskText(d))
	}
	for _, n := range v.NICs {
		row("Adapter "+printable(n.Name), "%s", nicText(n))
	}
	row("Created", "%s", v.Created.Local().Format(time.DateTime))
	row("Uptime", "%s", seconds(v.UptimeSeconds))
	row("CPU time", "%.3f s", v.CPUTimeSeconds)
	row("Exits", "%d", v.ExitsTotal)
	for _, k := range slices.SortedFunc(maps.Keys(v.Exits), func(x, y string) int {
		if v.Exits[x] != v.Exits[y] {
			return int(int64(v.Exits[y]) - int64(v.Exits[x]))
		}
		return strings.Compare(x, y)
	}) {
		row("  "+k, "%d", v.Exits[k])
	}
}

func (a *app) vmAct(action, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: action + " VM...", Short: short, Long: long, Example: "  basalt vm " + action + " web", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeVMs,
		RunE: work(func(ctx context.Context, args []string) error { return a.act(ctx, action, args) }),
	}
}

// act does one action on every machine and tells all errors.
func (a *app) act(ctx context.Context, action string, names []string) error {
	return a.with(ctx, func(ctx context.Context, c *client.Client) error {
		var errs error
		vms := []wire.VM{}
		for _, n := range names {
			vm, err := c.Act(ctx, n, action)
			if err != nil {
				if len(names) > 1 {
					err = fmt.Errorf("%s: %w", n, err)
				}
				errs = errors.Join(errs, err)
				continue
			}
			vms = append(vms, vm)
		}
		return errors.Join(errs, a.show(vms, func(w io.Writer) {
			for _, v := range vms {
				fmt.Fprintf(w, "%s\t%s\n", v.Name, v.State)
			}
		}))
	})
}

func (a *app) vmStart() *cobra.Command {
	var console bool
	c := &cobra.Command{
		Use: "start VM...", Short: "Start machines", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeVMs,
		Long:    "Start machines that are off or crashed. With --console attach to the console of the last one.",
		Example: "  basalt vm start web\n  basalt vm start web --console",
		RunE: work(func(ctx context.Context, args []string) error {
			if err := a.act(ctx, "start", args); err != nil || !console {
				return err
			}
			return a.console(ctx, args[len(args)-1], consoleFlags{backlog: 256 << 10, linger: 2 * time.Second})
		}),
	}
	c.Flags().BoolVar(&console, "console", false, "then attach to the console")
	return c
}

func (a *app) vmWait() *cobra.Command {
	var state string
	var limit time.Duration
	c := &cobra.Command{
		Use: "wait VM", Short: "Wait until a machine reaches a state", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeVMs,
		Long:    "Wait until a machine is in the state of --state. A machine that crashes ends the wait with exit code 1,\nunless that is the state that was waited for; the end of --wait with exit code 8.",
		Example: "  basalt vm wait web --state off --wait 5m",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.waitFor(ctx, args[0], state, limit)
		}),
	}
	c.Flags().StringVar(&state, "state", "off", "off, running, paused, crashed or suspended")
	c.Flags().DurationVar(&limit, "wait", 10*time.Minute, "how long to wait")
	return c
}

// waitFor waits until a machine is in a state.
func (a *app) waitFor(ctx context.Context, name, state string, limit time.Duration) error {
	return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		for {
			v, err := c.VM(ctx, name)
			switch {
			case err != nil && ctx.Err() != nil:
				return timeoutError(fmt.Sprintf("machine %s did not become %s in %s", name, state, limit))
			case err != nil:
				return err
			case v.State == state:
				return a.show(v, func(w io.Writer) { fmt.Fprintf(w, "%s\t%s\n", v.Name, v.State) })
			case v.State == "crashed":
				return fmt.Errorf("machine %s crashed: %s", v.Name, v.Reason)
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
}

func (a *app) vmLog() *cobra.Command {
	var port string
	c := &cobra.Command{
		Use: "log VM", Short: "Print the end of a machine's console", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeVMs,
		Long: "Print the last 256 KiB that the guest wrote to its serial console, byte for byte; with --port the last\n16 KiB of another serial port or of a console port.", Example: "  basalt vm log web | tail\n  basalt vm log web --port org.example.agent",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				b, err := c.PortLog(ctx, args[0], port)
				if err != nil {
					return err
				}
				if a.json {
					return a.show(map[string]string{"log": string(b)}, nil)
				}
				_, err = a.out.Write(b)
				return err
			})
		}),
	}
	a.addPort(c, &port)
	return c
}

func (a *app) vmRemove() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "rm VM...", Aliases: []string{"remove"}, Short: "Delete machines", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeVMs,
		Long:    "Delete machines that are off or crashed. With --force the power of the others is cut first.",
		Example: "  basalt vm rm web\n  basalt vm rm --force web db",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				return a.remove(args, func(n string) (err error) {
					if force {
						if v, verr := c.VM(ctx, n); verr == nil && v.State != "off" {
							if _, serr := c.Act(ctx, n, "stop"); serr != nil && statusCodeOf(serr) != exitConflict {
								err = serr
							}
						}
					}
					return errors.Join(err, c.DeleteVM(ctx, n))
				})
			})
		}),
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "cut the power of running machines first")
	return c
}

func statusCodeOf(err error) int { return exitCode(&runError{err}) }
