package linux

import (
	"unsafe"

	"basalt/arch/x86/apic"
)

// Park blocks the calling thread while *word is val, until Unpark(word) or until
// the TSC reaches deadline (0: for ever). It is a system call made without telling
// the runtime: call it only inside what the runtime believes is a blocking call.
// The handler saves no vector register: a guest's are saved before.
//
//go:noescape
func Park(word *uint32, val uint32, deadline uint64) (expired bool)

// Unpark wakes a thread that waits for word. The caller has changed *word before.
//
// It is no system call: the run loop of one virtual CPU wakes another while its own
// guest's vector registers are live, and a handler uses them, may deliver a signal,
// and leaves with interrupts on then. Nothing from here on uses one (a test looks at
// the object code), can be preempted or switches the thread.
//
//go:nosplit
func Unpark(word *uint32) {
	on := irqOff()
	c := this()
	sched.lock.Lock()
	// JUSTIFICATION: waiting threads are found by the address that they wait for.
	// SAFETY: it is compared, never followed.
	sched.wakeFutex(uintptr(unsafe.Pointer(word)), 1)
	sched.lock.Unlock()
	// What leave does behind a handler: the one woken may want this processor, and
	// whoever changed the list of timers looks at it.
	if c.resched != 0 {
		apic.Send(c.apicID, vectorKick)
	}
	c.setTimer()
	irqOn(on)
}

// trap is a system call of this package's own, for what ordinary Go must not do
// itself: hold a spin lock while the runtime could take its processor away.
func trap(nr, a0, a1 uint64) int64

// inHandler says that a handler, or start-up, runs here: then trap must not be used.
func inHandler() bool
