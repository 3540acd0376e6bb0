package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"basalt/vmkernel/host"
)

// books is a CPUScheduler that admits one machine at a time and notes what happens.
type books struct {
	mu      sync.Mutex
	taken   bool
	bound   int
	spec    host.CPUSpec
	hurried bool
	free    chan struct{} // a thread was unbound
}

func (b *books) Check(machine string, cpus int, s host.CPUSpec) error {
	if s.Reservation > 1000 {
		return fmt.Errorf("%w: %q asks for %d", host.ErrNoCPU, machine, s.Reservation)
	}
	return nil
}

func (b *books) Admit(machine string, cpus int, s host.CPUSpec) (Entitlement, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.Check(machine, cpus, s); err != nil || b.taken {
		return nil, errors.Join(err, host.ErrNoCPU, errors.New("taken"))
	}
	b.taken, b.spec = true, s
	return b, nil
}

func (b *books) Bind(index int, guest *uint32) func() {
	b.mu.Lock()
	b.bound++
	b.mu.Unlock()
	return func() {
		b.mu.Lock()
		b.bound--
		b.mu.Unlock()
		b.free <- struct{}{}
	}
}

// Set refuses more than one processor.
func (b *books) Set(s host.CPUSpec) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Reservation > 1000 {
		return fmt.Errorf("%w: %d", host.ErrNoCPU, s.Reservation)
	}
	b.spec = s
	return nil
}

func (b *books) Hurry(index int, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurried = on
}

func (b *books) Times(index int) host.CPUStats {
	return host.CPUStats{Sched: true, Run: 3 * time.Second, Ready: 2 * time.Second, Wait: time.Second}
}

func (b *books) Stolen(index int) uint64 { return 5e9 }

func (b *books) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bound != 0 {
		panic("released while a thread is bound")
	}
	b.taken = false
}

// A machine holds its part of the processors from start to off, and a start that
// cannot have it changes nothing.
func TestEntitlement(t *testing.T) {
	b := newTable(t)
	k := &books{free: make(chan struct{}, 8)}
	b.mgr.p.CPUs = k
	greedy := host.Config{ID: "greedy", CPUs: 1, MemoryMiB: 8, CPU: host.CPUSpec{Reservation: 5000}}
	var ce *host.ConfigError
	if _, err := b.mgr.Check(greedy, kernel(&b.closed)); !isCPU(err) || !errors.As(err, &ce) || ce.Field != "cpu.reservation" {
		t.Errorf("check: %v", err)
	}
	for _, c := range []host.Config{{ID: "a", CPUs: 1, MemoryMiB: 8}, {ID: "b", CPUs: 1, MemoryMiB: 8}, greedy} {
		if _, err := b.mgr.Create(c); err != nil {
			t.Fatal(err)
		}
	}
	vm := func(id string) host.VM {
		v, err := b.mgr.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	ctx := context.Background()
	if err := vm("greedy").Start(ctx, kernel(&b.closed)); !isCPU(err) || vm("greedy").Status().State != host.StateOff {
		t.Errorf("start: %v", err)
	}
	for range 2 {
		if err := vm("a").Start(ctx, kernel(&b.closed)); err != nil {
			t.Fatal(err)
		}
		if s := vm("a").Status(); len(s.CPUs) != 1 || s.CPUs[0].Ready != 2*time.Second || s.CPUTime != 3*time.Second {
			t.Errorf("%+v", s)
		}
		if d := vm("a").(*Machine).b.time.Stolen(0); d != 5e9 {
			t.Errorf("the guest hears of %d ns stolen", d)
		}
		if err := vm("b").Start(ctx, kernel(&b.closed)); !isCPU(err) {
			t.Errorf("start of a second: %v", err)
		}
		if k.hurried {
			t.Error("it runs, and does not compete")
		}
		if err := vm("a").Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if !k.hurried {
			t.Error("a stop waits for its turn")
		}
		<-k.free
		if k.taken || k.bound != 0 {
			t.Errorf("%v, %d threads", k.taken, k.bound)
		}
		if s := vm("a").Status(); s.CPUs != nil || s.CPUTime != 3*time.Second { // what it was stays
			t.Errorf("%+v", s)
		}
	}
	for _, id := range []string{"a", "b", "greedy"} {
		if err := b.mgr.Delete(id); err != nil {
			t.Error(err)
		}
	}
	if b.frames.InUse() != 0 || b.mgr.p.Budget.Used() != 0 {
		t.Error("memory is left")
	}
}

// A restored machine needs its part as one that starts does, and gives it back.
func TestEntitlementOfRestored(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	b.wait(1)
	state := b.saved(host.AfterSaveStop)
	k := &books{free: make(chan struct{}, 8)}
	b.mgr.p.CPUs = k
	ctx := context.Background()
	if _, err := b.mgr.Restore(ctx, bytes.NewReader(state[:len(state)-9]), host.RestoreOptions{ID: "cut"}); err == nil || k.taken {
		t.Errorf("%v, its part is taken: %v", err, k.taken)
	}
	v, err := b.mgr.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "copy"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.mgr.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "other"}); !isCPU(err) || len(b.mgr.List()) != 2 {
		t.Errorf("no part is left: %v", err)
	}
	if err := v.Resume(ctx); err != nil {
		t.Error(err)
	}
	if err := v.Stop(ctx); err != nil || k.taken {
		t.Errorf("%v, its part is taken: %v", err, k.taken)
	}
	if err := b.mgr.Delete("copy"); err != nil {
		t.Error(err)
	}
}

func isCPU(err error) bool { return errors.Is(err, host.ErrNoCPU) }

// What a machine is entitled to changes while it runs and while it is off; what is
// refused changes nothing.
func TestSetCPU(t *testing.T) {
	b := newTable(t)
	ctx := context.Background()
	vm, err := b.mgr.Create(host.Config{ID: "a", CPUs: 1, MaxCPUs: 2, MemoryMiB: 8})
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.SetCPU(ctx, host.CPUSpec{Shares: 1}); !errors.Is(err, host.ErrUnsupported) {
		t.Errorf("a host that shares nothing out: %v", err)
	}
	k := &books{free: make(chan struct{}, 8)}
	b.mgr.p.CPUs = k
	set := func(s, want host.CPUSpec, refused error) {
		t.Helper()
		if err := vm.SetCPU(ctx, s); !errors.Is(err, refused) {
			t.Errorf("%+v: %v", s, err)
		}
		if got := vm.Config().CPU; got != want {
			t.Errorf("it has %+v, want %+v", got, want)
		}
	}
	first := host.CPUSpec{Shares: 500, Limit: 2000}
	set(first, first, nil)
	set(host.CPUSpec{Reservation: 1001}, first, host.ErrNoCPU)
	var ce *host.ConfigError
	if err := vm.SetCPU(ctx, host.CPUSpec{Shares: -1}); !errors.As(err, &ce) || ce.Field != "cpu.shares" {
		t.Errorf("%v", err)
	}
	if err := vm.Start(ctx, kernel(&b.closed)); err != nil {
		t.Fatal(err)
	}
	if k.spec != first {
		t.Errorf("it was started with %+v", k.spec)
	}
	next := host.CPUSpec{Reservation: 1000, Pool: "prod"}
	set(next, next, nil)
	if want := (host.CPUSpec{Shares: 1000, Reservation: 1000, Pool: "prod"}); k.spec != want {
		t.Errorf("the policy has %+v", k.spec)
	}
	set(host.CPUSpec{Reservation: 1001}, next, host.ErrNoCPU)
	if err := vm.AddCPUs(ctx, 1); err != nil || k.spec.Shares != 2000 {
		t.Errorf("%v, the policy has %+v after a CPU came", err, k.spec)
	}
	if n := len(vm.Status().CPUs); n != 2 {
		t.Errorf("times of %d CPUs", n)
	}
	if err := vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	<-k.free
	<-k.free
	set(first, first, nil)
	if err := b.mgr.Delete("a"); err != nil {
		t.Error(err)
	}
}
