package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
)

// frames takes and gives back physical memory from goroutines that are preempted
// all the time: the allocator's lock must never be held by one that waits.
func frames(stop *atomic.Bool, count *atomic.Uint64) error {
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() && !failed.Load() {
				failed.CompareAndSwap(false, !someFrames(20))
				count.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		return errors.New("a frame was handed out twice or not zeroed")
	}
	return nil
}

// someFrames recurses so that stacks grow at every depth.
func someFrames(depth int) bool {
	pa, ok := pmem.AllocFrame()
	if !ok {
		return true
	}
	run, ok := pmem.Alloc(3, pmem.Frame, 0)
	good := true
	if ok {
		good = mark(run, 3*pmem.Frame)
		pmem.Free(run, 3)
	}
	good = mark(pa, pmem.Frame) && good
	if depth > 0 {
		good = someFrames(depth-1) && good
	}
	good = pmem.Bytes(pa, 1)[0] == 0xa5 && good
	pmem.Free(pa, 1)
	return good
}

// mark checks that memory is zero and fills it.
func mark(pa uint64, n int) bool {
	for i := range pmem.Bytes(pa, n) {
		if b := &pmem.Bytes(pa, n)[i]; *b != 0 {
			return false
		} else if i&63 == 0 {
			*b = 0xa5
		}
	}
	return true
}

// windows maps and unmaps memory on several threads at once: what one of them
// gives back must not be what another one got meanwhile.
func windows(stop *atomic.Bool, count *atomic.Uint64) error {
	errs := make(chan error, 4)
	for id := range 4 {
		go func() {
			var err error
			for n := 0; err == nil && !stop.Load(); n++ {
				err = window(byte(id*61+n)|1, (1+n%7)*128<<10)
				count.Add(1)
			}
			errs <- err
		}()
	}
	var first error
	for range 4 {
		if err := <-errs; err != nil && first == nil {
			first = err
			stop.Store(true)
		}
	}
	return first
}

func window(v byte, size int) error {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return err
	}
	for i := 0; i < size; i += 4096 {
		if b[i] != 0 {
			return fmt.Errorf("new memory is not zero: %d", b[i])
		}
		b[i] = v
	}
	for i := 0; i < size; i += 4096 {
		if b[i] != v {
			return fmt.Errorf("page %d of a mapping lost its content: %d, want %d", i/4096, b[i], v)
		}
	}
	return syscall.Munmap(b)
}

// threads starts and ends threads on every processor at once.
func threads(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
				runtime.Gosched()
				count.Add(1)
			})
		}
		wg.Wait()
	}
	return nil
}

// controlWord spins with the SSE control word set to v until *stop is not 0, as a
// guest does whose registers are live when the host's interrupt comes.
func controlWord(v uint32, stop *uint32, turns uint64)

// floats computes beside threads that leave a foreign control word in the
// processor: nobody else may see its rounding or its unmasked exceptions.
func floats(stop *atomic.Bool, count *atomic.Uint64) error {
	var end uint32
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for !stop.Load() {
			controlWord(0x6000, &end, 20_000) // everything unmasked, round to zero
			runtime.Gosched()
		}
	})
	for x := 1.0; !stop.Load(); x++ {
		runtime.Gosched()
		syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		if got := tenth(x - x + 1); got != 0x3fb999999999999a {
			return fmt.Errorf("a foreign rounding mode reached this thread: 1/10 is %#x", got)
		}
		count.Add(1)
	}
	atomic.StoreUint32(&end, 1)
	wg.Wait()
	return nil
}

// tenth is the pattern of 1/10, which is rounded up to the nearest.
//
//go:noinline
func tenth(one float64) uint64 { return math.Float64bits(one / 10) }

// logs writes and reads the log while stacks grow and collections run.
func logs(stop *atomic.Bool, count *atomic.Uint64) error {
	for !stop.Load() {
		if b := linux.ReadLog(32 << 10); len(b) > 32<<10 {
			return errors.New("more log than was asked for")
		}
		count.Add(1)
		runtime.Gosched()
	}
	return nil
}
