package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"basalt/mgmt/wire"
)

// load is a guest that works.
type load interface {
	// create makes the machine and starts its work.
	create(ctx context.Context, n *node) (wire.VM, error)
	// check says whether the machine works and has lost nothing. A clone's connections
	// are not looked at.
	check(ctx context.Context, n *node, vm wire.VM, clone bool) error
	// finish looks a last time and says what was done.
	finish(ctx context.Context, n *node, vm wire.VM) (string, error)
}

func main() {
	cycles := flag.Int("n", 200, "cycles")
	engine := flag.String("engine", "amd-v", "amd-v or vt-x")
	kind := flag.String("load", "micro", "micro or debian")
	build := flag.String("build", "build", "where what was built is")
	every := flag.Int("audit", 10, "count what the host holds after every this many cycles")
	only := flag.String("only", "", "one kind of cycle alone: suspend, restore or clone")
	limit := flag.Duration("limit", 2*time.Hour, "longest run; it ends between two cycles")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &run{engine: *engine, build: *build, want: *cycles, every: max(*every, 1), limit: *limit}
	switch *kind {
	case "micro":
		r.load = &micro{}
	case "debian":
		r.load = &debian{build: *build, cpus: guestCPUs[*engine]}
	default:
		fmt.Fprintf(os.Stderr, "cycles: load %q is neither micro nor debian\n", *kind)
		os.Exit(2)
	}
	switch *only {
	case "":
		r.turn = []int{0, 1, 2}
	case "suspend", "restore", "clone":
		r.turn = []int{slices.Index([]string{"suspend", "restore", "clone"}, *only)}
	default:
		fmt.Fprintf(os.Stderr, "cycles: -only %q is none of suspend, restore and clone\n", *only)
		os.Exit(2)
	}
	err := r.do(ctx)
	fmt.Print("\n", r.table(*kind))
	if r.first != nil {
		fmt.Printf("after 3 cycles:  %s\nafter the last:  %s\n", *r.first, r.last)
	}
	if r.said != "" {
		fmt.Println(r.said)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cycles: failed:", err)
		os.Exit(1)
	}
}

// run is one run.
type run struct {
	engine, build string
	load          load
	turn          []int // the kinds, one after the other
	want, every   int
	limit         time.Duration // of the cycles
	done          [3]tally
	said          string
	first         *holding // after the third cycle: each kind has been once
	last          holding  // after the last
}

func (r *run) do(ctx context.Context) (err error) {
	archive := ""
	if d, ok := r.load.(*debian); ok {
		if archive, err = d.archive(ctx); err != nil {
			return err
		}
	}
	n, err := boot(ctx, r.engine, r.build, archive, r.limit)
	if err != nil {
		return err
	}
	defer n.Stop()
	defer func() {
		if err != nil {
			n.evidence(r.build, r.engine)
		}
	}()
	fmt.Println("the host is there")
	vm, err := r.load.create(ctx, n)
	if err != nil {
		return err
	}
	fmt.Println("the guest works")
	end := time.Now().Add(r.limit) // a place for the emulator may have taken long
	for i := 0; i < r.want && time.Now().Before(end); i++ {
		start := time.Now()
		kind := r.turn[i%len(r.turn)]
		next, err := r.cycle(ctx, n, vm, i, kind)
		if err != nil {
			return fmt.Errorf("cycle %d: %w", i+1, err)
		}
		vm = next
		took := time.Since(start)
		r.done[kind].add(took)
		audit := ""
		if i == 2 || i > 2 && ((i+1)%r.every == 0 || i+1 == r.want) {
			if audit, err = r.audit(ctx, n); err != nil {
				return fmt.Errorf("after cycle %d: %w", i+1, err)
			}
		}
		fmt.Printf("cycle %d: %s, %.1f s%s\n", i+1, kinds[kind], took.Seconds(), audit)
	}
	if r.said, err = r.load.finish(ctx, n, vm); err != nil {
		return err
	}
	if done := r.cycles(); done < r.want {
		return fmt.Errorf("the time was over after %d cycles", done)
	}
	return nil
}

// audit counts what the host holds, and compares it with the first time.
func (r *run) audit(ctx context.Context, n *node) (said string, err error) {
	if r.last, err = n.holds(ctx); err != nil {
		return "", err
	}
	if r.first == nil {
		first := r.last
		r.first = &first
	}
	if err := r.last.leaked(*r.first); err != nil {
		return "", fmt.Errorf("leaked: %w", err)
	}
	return "; " + r.last.String(), nil
}

// cycle does one and gives the machine that goes on.
func (r *run) cycle(ctx context.Context, n *node, vm wire.VM, i, kind int) (wire.VM, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*n.step)
	defer cancel()
	switch kind {
	case 0:
		if _, err := n.Suspend(ctx, vm.ID, wire.VMSuspend{}, nil); err != nil {
			return vm, err
		}
		if _, err := n.Act(ctx, vm.ID, "resume"); err != nil {
			return vm, err
		}
	case 1:
		next, err := r.exchange(ctx, n, vm, i)
		if err != nil {
			return vm, err
		}
		vm = next
	case 2:
		twin, err := n.Clone(ctx, vm.ID, wire.VMClone{Name: fmt.Sprint("twin", i)}, nil)
		if err != nil {
			return vm, err
		}
		if err := r.load.check(ctx, n, twin, true); err != nil {
			return vm, fmt.Errorf("the clone: %w", err)
		}
		if _, err := n.Act(ctx, twin.ID, "stop"); err != nil {
			return vm, err
		}
		if err := n.DeleteVM(ctx, twin.ID); err != nil {
			return vm, err
		}
		for _, d := range twin.Disks {
			if err := n.RemoveFile(ctx, d.Image); err != nil {
				return vm, err
			}
		}
	}
	return vm, r.load.check(ctx, n, vm, false)
}

// exchange puts another machine in the place of vm, with its state and its disks.
func (r *run) exchange(ctx context.Context, n *node, vm wire.VM, i int) (wire.VM, error) {
	name := fmt.Sprint("m", i)
	// A paused copy of the state first: the file of a suspended machine goes with it.
	if _, err := n.Suspend(ctx, vm.ID, wire.VMSuspend{File: name + ".state"}, nil); err != nil {
		return vm, err
	}
	if _, err := n.CopyFile(ctx, wire.FileCopy{From: name + ".state", To: name + ".copy"}, nil); err != nil {
		return vm, err
	}
	if _, err := n.Act(ctx, vm.ID, "discard"); err != nil {
		return vm, err
	}
	if err := n.DeleteVM(ctx, vm.ID); err != nil {
		return vm, err
	}
	next, err := n.Restore(ctx, wire.VMRestore{File: name + ".copy", Name: name}, nil)
	if err != nil {
		return vm, err
	}
	return next, n.RemoveFile(ctx, name+".copy")
}
