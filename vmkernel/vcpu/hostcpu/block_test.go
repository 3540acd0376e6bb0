//go:build !race

// The race detector's instrumentation does not run on the system stack.

package hostcpu

import (
	"runtime"
	"sync/atomic"
	"testing"
)

func TestBlockDoesNotHoldUpTheCollector(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var stop atomic.Bool
	go func() {
		for range 3 {
			runtime.GC()
		}
		stop.Store(true)
	}()
	spins := 0
	Block(func() {
		for !stop.Load() {
			spins++
		}
	})
	if spins == 0 {
		t.Error("the closure did not run")
	}
}

func TestBlockAllocatesNothing(t *testing.T) {
	n := 0
	if a := testing.AllocsPerRun(100, func() { Block(func() { n++ }) }); a != 0 {
		t.Errorf("%v allocations per Block", a)
	}
}

func BenchmarkBlock(b *testing.B) {
	n := 0
	for b.Loop() {
		Block(func() { n++ })
	}
}
