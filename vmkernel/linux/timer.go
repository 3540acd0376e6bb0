package linux

import (
	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
)

// timerHeap is a binary heap of blocked threads by the time that wakes them.
type timerHeap struct {
	n int
	t [MaxThreads]uintptr
}

//go:nosplit
func (h *timerHeap) less(i, j int) bool { return threadAt(h.t[i]).wake < threadAt(h.t[j]).wake }

//go:nosplit
func (h *timerHeap) swap(i, j int) {
	h.t[i], h.t[j] = h.t[j], h.t[i]
	threadAt(h.t[i]).heap = uint32(i) + 1
	threadAt(h.t[j]).heap = uint32(j) + 1
}

// add puts t in, to be woken at t.wake.
func (h *timerHeap) add(t *thread) {
	h.t[h.n] = t.self
	h.n++
	t.heap = uint32(h.n)
	h.up(h.n - 1)
}

//go:nosplit
func (h *timerHeap) up(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

//go:nosplit
func (h *timerHeap) down(i int) {
	for {
		c := 2*i + 1
		if c >= h.n {
			return
		}
		if c+1 < h.n && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h.swap(i, c)
		i = c
	}
}

//go:nosplit
func (h *timerHeap) remove(t *thread) {
	i := int(t.heap) - 1
	h.n--
	if i != h.n {
		h.swap(i, h.n)
		h.down(i)
		h.up(i)
	}
	t.heap = 0
}

// expire wakes every thread whose time has come. The lock is held.
func (s *scheduler) expire(now uint64) {
	for s.timers.n > 0 {
		t := threadAt(s.timers.t[0])
		if t.wake > now {
			return
		}
		s.timers.remove(t)
		switch t.waiting {
		case waitFutex:
			s.futexes[bucket(t.futex)].remove(t)
			t.futex = 0
			s.wakeUp(t, -errTimedOut)
		case waitEpoll:
			s.fds.forget(t)
			s.wakeUp(t, 0)
		default:
			s.wakeUp(t, 0)
		}
	}
}

// setTimer arms the local timer for what comes first: the end of the slice if
// someone waits for a processor, the earliest sleeper, or a deadline that the
// run loop of a virtual CPU asked for. It leaves an earlier setting alone.
//
//go:nosplit
func (c *cpuState) setTimer() {
	at := c.wanted()
	if at != ^uint64(0) && mustArm(c.armed, at, c.now()) {
		c.arm(at)
	}
}

// wanted is when this package wants the timer, or never.
//
//go:nosplit
func (c *cpuState) wanted() uint64 {
	at := ^uint64(0)
	if c.bounded != 0 || sched.governed == 0 && sched.queued > 0 && c.cur != c.idle {
		at = c.sliceEnd
	}
	if c.graceEnd != 0 && c.graceEnd < at {
		at = c.graceEnd
	}
	if sched.timers.n > 0 {
		if w := threadAt(sched.timers.t[0]).wake; w < at {
			at = w
		}
	}
	if w := c.sampleTime(); w < at {
		at = w
	}
	if ttyBehind() {
		if w := c.now() + lineTicks; w < at {
			at = w
		}
	}
	return at
}

// mustArm says whether a timer that is set for armed (0: not at all) has to be set
// anew to fire at a time at the latest. One whose own time is past fires at any
// moment, or never again: an emulator may lose an interrupt (QEMU 7.2 changes a
// processor's word of pending interrupts without its lock at every #VMEXIT), and
// what is believed to be armed would keep every later time from being set. So it
// is set again, which at worst costs a second interrupt.
//
//go:nosplit
func mustArm(armed, at, now uint64) bool {
	return armed == 0 || at < armed || armed <= now
}

// lineTicks is how long the serial line takes for most of its FIFO: a millisecond.
var lineTicks uint64 = 1 << 20

//go:nosplit
func (c *cpuState) arm(at uint64) {
	c.armed = at
	at += c.tscOffset // the timer goes by this processor's counter
	if apic.Deadline {
		apic.ArmDeadline(at)
		return
	}
	now := cpu.RDTSC()
	ticks := uint64(1)
	if at > now {
		d := at - now
		if d > 1<<31 {
			d = 1 << 31 // it fires early, finds nothing to do and is set again
		}
		ticks = d * apicMult >> 32
		if ticks == 0 {
			ticks = 1
		}
		if ticks > 0xffff_ffff {
			ticks = 0xffff_ffff
		}
	}
	apic.ArmCount(uint32(ticks))
}

// SetDeadline makes the timer of this processor fire at a TSC value at the
// latest, so that a guest in front of it is left. Interrupts are off.
func SetDeadline(tsc uint64) {
	c := this()
	if tsc == 0 {
		return
	}
	if tsc -= c.tscOffset; mustArm(c.armed, tsc, c.now()) {
		c.arm(tsc)
	}
}

// tick is the timer interrupt.
func (c *cpuState) tick() {
	c.armed = 0
	if crashForTest != 0 {
		crashNow()
	}
	now := c.now()
	c.sample(now)
	ttyTick()
	if sched.timers.n > 0 {
		sched.lock.Lock()
		sched.expire(now)
		sched.lock.Unlock()
	}
	if now >= c.sliceEnd && (sched.queued > 0 || c.bounded != 0) || c.graceEnd != 0 && now >= c.graceEnd || c.cur == c.idle {
		c.resched = 1
	}
}
