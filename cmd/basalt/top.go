package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) vmTop() *cobra.Command {
	var once bool
	var every time.Duration
	c := &cobra.Command{
		Use: "top [VM...]", Short: "Watch what machines do", ValidArgsFunction: a.completeVMs,
		Long: `Show for each machine, or for those that are named, how its virtual CPUs spend their
time (run, ready: it waits for a processor, costop: it is held for its siblings), its
exits by kind, the requests of its disks and the packets of its network adapters, per
second of the last interval; above them, unless machines are named, the resource pools. What the host does not count is not shown. On a terminal
the picture is refreshed in place; Ctrl-C ends it. With --once, and in the first
picture, the figures are averages since each machine's start. With --json the counters
themselves are printed, one object per line.`,
		Example: "  basalt vm top\n  basalt vm top web --once\n  basalt vm top --json --once | jq '.vms[].exits'",
		RunE: work(func(ctx context.Context, args []string) error {
			if every < 100*time.Millisecond {
				return usageError(fmt.Sprintf("--interval %s is too short, 100ms is the least", every))
			}
			return a.stream(ctx, func(ctx context.Context, c *client.Client) error { return a.top(ctx, c, args, once, every) })
		}),
	}
	c.Flags().BoolVar(&once, "once", false, "print once and end")
	c.Flags().DurationVar(&every, "interval", 2*time.Second, "time between two pictures")
	return c
}

func (a *app) top(ctx context.Context, c *client.Client, names []string, once bool, every time.Duration) error {
	_, live := terminal(a.out)
	var before wire.Stats
	for {
		s, err := a.stats(ctx, c, names)
		if err != nil {
			if ctx.Err() != nil {
				return nil // Ctrl-C is how it ends
			}
			return err
		}
		switch {
		case a.json:
			if err := json.NewEncoder(a.out).Encode(s); err != nil {
				return err
			}
		default:
			var b strings.Builder
			if live && !once {
				b.WriteString("\x1b[H\x1b[J") // home, clear to the end (ECMA-48)
			}
			printTop(&b, before, s)
			if _, err := io.WriteString(a.out, b.String()); err != nil {
				return err
			}
		}
		if once {
			return nil
		}
		before = s
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil
		}
	}
}

// stats asks for the counters of the named machines, or of all.
func (a *app) stats(ctx context.Context, c *client.Client, names []string) (wire.Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	s, err := c.Stats(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = timeoutError(fmt.Sprintf("the host did not answer in %s", a.timeout))
	}
	if err != nil || len(names) == 0 {
		return s, err
	}
	all := s.VMs
	s.VMs, s.Pools = []wire.VMStats{}, nil
	for _, n := range names {
		i := slices.IndexFunc(all, func(v wire.VMStats) bool { return v.Name == n || v.ID == n })
		if i < 0 {
			return s, notKnown(fmt.Sprintf("virtual machine %q: not found", n))
		}
		s.VMs = append(s.VMs, all[i])
	}
	return s, nil
}

// rates gives figures per second between two pictures of one machine.
type rates struct {
	seconds float64
	fresh   bool // since the start: what was before does not count
}

func ratesOf(before, now *wire.Stats, was *wire.VMStats, v wire.VMStats) rates {
	if was == nil || was.UptimeSeconds > v.UptimeSeconds || now.HostSeconds <= before.HostSeconds {
		return rates{v.UptimeSeconds, true}
	}
	return rates{now.HostSeconds - before.HostSeconds, false}
}

func (r rates) of(was, is float64) float64 {
	if r.fresh {
		was = 0
	}
	if r.seconds <= 0 || is < was {
		return 0
	}
	return (is - was) / r.seconds
}

func (r rates) count(was, is uint64) float64 { return r.of(float64(was), float64(is)) }

// times prints a row of where the time of CPUs went.
func (r rates) times(w io.Writer, what string, was, is wire.CPUStats) {
	fmt.Fprintf(w, "%s\trun %.1f%%", what, 100*r.of(was.RunSeconds, is.RunSeconds))
	part := func(what string, was, is *float64) {
		if is != nil {
			if was == nil {
				was = new(float64)
			}
			fmt.Fprintf(w, "\t%s %.1f%%", what, 100*r.of(*was, *is))
		}
	}
	part("ready", was.ReadySeconds, is.ReadySeconds)
	part("costop", was.CoStopSeconds, is.CoStopSeconds)
	part("wait", was.WaitSeconds, is.WaitSeconds)
	fmt.Fprintln(w)
}

// whole adds up a machine's CPUs.
func whole(cpus []wire.CPUStats) (all wire.CPUStats) {
	add := func(to **float64, n *float64) {
		if n != nil {
			if *to == nil {
				*to = new(float64)
			}
			**to += *n
		}
	}
	for _, c := range cpus {
		all.RunSeconds += c.RunSeconds
		add(&all.ReadySeconds, c.ReadySeconds)
		add(&all.CoStopSeconds, c.CoStopSeconds)
		add(&all.WaitSeconds, c.WaitSeconds)
	}
	return all
}

// printPools prints a row for each resource pool, if there is more than the host's own.
// Before the second picture there is no time to make rates of.
func printPools(out io.Writer, before, now wire.Stats) {
	if len(now.Pools) < 2 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w)
	for _, p := range now.Pools {
		was := find(before.Pools, func(o wire.Pool) bool { return o.Name == p.Name })
		limit := "none"
		if p.Limit != 0 {
			limit = cpusText(p.Limit)
		}
		name := fmt.Sprintf("pool %s\t%d machines\treserved %s\tpromised %s\tlimit %s", printable(p.Name), p.RunningVMs, cpusText(p.Reservation), cpusText(p.Promised), limit)
		if was.Name == "" || now.HostSeconds <= before.HostSeconds {
			fmt.Fprintln(w, name)
			continue
		}
		rates{now.HostSeconds - before.HostSeconds, false}.times(w, name, was.Times, p.Times)
	}
	w.Flush()
}

const topKinds = 8 // kinds of exits in a picture

// printTop prints the picture of two sets of counters.
func printTop(out io.Writer, before, now wire.Stats) {
	fmt.Fprintf(out, "%s  %d CPUs  %d machines\n", now.At.Local().Format(time.TimeOnly), now.HostCPUs, len(now.VMs))
	printPools(out, before, now)
	old := map[string]*wire.VMStats{}
	for i := range before.VMs {
		old[before.VMs[i].ID] = &before.VMs[i]
	}
	for _, v := range now.VMs {
		was := old[v.ID]
		r := ratesOf(&before, &now, was, v)
		if was == nil {
			was = &wire.VMStats{}
		}
		exits, wasExits := uint64(0), uint64(0)
		for k, n := range v.Exits {
			exits, wasExits = exits+n, wasExits+was.Exits[k]
		}
		fmt.Fprintf(out, "\n%s  %s  up %s  cpu %.1f%%  exits %.0f/s  memory %s of %s\n", printable(v.Name), printable(v.State), seconds(v.UptimeSeconds),
			100*r.of(was.CPUSeconds, v.CPUSeconds), r.count(wasExits, exits), size(v.MemoryUsedBytes), size(v.MemoryBytes))
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		if len(v.CPUs) > 1 {
			r.times(w, "  all", whole(was.CPUs), whole(v.CPUs))
		}
		for i, c := range v.CPUs {
			o := wire.CPUStats{}
			if i < len(was.CPUs) {
				o = was.CPUs[i]
			}
			r.times(w, fmt.Sprintf("  cpu%d", i), o, c)
		}
		for _, d := range v.Disks {
			o := find(was.Disks, func(x wire.DiskStats) bool { return x.Name == d.Name })
			ops := r.count(o.Reads, d.Reads) + r.count(o.Writes, d.Writes) + r.count(o.Flushes, d.Flushes) + r.count(o.Discards, d.Discards)
			fmt.Fprintf(w, "  %s\t%.0f IOPS\tread %.0f/s\t%s/s\twrite %.0f/s\t%s/s\terrors %d\tin flight %d\n", printable(d.Name), ops,
				r.count(o.Reads, d.Reads), size(uint64(r.count(o.ReadBytes, d.ReadBytes))), r.count(o.Writes, d.Writes),
				size(uint64(r.count(o.WrittenBytes, d.WrittenBytes))), d.Errors, d.InFlight)
		}
		for _, n := range v.NICs {
			o := find(was.NICs, func(x wire.NICStats) bool { return x.Name == n.Name })
			link := "down"
			if n.Link {
				link = "up"
			}
			fmt.Fprintf(w, "  %s\t%s\trx %.0f packets/s\t%s/s\ttx %.0f packets/s\t%s/s\tdropped %d\n", printable(n.Name), link,
				r.count(o.RxPackets, n.RxPackets), size(uint64(r.count(o.RxBytes, n.RxBytes))),
				r.count(o.TxPackets, n.TxPackets), size(uint64(r.count(o.TxBytes, n.TxBytes))), n.RxDropped+n.TxDropped)
		}
		w.Flush()
		kinds := slices.SortedFunc(maps.Keys(v.Exits), func(x, y string) int {
			return cmp.Or(cmp.Compare(r.count(was.Exits[y], v.Exits[y]), r.count(was.Exits[x], v.Exits[x])), strings.Compare(x, y))
		})
		for i, k := range kinds[:min(len(kinds), topKinds)] {
			if i == 0 {
				fmt.Fprint(out, "  exits")
			}
			fmt.Fprintf(out, "  %s %.0f/s", printable(k), r.count(was.Exits[k], v.Exits[k]))
		}
		if len(kinds) > 0 {
			fmt.Fprintln(out)
		}
	}
}

func find[T any](list []T, match func(T) bool) (zero T) {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i]
	}
	return zero
}
