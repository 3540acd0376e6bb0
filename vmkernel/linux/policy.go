package linux

import "unsafe"

// Policy decides which virtual CPU runs on which processor. The kernel's main plugs
// it in before the first virtual CPU; without one, and until then, all threads take
// turns in one queue.
//
// A virtual CPU is named by the number of the thread that runs it. All other threads
// are the agent. They stay in the queue, and on each processor one name stands for
// whichever of them comes next there.
//
// All functions are W1 and bounded: they are called on a handler's stack with
// sched.lock held. Times are ticks of the first processor's counter.
type Policy struct {
	// Pick says who runs on cpu next (0: nobody), for how long, and whether it has to
	// be asked again then even if nobody waits. Who ran there until now waits again.
	Pick func(cpu int, now uint64) (who uint32, slice uint64, bounded bool)
	// Ran ends the time of who on its processor; it wants to run on.
	Ran func(who uint32, now uint64)
	// Slept says that who, which runs, did nothing for the last d ticks; they do not
	// count as its time.
	Slept func(who uint32, now, d uint64)
	// Lent says that who, which does not run as far as the policy knows, had a processor
	// for d ticks since the policy last heard of it.
	Lent func(who uint32, now, d uint64)
	// Block ends the wish of who to run, Wake begins it.
	Block, Wake func(who uint32, now uint64)
	// Kicks gives the processors that have to be asked about, and forgets them.
	Kicks func() uint64
}

// AgentName is the name that stands for the agent's threads on a processor.
func AgentName(cpu int) uint32 { return MaxThreads + 1 + uint32(cpu) }

// Names is one more than the highest name of a policy.
const Names = MaxThreads + 1 + maxCPUs

// minSlice bounds from below what a policy can ask for: a timer for every few
// instructions would leave time for nothing else. It is set by initClock.
var minSlice uint64 = 1 << 17

// SetPolicy plugs the policy in. It is called once, before Govern.
func SetPolicy(p *Policy) { policy = p }

var (
	policy  *Policy
	oneCall func() // what Exclusively runs
)

// yielding is cpuState.resched when the running thread gives way by itself.
const yielding = 2

// Govern makes the calling thread a virtual CPU of the policy, with the word of its
// run loop, or with nil one of the agent's again. It is under the policy's rule while
// the word says InGuest, and keeps the processor that it has there when it leaves; a
// guest's ordinary Go that loses
// its processor, or waits, goes on as one of the agent's threads, or the runtime
// would wait for locks and stops in the hands of a guest that the policy holds back.
// The goroutine is locked to its thread.
func Govern(guest *uint32) {
	if guest != nil {
		*guest = MustEnter // it has a page now, which a handler cannot wait for
	}
	// JUSTIFICATION: handlers name memory of the Go heap by address.
	// SAFETY: the caller keeps the word, which does not move, until Govern(nil).
	trap(sysBasaltGovern, uint64(uintptr(unsafe.Pointer(guest))), 0)
}

// Self is the calling thread's name, and the set of the processors that it may use.
// The goroutine is locked to its thread.
func Self() (name uint32, affinity uint64) {
	name = uint32(trap(sysGettid, 0, 0))
	return name, threadAt(sched.threads[name-1]).aff
}

// Exclusively runs f, which is W1, in a handler with the policy's lock held, which
// ordinary Go must not hold itself. f uses memory that was written before, no variable
// that its caller only declared: memory of the heap gets its page when it is used for
// the first time, which a handler cannot wait for. It is called once at a time.
func Exclusively(f func()) {
	oneCall = f
	trap(sysBasaltLocked, 0, 0)
	oneCall = nil
}

// govern is Govern in the handler.
func (c *cpuState) govern(t *thread, word uintptr) {
	sched.lock.Lock()
	if word != 0 && policy != nil {
		t.word = word
		t.hurry, t.free = 0, 0
		*t.guest() = MustEnter
		sched.governed = 1
	} else {
		c.off(t, c.now())
		t.word = 0
	}
	c.resched = 1
	sched.lock.Unlock()
}

// locked is Exclusively in the handler.
func (c *cpuState) locked() int64 {
	if oneCall == nil {
		return -errInval
	}
	sched.lock.Lock()
	sched.tellAll(c.now())
	oneCall()
	// A limit may be new, also for who has a processor on a loan: that ends.
	sched.epoch++
	for n := uint32(0); n < sched.ncpu; n++ {
		if o := cpuAt(sched.cpus[n]); o != c && o.use != o.who && o.use != 0 && o.use <= MaxThreads {
			o.interrupt()
		}
	}
	sched.passKicks(c)
	sched.lock.Unlock()
	c.resched = 1 // it may be this processor that has to ask
	return 0
}

// Ticks is the time in the ticks of a policy.
func Ticks() uint64 {
	c := this()
	t := c.now()
	for c != this() { // moved between the two
		c = this()
		t = c.now()
	}
	return t
}
