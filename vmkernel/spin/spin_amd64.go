// Package spin is the lock of world W1: a ticket-free test-and-set lock that
// spins with PAUSE. It must be held with host interrupts off, or by code that no
// interrupt handler of the same processor can also run, and only for a bounded
// handful of instructions.
//
// It never allocates, parks or calls the runtime, and works before the Go runtime
// has started. While it spins it calls Relax, which the personality points at
// what a waiting processor must still answer (TLB shoot-downs).
package spin

import "sync/atomic"

// Mutex is a spin lock; the zero value is free.
type Mutex struct{ v uint32 }

// Relax is called on every turn of a waiting loop. It is set once, before a
// second processor runs.
var Relax func()

// Lock waits for the lock.
func (m *Mutex) Lock() {
	for !atomic.CompareAndSwapUint32(&m.v, 0, 1) {
		for atomic.LoadUint32(&m.v) != 0 {
			pause()
			if Relax != nil {
				Relax()
			}
		}
	}
}

// TryLock takes the lock if it is free.
func (m *Mutex) TryLock() bool { return atomic.CompareAndSwapUint32(&m.v, 0, 1) }

// Unlock frees the lock.
func (m *Mutex) Unlock() { atomic.StoreUint32(&m.v, 0) }

func pause()
