package main

import (
	"context"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) vmSet() *cobra.Command {
	var f cpuFlags
	var pool, all, memory string
	var cpus int
	c := &cobra.Command{
		Use: "set VM", Short: "Change a machine's CPUs and memory, their part of the host, and its balloon", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(a.completeVMs),
		Long: `Change a machine, whether it is off or runs: what is not given stays as it is.

--cpus adds virtual CPUs, up to the --max-cpus that the machine was created with; the
guest is told and decides when it uses them. None can be taken away.

--memory adds memory, in steps of 128 MiB, up to the --max-memory that the machine was
created with; the guest is told and decides when it uses it. None can be taken away.

--memory-target asks the guest of a machine that runs, by the balloon, to live with so
much of its memory until its next start; what it gives back is the host's meanwhile,
but stays promised to it. The guest takes its time: 'vm show' tells how far it is.

--cpu-shares, --cpu-reservation, --cpu-limit and --pool are its part of the host's
processors. They hold at once.` + poolHelp,
		Example: "  basalt vm set web --cpu-shares 4000 --cpu-limit 1.5\n  basalt vm set web --pool prod --cpu-reservation 500m\n  basalt vm set web --cpus 4\n  basalt vm set web --memory 1G\n  basalt vm set web --memory-target 256",
		RunE: func(c *cobra.Command, args []string) error {
			return work(func(ctx context.Context, args []string) error {
				if c.Flags().NFlag() == 0 {
					return usageError("nothing to change was given")
				}
				return a.change(ctx, printVM, func(ctx context.Context, cl *client.Client) (wire.VM, error) {
					vm, err := cl.VM(ctx, args[0])
					if err != nil {
						return vm, err
					}
					fl := c.Flags()
					in := vm.CPU
					if err := f.fill(fl, "cpu-", &in.Shares, &in.Reservation, &in.Limit); err != nil {
						return vm, err
					}
					if fl.Changed("pool") {
						in.Pool = pool
					}
					if in != vm.CPU {
						if vm, err = cl.SetCPU(ctx, args[0], in); err != nil {
							return vm, err
						}
					}
					if fl.Changed("cpus") {
						if vm, err = cl.SetCPUs(ctx, args[0], cpus); err != nil {
							return vm, err
						}
					}
					if fl.Changed("memory") {
						mib, err := parseMemory(all)
						if err != nil {
							return vm, err
						}
						if vm, err = cl.SetMemory(ctx, args[0], mib); err != nil {
							return vm, err
						}
					}
					if fl.Changed("memory-target") {
						mib, err := parseMemory(memory)
						if err != nil {
							return vm, err
						}
						return cl.SetMemoryTarget(ctx, args[0], mib)
					}
					return vm, err
				})
			})(c, args)
		},
	}
	f.add(c.Flags(), "cpu-")
	c.Flags().StringVar(&pool, "pool", "", "the resource `pool` that it is in; host for none")
	c.Flags().IntVar(&cpus, "cpus", 0, "virtual CPUs that it has from now on")
	c.Flags().StringVar(&all, "memory", "", "memory that it has from now on, in MiB, or with G in GiB")
	c.Flags().StringVar(&memory, "memory-target", "", "memory that its guest is to live with, in MiB, or with G in GiB")
	c.RegisterFlagCompletionFunc("pool", a.completePools)
	return c
}
