package vm

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"basalt/vmkernel/host"
)

// TestClocksStopTogether: over pauses, saves and restores the guest's counter and the
// machine's clock keep the distance that they had.
func TestClocksStopTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTable(t)
		start := time.Now()
		b.mgr.p.TSC = func() uint64 { return uint64(time.Since(start)) * 2 }
		b.mgr.p.TSCKHz = 2_000_000
		var err error
		if b.vm, err = b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		b.start()
		m := b.vm.(*Machine)
		distance := func(m *Machine) uint64 {
			return b.mgr.p.TSC() + m.b.cpus[0].TSCOffset() - m.ticks(m.b.clock.Now())
		}
		want := distance(m)
		ctx := context.Background()
		for i := range 5 {
			time.Sleep(time.Second)
			if err := m.Pause(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := m.Resume(ctx); err != nil {
				t.Fatal(err)
			}
			if got := distance(m); got != want {
				t.Errorf("pause %d: %d ticks apart, %d before", i, got, want)
			}
		}
		state := b.saved(host.AfterSaveStop)
		if err := b.mgr.Delete("vm-1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		c := b.restore(state, "copy")
		if err := c.Resume(ctx); err != nil {
			t.Fatal(err)
		}
		if got := distance(c); got != want {
			t.Errorf("after a restore: %d ticks apart, %d before", got, want)
		}
		if s := c.b.clock.Now(); s < int64(5*time.Second) || s > int64(6*time.Second) {
			t.Errorf("the clock stands at %v", time.Duration(s))
		}
	})
}
