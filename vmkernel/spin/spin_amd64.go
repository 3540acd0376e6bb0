// Package spin is the lock of world W1: a ticket-free test-and-set lock that
// spins with PAUSE. It must be held with host interrupts off, or by code that no
// interrupt handler of the same processor can also run, and only for a bounded
// handful of instructions.
//
// It never allocates, parks or calls the runtime, and works before the Go runtime
// has started.
//
// # Who may hold one
//
// A handler may: it runs to its end. Ordinary Go (W2) may only in functions marked
// nosplit from Lock to Unlock, callees included, that touch no memory which can
// fault: the prologue of any other function is a place where the runtime grows the
// stack (which asks for memory, and so for the allocator's lock) or lets another
// goroutine run, and a page fault is a place where the thread is switched.
//
// Whoever holds a lock never waits for another processor to drop its translations:
// processors that wait for the lock have their interrupts off and do not answer.
package spin

import "sync/atomic"

// Mutex is a spin lock; the zero value is free.
type Mutex struct{ v uint32 }

// Lock waits for the lock.
//
//go:nosplit
func (m *Mutex) Lock() {
	for !atomic.CompareAndSwapUint32(&m.v, 0, 1) {
		for atomic.LoadUint32(&m.v) != 0 {
			pause()
		}
	}
}

// TryLock takes the lock if it is free.
//
//go:nosplit
func (m *Mutex) TryLock() bool { return atomic.CompareAndSwapUint32(&m.v, 0, 1) }

// Unlock frees the lock.
//
//go:nosplit
func (m *Mutex) Unlock() { atomic.StoreUint32(&m.v, 0) }

func pause()
