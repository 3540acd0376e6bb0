package linux

import "basalt/arch/x86/apic"

// Ring adds 1 to the eventfd fd, which wakes whoever polls it, and does nothing for
// another number. It is a write(2) for those who must not make system calls: like
// Unpark it may be called from the run loop of a virtual CPU whose guest's vector
// registers are live, so nothing from here on uses one, can be preempted or switches
// the thread.
//
//go:nosplit
func Ring(fd int32) {
	on := irqOff()
	c := this()
	sched.lock.Lock()
	if d := sched.fds.get(uint64(fd)); d != nil && d.kind == fdEvent {
		sched.fds.add(&sched, fd, 1)
	}
	sched.lock.Unlock()
	// As Unpark does.
	if c.resched != 0 {
		apic.Send(c.apicID, vectorKick)
	}
	c.setTimer()
	irqOn(on)
}
