package main

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"basalt/vmkernel/vcpu/hostcpu"
)

// pinned keeps two busy threads on one processor, as two machines may be: the one
// that waits there must not disturb the processors where it may not run.
func pinned(stop *atomic.Bool, count *atomic.Uint64) error {
	var wg sync.WaitGroup
	var failed atomic.Bool
	turns := [2]atomic.Uint64{}
	for i := range turns {
		wg.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			if !setAffinity(1 << (runtime.NumCPU() - 1)) {
				failed.Store(true)
				return
			}
			for !stop.Load() {
				hostcpu.Block(func() { busy(stop) })
				turns[i].Add(1)
				count.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		return errors.New("sched_setaffinity failed")
	}
	if turns[0].Load() == 0 || turns[1].Load() == 0 {
		return errors.New("one of two threads on a processor never ran")
	}
	return nil
}

// busy takes some hundred milliseconds, as a guest does.
//
//go:noinline
func busy(stop *atomic.Bool) {
	for x := 0; x < 1<<24 && !stop.Load(); x++ {
	}
}

func setAffinity(mask uint64) bool {
	// JUSTIFICATION: package syscall has no sched_setaffinity.
	// SAFETY: the mask lives until the call returns.
	_, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, 8, uintptr(unsafe.Pointer(&mask)))
	return e == 0
}
