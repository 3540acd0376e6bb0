package linux

import (
	"sync/atomic"

	"basalt/arch/x86/apic"
)

// irqFD holds, for each device vector, the eventfd that its interrupt writes to,
// plus one; 0 means free.
var irqFD [256]int32

// AllocVector takes a free device vector whose interrupts write to the eventfd.
// ok is false when all are taken.
func AllocVector(eventfd int) (vector uint8, ok bool) {
	for v := vectorFirstDevice; v <= vectorLastDevice; v++ {
		if atomic.CompareAndSwapInt32(&irqFD[v], 0, int32(eventfd)+1) {
			return uint8(v), true
		}
	}
	return 0, false
}

// FreeVector gives a vector back; the device must not use it any more.
func FreeVector(v uint8) { atomic.StoreInt32(&irqFD[v], 0) }

// APICID is the local APIC ID of processor n, the target of its interrupts.
func APICID(n int) uint32 { return cpuAt(sched.cpus[n]).apicID }

func deviceInterrupt(v uint8) {
	if n := atomic.LoadInt32(&irqFD[v]); n > 0 {
		sched.lock.Lock()
		if d := sched.fds.get(uint64(n - 1)); d != nil && d.kind == fdEvent {
			sched.fds.add(&sched, n-1, 1)
		}
		sched.lock.Unlock()
	}
}

// flushAll drops the translations of every processor. Interrupts are off and no
// lock of this package is held. A processor that waits here or for a lock answers
// others meanwhile, so two that flush at once do not wait for each other.
func flushAll() {
	c := this()
	reloadCR3()
	if sched.ncpu < 2 {
		return
	}
	for !flushing.TryLock() {
		if atomic.LoadUint32(&c.flush) != 0 {
			c.answerFlush()
		}
	}
	for n := uint32(0); n < sched.ncpu; n++ {
		if o := cpuAt(sched.cpus[n]); o != c && o.online != 0 {
			atomic.StoreUint32(&o.flush, 1)
			apic.Send(o.apicID, vectorFlush)
		}
	}
	for n := uint32(0); n < sched.ncpu; n++ {
		o := cpuAt(sched.cpus[n])
		for o != c && o.online != 0 && atomic.LoadUint32(&o.flush) != 0 {
			if atomic.LoadUint32(&c.flush) != 0 {
				c.answerFlush()
			}
			if atomic.LoadUint32(&stopped) != 0 {
				halt()
			}
		}
	}
	flushing.Unlock()
}

func (c *cpuState) answerFlush() {
	reloadCR3()
	c.flushes++
	atomic.StoreUint32(&c.flush, 0)
}
