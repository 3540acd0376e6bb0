package linux

import (
	"sync/atomic"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/vmkernel/spin"
)

// scheduler holds threads, the run queue, futexes, timers and descriptors under
// one lock. The run queue is first in, first out; a thread that may not run on a
// processor is passed over there.
type scheduler struct {
	lock     spin.Mutex
	head     uintptr
	tail     uintptr
	queued   int
	woken    queue // virtual CPUs that the policy was not told of yet
	waiting  int   // virtual CPUs that wait in the policy
	ncpu     uint32
	epoch    uint64 // changes of the policy's tree
	governed uint32 // the policy decides: there was a virtual CPU
	idleSet  uint64 // processors that wait in their idle thread
	cpus     [maxCPUs]uintptr
	threads  [MaxThreads]uintptr
	futexes  [256]queue
	timers   timerHeap
	fds      fdTable
}

// queue is a list of threads linked by next.
type queue struct{ head, tail uintptr }

var sched scheduler

func (s *scheduler) init() { s.fds.init() }

// first makes t runnable before anything else runs.
func (s *scheduler) first(t *thread) {
	s.lock.Lock()
	s.ready(t)
	s.lock.Unlock()
	c := this()
	c.resched = 1
	leave(c)
}

//go:nosplit
func (q *queue) push(t *thread) {
	t.next = 0
	if q.tail != 0 {
		threadAt(q.tail).next = t.self
	} else {
		q.head = t.self
	}
	q.tail = t.self
}

//go:nosplit
func (q *queue) remove(t *thread) bool {
	prev := uintptr(0)
	for va := q.head; va != 0; va = threadAt(va).next {
		if va == t.self {
			if prev == 0 {
				q.head = t.next
			} else {
				threadAt(prev).next = t.next
			}
			if q.tail == va {
				q.tail = prev
			}
			t.next = 0
			return true
		}
		prev = va
	}
	return false
}

// ready puts t on the run queue and gets a processor to look. The lock is held.
//
//go:nosplit
func (s *scheduler) ready(t *thread) {
	t.state = stateRunnable
	if s.governed != 0 && t.inGuest() {
		s.woken.push(t)
	} else {
		s.enqueue(t)
	}
	c := this()
	if idle := s.idleSet & t.aff; idle != 0 {
		// Its own last processor if that is idle, else the lowest.
		n := uint32(0)
		if idle>>t.cpu&1 != 0 {
			n = t.cpu
		} else {
			for idle>>n&1 == 0 {
				n++
			}
		}
		s.idleSet &^= 1 << n
		if n == c.id {
			c.resched = 1
		} else {
			cpuAt(s.cpus[n]).interrupt()
		}
		return
	}
	// Nobody is idle: see that the processors which may run it end their slice. Under
	// the policy one of them asks.
	if s.governed != 0 {
		switch {
		case t.aff>>c.id&1 != 0:
			if !c.letWait(t) {
				c.resched = 1
			}
			return
		case t.aff>>t.cpu&1 != 0:
			cpuAt(s.cpus[t.cpu]).interrupt()
			return
		}
	}
	if t.aff>>c.id&1 != 0 {
		s.shorten(c)
		return
	}
	for n := uint32(0); n < s.ncpu; n++ {
		if t.aff>>n&1 != 0 {
			cpuAt(s.cpus[n]).interrupt()
			return
		}
	}
}

// enqueue puts t at the end of the run queue. The lock is held.
//
//go:nosplit
func (s *scheduler) enqueue(t *thread) {
	t.state = stateRunnable
	q := queue{s.head, s.tail}
	q.push(t)
	s.head, s.tail = q.head, q.tail
	s.queued++
	if t.word != 0 && *t.guest() == InGo {
		*t.guest() = MustEnter // it comes out as one of the agent's
	}
}

// dequeue takes t out of the run queue. The lock is held.
func (s *scheduler) dequeue(t *thread) {
	q := queue{s.head, s.tail}
	if q.remove(t) {
		s.queued--
	}
	s.head, s.tail = q.head, q.tail
}

// shorten bounds what is left of a slice that nobody contested so far.
//
//go:nosplit
func (s *scheduler) shorten(c *cpuState) {
	now := c.now()
	if c.sliceEnd == 0 || c.sliceEnd > now+sliceTicks {
		c.sliceEnd = now + sliceTicks
	}
}

// pick takes the first thread that may run on c. The lock is held.
func (s *scheduler) pick(c *cpuState) *thread {
	prev := uintptr(0)
	for va := s.head; va != 0; va = threadAt(va).next {
		t := threadAt(va)
		if t.aff>>c.id&1 != 0 {
			if prev == 0 {
				s.head = t.next
			} else {
				threadAt(prev).next = t.next
			}
			if s.tail == va {
				s.tail = prev
			}
			t.next = 0
			s.queued--
			return t
		}
		prev = va
	}
	return nil
}

// leave is the end of every handler: it settles which thread goes on, delivers
// its signals and sets the timer. It runs with interrupts off.
func leave(c *cpuState) {
	t := threadAt(c.cur)
	if c.gone != 0 || c.resched != 0 {
		sched.lock.Lock()
		t = c.choose(t)
		t.state = stateRunning
		if t.self == c.idle {
			sched.idleSet |= 1 << c.id
		} else {
			sched.idleSet &^= 1 << c.id
		}
		if t.self != c.cur {
			c.switchTo(t)
		}
		sched.lock.Unlock()
	}
	if atomic.LoadUint32(&c.flush) != 0 {
		c.answerFlush()
	}
	if t.signalDue() {
		deliver(t)
	}
	c.setTimer()
}

// choose says which thread goes on where t ran. The lock is held.
func (c *cpuState) choose(t *thread) *thread {
	if sched.governed != 0 {
		return c.decide(t)
	}
	stays := c.gone == 0 && t.self != c.idle
	c.gone, c.resched = 0, 0
	n := sched.pick(c)
	switch {
	case n == nil && stays:
		// Who waits may not run here. The slice begins anew, or setTimer would ask
		// for an interrupt in the past, again and again, and t would get nowhere.
		c.sliceEnd = c.now() + sliceTicks
		return t
	case n == nil:
		return threadAt(c.idle)
	case stays:
		sched.ready(t)
	}
	return n
}

// block takes the running thread off its processor. The lock is held and the
// caller has queued it where it will be found. From the moment the lock is free
// another processor may run it, so leave goes by c.gone, never by t.state.
func (c *cpuState) block(t *thread, why uint32) {
	t.state = stateBlocked
	t.waiting = why
	c.gone = 1
	if sched.governed != 0 {
		c.rest(t)
	}
}

const (
	waitFutex = iota + 1
	waitSleep
	waitEpoll
)

// wakeUp makes a blocked thread runnable with a result. The lock is held.
//
//go:nosplit
func (s *scheduler) wakeUp(t *thread, result int64) {
	if t.heap != 0 {
		s.timers.remove(t)
	}
	t.waiting = 0
	t.frame.rax = uint64(result)
	s.ready(t)
}

// KickCPU makes processor n leave guest mode. The thread that runs there goes on: an
// interrupt between two virtual processors must not cost its target the slice.
//
//go:nosplit
func KickCPU(n int) {
	if n >= 0 && n < int(sched.ncpu) {
		on := irqOff()
		apic.Send(cpuAt(sched.cpus[n]).apicID, vectorLeave)
		irqOn(on)
	}
}

// Contended says that a thread waits for a processor, whichever it may run on. One
// that a limit holds back counts too.
//
//go:nosplit
func Contended() bool {
	return sched.queued != 0 || sched.waiting != 0 || sched.woken.head != 0
}

// Yield makes this processor look at who waits as soon as it takes interrupts: the
// running thread gives way to one that waits for it, or under a policy ends its slice.
//
//go:nosplit
func Yield() {
	on := irqOff()
	c := this()
	c.resched = yielding
	apic.Send(c.apicID, vectorKick)
	irqOn(on)
}

// CPUs is the number of processors that run.
func CPUs() int { return int(sched.ncpu) }

// CPU is the number of the processor that runs the caller, at this moment.
func CPU() int

//go:nosplit
func irqOff() bool {
	on := cpu.RFLAGS()&(1<<9) != 0
	cpu.CLI()
	return on
}

//go:nosplit
func irqOn(on bool) {
	if on {
		cpu.STI()
	}
}
