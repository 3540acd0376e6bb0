package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

const nicsHelp = `
A guest reads the addresses of its network adapters once, so a copy cannot be given
others while it runs: with --nics new its guest is asked to let the adapters go, which
Linux does in five seconds, and new ones are plugged in (it asks for a new address then).
A guest that does not, or that is paused, finds them pulled out. With --nics none, or
--no-nics, they are only taken out.`

// long runs f, which may take long, with a progress bar and without the time limit.
func (a *app) long(ctx context.Context, name string, f func(context.Context, *client.Client, client.Progress) (wire.VM, error)) error {
	return longer(ctx, a, name, f, func(w io.Writer, vm wire.VM) { fmt.Fprintf(w, "%s\t%s\n", vm.Name, vm.State) })
}

// longer is long for what does not leave a machine.
func longer[T any](ctx context.Context, a *app, name string, f func(context.Context, *client.Client, client.Progress) (T, error), text func(io.Writer, T)) error {
	return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
		p := a.progress(name, 0)
		made, err := f(ctx, c, func(done, total uint64) { p.to(int64(done), int64(total)) })
		p.done(err)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return errors.New("interrupted: the host has given it up, and everything is as it was")
		}
		if err != nil {
			return err
		}
		return a.show(made, func(w io.Writer) { text(w, made) })
	})
}

func (a *app) vmSuspend() *cobra.Command {
	var in wire.VMSuspend
	c := &cobra.Command{
		Use: "suspend VM", Short: "Write a machine's state into a file and switch it off", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeVMs,
		Long: `Write the state of a running or paused machine into a file of the host's file store, and
switch the machine off: it is suspended then, and takes no memory but the file's. 'resume'
or 'start' lets it go on where it was, and removes the file; 'discard' or 'stop' throws
the state away. The images of its disks belong to it meanwhile: they can be downloaded,
but nobody can change them. A machine with a ram disk cannot be suspended.`,
		Example: "  basalt vm suspend web\n  basalt vm suspend web --file states/web.state && basalt file get states/web.state",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.long(ctx, args[0], func(ctx context.Context, c *client.Client, p client.Progress) (wire.VM, error) {
				return c.Suspend(ctx, args[0], in, p)
			})
		}),
	}
	c.Flags().StringVar(&in.File, "file", "", "`path` in the file store instead of NAME.state")
	c.Flags().BoolVar(&in.Replace, "replace", false, "replace a file that is there")
	c.RegisterFlagCompletionFunc("file", a.completeFiles)
	return c
}

func (a *app) vmClone() *cobra.Command {
	var in wire.VMClone
	var none bool
	c := &cobra.Command{
		Use: "clone VM NAME", Short: "Make a second machine that goes on from where one is", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeFirst(a.completeVMs),
		Long: `Make the machine NAME, which goes on from where the running or paused VM is. VM stands
still meanwhile, and both are in its state then. NAME has copies of the images that it
may write to (NAME.DISK.img), shares the others, and has another generation ID, at
which its guest takes fresh random numbers.` + nicsHelp,
		Example: "  basalt vm clone web web2\n  basalt vm clone web probe --no-nics",
		RunE: work(func(ctx context.Context, args []string) error {
			if in.Name = args[1]; none {
				in.NICs = "none"
			}
			return a.long(ctx, args[1], func(ctx context.Context, c *client.Client, p client.Progress) (wire.VM, error) {
				return c.Clone(ctx, args[0], in, p)
			})
		}),
	}
	c.Flags().StringVar(&in.NICs, "nics", "", "network adapters: new or none")
	c.Flags().BoolVar(&none, "no-nics", false, "as --nics none")
	c.RegisterFlagCompletionFunc("nics", cobra.FixedCompletions([]string{"new", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) vmRestore() *cobra.Command {
	var in wire.VMRestore
	var boot wire.Boot
	var none bool
	var disks []string
	c := &cobra.Command{
		Use: "restore FILE [NAME]", Short: "Make a machine from a saved state", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeFirst(a.completeFiles),
		Long: `Make a machine from the saved state FILE of the host's file store, and let it go on; the
file stays. A state can go to another host of the same engine: download it and the
images of the machine's disks, and upload them there. What the images hold is not in
the state: they must be as they were when it was saved. --disk puts another image
behind a disk.

The machine has the name that it had, unless NAME is given, and its network adapters
have the addresses that they had; the host refuses while another machine has them.` + nicsHelp,
		Example: "  basalt vm restore web.state\n  basalt vm restore web.state web2 --disk disk0=copy.img --nics new",
		RunE: work(func(ctx context.Context, args []string) error {
			in.File = args[0]
			if len(args) > 1 {
				in.Name = args[1]
			}
			if none {
				in.NICs = "none"
			}
			if boot.Kernel != "" {
				in.Boot = &boot
			}
			for _, d := range disks {
				name, path, ok := strings.Cut(d, "=")
				if !ok || name == "" || path == "" {
					return usageError(fmt.Sprintf("--disk %q is not NAME=PATH", d))
				}
				if in.Images == nil {
					in.Images = map[string]string{}
				}
				in.Images[name] = path
			}
			return a.long(ctx, args[0], func(ctx context.Context, c *client.Client, p client.Progress) (wire.VM, error) {
				return c.Restore(ctx, in, p)
			})
		}),
	}
	f := c.Flags()
	f.StringVar(&in.NICs, "nics", "", "network adapters: keep, new or none")
	f.BoolVar(&none, "no-nics", false, "as --nics none")
	f.StringArrayVar(&disks, "disk", nil, "`NAME=PATH` puts another image behind a disk; may be repeated")
	f.BoolVar(&in.Paused, "paused", false, "leave it paused")
	f.StringVarP(&boot.Kernel, "kernel", "k", "", "`path` of the kernel for resets and later starts, instead of what the machine had")
	f.StringVarP(&boot.Initrd, "initrd", "i", "", "with --kernel: initial RAM disk's `path`")
	f.StringVarP(&boot.Cmdline, "cmdline", "c", "", "with --kernel: the kernel's command `line`")
	c.RegisterFlagCompletionFunc("nics", cobra.FixedCompletions([]string{"keep", "new", "none"}, cobra.ShellCompDirectiveNoFileComp))
	for _, n := range []string{"kernel", "initrd"} {
		c.RegisterFlagCompletionFunc(n, a.completeFiles)
	}
	return c
}

func (a *app) vmState() *cobra.Command {
	return group("state", "Inspect saved states", "A saved state is a file of the host's file store that 'suspend' has written.", a.stateInfo())
}

func (a *app) stateInfo() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use: "info FILE", Short: "Say what a saved state is", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(a.completeFiles),
		Long:    "Print what a saved state says about its machine. With --check the host reads all of it and checks its checksums.",
		Example: "  basalt vm state info web.state --check",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				s, err := c.State(ctx, args[0], check)
				if err != nil {
					return err
				}
				return a.show(s, func(w io.Writer) { printState(w, s) })
			})
		}),
	}
	c.Flags().BoolVar(&check, "check", false, "read all of it")
	return c
}

func printState(w io.Writer, s wire.SavedState) {
	row := func(k, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", k, printable(fmt.Sprintf(format, args...)))
	}
	row("File", "%s, %s", s.Path, size(uint64(s.Bytes)))
	row("Machine", "%s", s.Name)
	if s.Saved != nil {
		row("Saved", "%s", s.Saved.Local().Format(time.DateTime))
	}
	level := s.CPULevel
	if level == "" {
		level = "host"
	}
	row("Engine", "%s, CPU level %s", s.Engine, level)
	row("Hardware", "version %d", s.Hardware)
	row("CPUs", "%d, counter %d kHz", s.CPUs, s.TSCKHz)
	row("Memory", "%d MiB", s.MemoryMiB)
	if s.Boot.Kernel != "" {
		row("Kernel", "%s", s.Boot.Kernel)
	}
	for _, d := range s.Disks {
		row("Disk "+printable(d.Name), "%s", diskText(d))
	}
	for _, n := range s.NICs {
		row("Adapter "+printable(n.Name), "%s", nicText(n))
	}
	if s.Checked {
		row("Check", "whole")
	}
}

// completeFirst completes the first argument only.
func (a *app) completeFirst(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, to)
	}
}
