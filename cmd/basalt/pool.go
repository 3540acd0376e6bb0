package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

// parseCPUs gives thousandths of a host CPU: of 1.5 CPUs, or of 1500m.
func parseCPUs(s string) (int, error) {
	digits, thousandths := strings.CutSuffix(s, "m")
	f, err := strconv.ParseFloat(digits, 64)
	if !thousandths {
		f *= 1000
	}
	n := int(math.Round(min(max(f, -1), 1e9)))
	if err != nil || math.IsNaN(f) || strings.ContainsAny(digits, "xXpP_") || f < 0 || n > 64_000 || math.Abs(f-float64(n)) > 1e-6 {
		return 0, usageError(fmt.Sprintf("%q is not a number of CPUs, such as 2, 0.25 or 250m (thousandths)", s))
	}
	return n, nil
}

// cpusText is what parseCPUs reads.
func cpusText(n int) string { return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) }

// cpuFlags are the flags of what something is entitled to.
type cpuFlags struct {
	shares             int
	reservation, limit string
}

func (f *cpuFlags) add(fl *pflag.FlagSet, prefix string) {
	fl.IntVar(&f.shares, prefix+"shares", 0, "`weight` against others that want to run; 0 for the usual number")
	fl.StringVar(&f.reservation, prefix+"reservation", "0", "host `CPUs` that it gets whenever it wants them, such as 0.5 or 500m")
	fl.StringVar(&f.limit, prefix+"limit", "0", "host `CPUs` that it never exceeds for long; 0 for no limit")
}

// fill replaces what was given on the command line.
func (f *cpuFlags) fill(fl *pflag.FlagSet, prefix string, shares, reservation, limit *int) (err error) {
	if fl.Changed(prefix + "shares") {
		*shares = f.shares
	}
	if fl.Changed(prefix + "reservation") {
		if *reservation, err = parseCPUs(f.reservation); err != nil {
			return err
		}
	}
	if fl.Changed(prefix + "limit") {
		*limit, err = parseCPUs(f.limit)
	}
	return err
}

const poolHelp = `
Shares are a weight against whatever else is in the same pool and wants to run. A
reservation is there whenever it is wanted; what is in a pool can be promised no more
than the pool itself is. A limit holds all in the pool together. Both are numbers of
host CPUs, such as 1.5, or thousandths, such as 1500m.`

func (a *app) poolCommand() *cobra.Command {
	c := group("pool", "Create and change resource pools: parts of the host's processors",
		`A resource pool is a part of the host's processors that the machines and pools in it
share. The first is host: all of them.`+poolHelp+`

Pools last until the host is started anew, as machines do.`,
		a.poolList(), a.poolShow(), a.poolCreate(), a.poolSet(), a.poolRemove())
	c.Aliases = []string{"pools"}
	return c
}

func (a *app) poolList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List resource pools", Args: cobra.NoArgs,
		Long: "List the resource pools, each below the one that it is in.", Example: "  basalt pool ls",
		RunE: work(func(ctx context.Context, _ []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				list, err := c.Pools(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer) {
					fmt.Fprintln(w, "NAME\tPARENT\tSHARES\tRESERVED\tPROMISED\tLIMIT\tRUNNING\tMACHINES")
					for _, p := range list {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", printable(p.Name), dash(p.Parent), number(p.Shares), cpusText(p.Reservation),
							cpusText(p.Promised), limitText(p.Limit), p.RunningVMs, dash(strings.Join(p.VMs, " ")))
					}
				})
			})
		}),
	}
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func limitText(n int) string {
	if n == 0 {
		return "-"
	}
	return cpusText(n)
}

func (a *app) poolShow() *cobra.Command {
	return &cobra.Command{
		Use: "show POOL", Short: "Describe a resource pool", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(a.completePools),
		Long: "Print what a resource pool is entitled to, what is in it, and where the time of its machines' CPUs went.", Example: "  basalt pool show prod",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.onePool(ctx, func(ctx context.Context, c *client.Client) (wire.Pool, error) { return c.Pool(ctx, args[0]) })
		}),
	}
}

// onePool does f and shows the pool that it gives.
func (a *app) onePool(ctx context.Context, f func(context.Context, *client.Client) (wire.Pool, error)) error {
	return a.with(ctx, func(ctx context.Context, c *client.Client) error {
		p, err := f(ctx, c)
		if err != nil {
			return err
		}
		return a.show(p, func(w io.Writer) {
			row := func(k, v string) { fmt.Fprintf(w, "%s\t%s\n", k, v) }
			row("Name", printable(p.Name))
			row("Parent", dash(p.Parent))
			row("Shares", number(p.Shares))
			row("Reservation", fmt.Sprintf("%s CPUs, promised %s", cpusText(p.Reservation), cpusText(p.Promised)))
			row("Limit", limitText(p.Limit))
			row("Machines", fmt.Sprintf("%s; running in it and below: %d", dash(strings.Join(p.VMs, " ")), p.RunningVMs))
			row("Times", timesText(p.Times))
		})
	})
}

// timesText is where the time of CPUs went, in seconds.
func timesText(t wire.CPUStats) string {
	s := fmt.Sprintf("run %.3f s", t.RunSeconds)
	for _, x := range []struct {
		what string
		time *float64
	}{{"ready", t.ReadySeconds}, {"costop", t.CoStopSeconds}, {"wait", t.WaitSeconds}} {
		if x.time != nil {
			s += fmt.Sprintf(", %s %.3f s", x.what, *x.time)
		}
	}
	return s
}

func (a *app) poolCreate() *cobra.Command {
	var in wire.PoolCreate
	var f cpuFlags
	c := &cobra.Command{
		Use: "create NAME", Short: "Create a resource pool", Args: cobra.ExactArgs(1),
		Long:    "Create a resource pool in the host's, or with --parent in another one, for its life." + poolHelp,
		Example: "  basalt pool create prod --shares 8000 --reservation 1.5\n  basalt pool create web --parent prod --limit 500m",
		RunE: func(c *cobra.Command, args []string) error {
			return work(func(ctx context.Context, args []string) error {
				in.Name = args[0]
				if err := f.fill(c.Flags(), "", &in.Shares, &in.Reservation, &in.Limit); err != nil {
					return err
				}
				return a.onePool(ctx, func(ctx context.Context, c *client.Client) (wire.Pool, error) { return c.CreatePool(ctx, in) })
			})(c, args)
		},
	}
	c.Flags().StringVar(&in.Parent, "parent", "", "the `pool` that it is in; host when left out")
	f.add(c.Flags(), "")
	c.RegisterFlagCompletionFunc("parent", a.completePools)
	return c
}

func (a *app) poolSet() *cobra.Command {
	var f cpuFlags
	c := &cobra.Command{
		Use: "set POOL", Short: "Change a resource pool", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(a.completePools),
		Long:    "Change what a resource pool is entitled to, at once for what runs in it; what is not given stays." + poolHelp,
		Example: "  basalt pool set prod --shares 2000 --limit 0",
		RunE: func(c *cobra.Command, args []string) error {
			return work(func(ctx context.Context, args []string) error {
				return a.onePool(ctx, func(ctx context.Context, cl *client.Client) (wire.Pool, error) {
					p, err := cl.Pool(ctx, args[0])
					if err != nil {
						return p, err
					}
					in := wire.PoolChange{Shares: p.Shares, Reservation: p.Reservation, Limit: p.Limit}
					if err := f.fill(c.Flags(), "", &in.Shares, &in.Reservation, &in.Limit); err != nil {
						return p, err
					}
					return cl.SetPool(ctx, args[0], in)
				})
			})(c, args)
		},
	}
	f.add(c.Flags(), "")
	return c
}

func (a *app) poolRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm POOL...", Aliases: []string{"remove"}, Short: "Remove resource pools", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completePools,
		Long: "Remove resource pools in which nothing is: no pools, and no machines, also none that are off.", Example: "  basalt pool rm web prod",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				return a.remove(args, func(n string) error { return c.RemovePool(ctx, n) })
			})
		}),
	}
}

func (a *app) completePools(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, cl *client.Client) (out []string) {
		pools, _ := cl.Pools(ctx)
		for _, p := range pools {
			out = append(out, p.Name)
		}
		return out
	})
}

// shareText is a machine's part of the host's processors.
func shareText(c wire.CPU) string {
	s := "shares as usual"
	if c.Shares != 0 {
		s = fmt.Sprintf("%d shares", c.Shares)
	}
	if c.Reservation != 0 {
		s += ", " + cpusText(c.Reservation) + " CPUs reserved"
	}
	if c.Limit != 0 {
		s += ", at most " + cpusText(c.Limit)
	}
	if c.Pool != "" {
		s += ", in pool " + printable(c.Pool)
	}
	return s
}
