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
func (t *thread) inGuest() bool { return t.word != 0 && t.hurry == 0 && *t.guest() == InGuest }

// Hurry takes a virtual CPU that is told to stop out of the policy's hands, until it
// is told to run: a limit, or few shares, must not keep it from seeing that. The
// thread called name runs as one of the agent's meanwhile, which is for the few
// instructions until its run loop sees that it has to stop.
func Hurry(name uint32, on bool) {
	a := uint64(0)
	if on {
		a = 1
	}
	trap(sysBasaltHurry, uint64(name), a)
}

// hurry is Hurry in the handler.
func (c *cpuState) hurry(name uint64, on bool) int64 {
	s := &sched
	if name == 0 || name > MaxThreads || s.threads[name-1] == 0 {
		return -errSearch
	}
	s.lock.Lock()
	if t := threadAt(s.threads[name-1]); t.word != 0 && s.hurry(t, on, c.now()) {
		s.ready(t)
	}
	s.passKicks(c)
	c.resched = max(c.resched, 1)
	s.lock.Unlock()
	return 0
}

// hurry changes who rules over t and says whether it waits where it no longer belongs,
// and was taken from there. The lock is held.
func (s *scheduler) hurry(t *thread, on bool, now uint64) (moved bool) {
	switch waits := t.state == stateRunnable && t.inGuest(); {
	case on == (t.hurry != 0):
	case on:
		if t.state != stateRunning || t.held != t.cpu+1 {
			s.release(t, now) // its next processor may be another, and asks nobody about it
		}
		t.hurry = 1
		if waits && !s.woken.remove(t) {
			policy.Block(t.tid, now)
			s.waiting--
		}
		return waits
	case t.state == stateRunnable && *t.guest() == InGuest:
		t.hurry = 0
		s.dequeue(t)
		return true
	default:
		if t.hurry = 0; t.state == stateRunning {
			cpuAt(s.cpus[t.cpu]).interrupt() // its guest may run on the agent's account
		}
	}
	return false
}

// enterGuest is EnterGuest in the handler.
func (c *cpuState) enterGuest(t *thread) {
	if t.word != 0 {
		*t.guest() = InGuest
	}
	c.resched = 1
}

// off ends what the policy believes of the running thread, if it is a virtual CPU.
// The lock is held.
func (c *cpuState) off(t *thread, now uint64) {
	if t.word == 0 {
		return
	}
	if *t.guest() == InGo && (c.who == t.tid || c.use == t.tid) {
		*t.guest() = MustEnter
	}
	sched.release(t, now)
	sched.passKicks(c)
}

// rest is for a virtual CPU that waits for something. The policy goes on believing
// that it runs; if it is the next to run here nobody has to be asked, and if not, lend
// or close settle what was. The lock is held.
func (c *cpuState) rest(t *thread) {
	if t.word != 0 && *t.guest() == InGo {
		*t.guest() = MustEnter
	}
}

// admitWoken tells the policy of the virtual CPUs that woke since somebody decided.
func (s *scheduler) admitWoken(now uint64) {
	for s.woken.head != 0 {
		t := threadAt(s.woken.head)
		s.woken.remove(t)
		s.release(t, now)
		s.waiting++
		policy.Wake(t.tid, now)
	}
}
