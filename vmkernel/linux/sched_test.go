package linux

import "testing"

// TestWaitingElsewhere: a thread that may not run on a processor waits for another.
// The one that runs there had its slice; its timer must not be due for ever.
func TestWaitingElsewhere(t *testing.T) {
	if CPUs() != 0 {
		t.Skip("the kernel's own run queue is in use")
	}
	threads := newThreads(t, 3)
	idle, runs, waits := threads[0], threads[1], threads[2]
	defer func() { sched.head, sched.tail, sched.queued = 0, 0, 0 }()
	waits.aff = 1 << 1
	sched.head, sched.tail, sched.queued = waits.self, waits.self, 1
	c := &cpuState{idle: idle.self, cur: runs.self}
	c.sliceEnd = c.now() - 1
	if c.wanted() > c.now() {
		t.Fatal("the end of the slice is not what the timer is set for")
	}
	c.resched = 1
	if n := c.choose(runs); n != runs || c.resched != 0 {
		t.Errorf("thread %d goes on", n.tid)
	}
	if at, now := c.wanted(), c.now(); at < now+sliceTicks/2 {
		t.Errorf("the timer is due in %d ticks, a slice has %d", int64(at-now), sliceTicks)
	}
	c.gone = 1
	if n := c.choose(runs); n != idle {
		t.Errorf("thread %d goes on behind one that blocked", n.tid)
	}
	c.id = 1
	c.gone = 1
	if n := c.choose(runs); n != waits || sched.queued != 0 {
		t.Errorf("thread %d goes on where it waited", n.tid)
	}
}
