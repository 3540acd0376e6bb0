package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vm"
)

// allocations counts the heap objects that the whole kernel allocates while a guest
// makes exits of every kind as fast as it can.
func allocations(m *vm.Manager) error {
	v, l, err := start(m, "loop-all", 1)
	if err != nil {
		return err
	}
	if _, err := l.next(); err != nil {
		return err
	}
	// The first round fills caches; then the counters of both ends are read
	// while the guest stands still, so that nothing else runs.
	const warm, length = 20 * time.Millisecond, 200 * time.Millisecond
	time.Sleep(warm)
	var before, after runtime.MemStats
	var e0, e1 uint64
	if err := still(v, func() { e0 = exits(v); runtime.ReadMemStats(&before) }); err != nil {
		return err
	}
	time.Sleep(length)
	if err := still(v, func() { runtime.ReadMemStats(&after); e1 = exits(v) }); err != nil {
		return err
	}
	// What one pause, resume and sleep of our own allocates.
	var own runtime.MemStats
	if err := still(v, func() { runtime.ReadMemStats(&own) }); err != nil {
		return err
	}
	fmt.Printf("allocs %d %d own %d\n", after.Mallocs-before.Mallocs, e1-e0, own.Mallocs-after.Mallocs)
	return end(m, v)
}

func still(v host.VM, f func()) error {
	if err := v.Pause(context.Background()); err != nil {
		return err
	}
	f()
	return v.Resume(context.Background())
}

func exits(v host.VM) (n uint64) {
	for _, e := range v.Status().Exits {
		n += e.Count
	}
	return n
}
