package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"basalt/mgmt/wire"
)

// step is the longest that one thing may take.
const step = 5 * time.Minute

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
	limit := flag.Duration("limit", 2*time.Hour, "longest run; it ends between two cycles")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &run{engine: *engine, build: *build, want: *cycles, limit: *limit}
	switch *kind {
	case "micro":
		r.load = &micro{}
	case "debian":
		r.load = &debian{build: *build}
	default:
		fmt.Fprintf(os.Stderr, "cycles: load %q is neither micro nor debian\n", *kind)
		os.Exit(2)
	}
	err := r.do(ctx)
	fmt.Printf("\n%s, %s: %d of %d cycles: %d suspended and resumed, %d restored as another machine, %d cloned\n", *engine, *kind,
		r.done[0]+r.done[1]+r.done[2], *cycles, r.done[0], r.done[1], r.done[2])
	if r.said != "" {
		fmt.Println(r.said)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cycles: lost:", err)
		os.Exit(1)
	}
}

// run is one run.
type run struct {
	engine, build string
	load          load
	want          int
	limit         time.Duration // of the cycles
	done          [3]int
	said          string
}

func (r *run) do(ctx context.Context) (err error) {
	archive := ""
	if d, ok := r.load.(*debian); ok {
		if r.engine != "amd-v" {
			return errors.New("the load debian needs AMD-V")
		}
		if archive, err = d.archive(ctx); err != nil {
			return err
		}
	}
	n, err := boot(ctx, r.engine, r.build, archive, r.limit+20*time.Minute)
	if err != nil {
		return err
	}
	defer n.Stop()
	fmt.Println("the host is there")
	vm, err := r.load.create(ctx, n)
	if err != nil {
		return err
	}
	fmt.Println("the guest works")
	end := time.Now().Add(r.limit) // a place for the emulator may have taken long
	for i := 0; i < r.want && time.Now().Before(end); i++ {
		start := time.Now()
		next, err := r.cycle(ctx, n, vm, i)
		if err != nil {
			return fmt.Errorf("cycle %d: %w", i+1, err)
		}
		vm = next
		r.done[i%3]++
		fmt.Printf("cycle %d: %s, %.1f s\n", i+1, [3]string{"suspended and resumed", "restored", "cloned"}[i%3], time.Since(start).Seconds())
	}
	r.said, err = r.load.finish(ctx, n, vm)
	return err
}

// cycle does one and gives the machine that goes on.
func (r *run) cycle(ctx context.Context, n *node, vm wire.VM, i int) (wire.VM, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*step)
	defer cancel()
	switch i % 3 {
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
	f, size, err := n.GetFile(ctx, name+".state")
	if err != nil {
		return vm, err
	}
	_, err = n.PutFile(ctx, name+".copy", f, size, true)
	f.Close()
	if err != nil {
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
