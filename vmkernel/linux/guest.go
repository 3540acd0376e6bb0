package linux

// What a run loop and this package tell each other in a word of the run loop's: it
// writes InGo and InGuest. MustEnter stands in the place of InGo when the thread is
// one of the agent's for the time being, and asks for a call of EnterGuest before the
// next InGuest.
const (
	InGo = iota
	InGuest
	MustEnter
)

// EnterGuest is called by a run loop whose word says MustEnter, before it puts a
// guest's state into the processor; it returns when the policy lets this virtual CPU
// run, maybe on another processor. W1; interrupts are off.
//
//go:nosplit
func EnterGuest() { trap(sysBasaltGuest, 0, 0) }

// guest is the word of the run loop of a virtual CPU.
//
// SAFETY: its owner keeps it until the thread is no virtual CPU any more.
//
//go:nosplit
func (t *thread) guest() *uint32 { return (*uint32)(at(t.word)) }

// inGuest says that t is under the policy's rule.
//
//go:nosplit
func (t *thread) inGuest() bool { return t.word != 0 && *t.guest() == InGuest }

// enterGuest is EnterGuest in the handler.
func (c *cpuState) enterGuest(t *thread) {
	if t.word != 0 {
		*t.guest() = InGuest
	}
	c.resched = 1
}

// off ends the running thread's time as a virtual CPU, if it runs as one. It is
// called in the same stretch of the lock in which the thread may be woken again, or
// the policy would hear of that first. The lock is held.
func (c *cpuState) off(t *thread) {
	if t.word != 0 && c.who == t.tid {
		policy.Block(t.tid, c.now())
		c.who = 0
		if *t.guest() == InGo {
			*t.guest() = MustEnter
		}
	}
}

// rest is off for a virtual CPU that halts where nobody else wants to run: the policy
// goes on believing that it runs, and if it is the next to run here nobody has to be
// asked. settle tells the policy what was. The lock is held.
func (c *cpuState) rest(t *thread) {
	s := &sched
	if t.inGuest() && c.who == t.tid && c.limited == 0 && c.look == 0 && s.queued == 0 && s.waiting == 0 && s.woken.head == 0 {
		c.halted, c.haltAt = t.self, c.now()
		return
	}
	c.off(t)
}

// settle ends what rest began on o.
func (o *cpuState) settle(now uint64) {
	who := threadAt(o.halted).tid
	policy.Slept(who, now, now-o.haltAt)
	policy.Block(who, now)
	o.halted, o.who = 0, 0
}

// wakes says that the virtual CPU that rests on c is all that wants to run.
func (c *cpuState) wakes() bool {
	s := &sched
	return s.woken.head == c.halted && s.woken.tail == c.halted && c.look == 0 && s.queued == 0 && s.waiting == 0
}

// admitWoken tells the policy of the virtual CPUs that woke since somebody decided.
func (s *scheduler) admitWoken(now uint64) {
	for s.woken.head != 0 {
		t := threadAt(s.woken.head)
		s.woken.remove(t)
		if o := cpuAt(s.cpus[t.cpu]); o.halted == t.self {
			o.settle(now)
		}
		s.waiting++
		policy.Wake(t.tid, now)
	}
}
