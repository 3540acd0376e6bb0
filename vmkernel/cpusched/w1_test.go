package cpusched

import (
	"errors"
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// What the personality calls in a handler allocates nothing and writes no pointer,
// and neither does what the other calls change under its lock.
func TestHandlerCalls(t *testing.T) {
	w1test.NoAlloc(t, (*Scheduler).Pick, (*Scheduler).Ran, (*Scheduler).Block, (*Scheduler).Wake, (*Scheduler).Kicks, (*Scheduler).Times, (*Scheduler).Stolen, (*Scheduler).Slept,
		(*Scheduler).take, (*Scheduler).apply, (*Scheduler).set, (*Scheduler).remove, (*Scheduler).setAffinity, (*Scheduler).move)
}

// What Exclusive is given writes no variable of its caller's: that may be fresh memory
// of the heap, and a handler that touches it ends the host. Such a variable would be
// an allocation beside the one of f.
func TestExclusiveWritesTheSchedulerOnly(t *testing.T) {
	s, err := New(Config{CPUs: 1, Nodes: 10, Exclusive: func(f func()) { f() }})
	if err != nil {
		t.Fatal(err)
	}
	vm, err := s.AddVM(s.Root(), "a", Spec{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := s.AddPool(s.Root(), "p", Spec{})
	if err != nil {
		t.Fatal(err)
	}
	id := None
	for _, c := range []struct {
		name string
		call func() error
		fs   float64
	}{
		{"AddVCPU, Remove", func() (err error) {
			if id, err = s.AddVCPU(vm, 0, 0); err == nil {
				err = s.Remove(id, 0)
			}
			return err
		}, 2},
		{"Move there and back", func() error { return errors.Join(s.Move(vm, 0, pool, Spec{}), s.Move(vm, 0, s.Root(), Spec{})) }, 2},
		{"SetAffinity", func() error { _ = s.SetAffinity(vm, 0, 1); return nil }, 1},
	} {
		if n := testing.AllocsPerRun(20, func() {
			if err := c.call(); err != nil {
				t.Error(c.name, err)
			}
		}); n > c.fs {
			t.Errorf("%s: %v allocations for %v functions", c.name, n, c.fs)
		}
	}
}
