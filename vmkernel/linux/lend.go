package linux

// maxLoans is how many can have a part of one grant besides whom it was made to.
const maxLoans = 4

// loan is what one of them had.
type loan struct {
	name  uint32
	_     uint32
	ticks uint64
}

// graceTicks is how long a virtual CPU that woke may wait for the processor on which
// it ran last before the policy hears of it, behind one that does not compute: a
// millisecond.
var graceTicks uint64 = 1 << 20

// quickTicks is how long a thread runs at most before it is believed to compute: what
// wakes does not wait for that to wait for something, too.
var quickTicks uint64 = 1 << 17

// lend says what c does without a decision, nil if there has to be one. A processor
// that the policy gave to somebody who now halts, or waits, is lent to whoever else
// wants it until the slice is over: the policy goes on believing in the first one, and
// tell says afterwards who had how much of it. It is for the few microseconds for which a
// guest waits for a disk, a packet or a sibling, while nobody waits in the policy:
// then it would have had no choice. The lock is held.
func (c *cpuState) lend(t *thread, now uint64, stays, yields bool) *thread {
	s := &sched
	if c.who == 0 || c.look != 0 || c.limited != 0 || s.waiting != 0 || t.hurry != 0 && t.tid == c.who {
		return nil
	}
	end := c.sliceEnd
	if c.use == 0 && now > c.useAt {
		end += now - c.useAt // what nobody had is no part of the slice
	}
	only := s.woken.head != 0 && s.woken.head == s.woken.tail
	if !stays && only && s.queued == 0 && (now < end || c.loans == 0 && threadAt(s.woken.head).tid == c.who) {
		// The common case in short: one woke, and nothing else wants to run.
		if w := threadAt(s.woken.head); c.mine(w) && c.mayUse(w, w.tid) {
			s.woken = queue{}
			c.turn(w.tid, now)
			c.bounded, c.graceEnd = 0, 0
			return w
		}
	}
	wanted := s.queued > 0 || s.woken.head != 0 && !(only && threadAt(s.woken.head).tid == c.who)
	switch {
	case c.graceEnd != 0 && now >= c.graceEnd && s.woken.head != 0:
		return nil
	case now >= end && (wanted || c.loans != 0 || c.use != c.who && c.use != 0):
		return nil
	case s.woken.head != 0 && !s.lendable(c):
		return nil
	}
	n := t
	if !stays || yields {
		if n = c.borrower(); n == nil && stays {
			n = t
		} else if n == nil {
			n = threadAt(c.idle)
		}
	}
	if n == t && stays && c.computes(now) && (s.woken.head != 0 || c.agent == 0 && c.use == t.tid && s.has(c)) {
		return nil
	}
	if n.self == c.idle {
		c.turn(0, now)
		c.bounded, c.graceEnd = 0, 0
		return n
	}
	name := c.account(n)
	if !c.mayUse(n, name) {
		if n != t {
			c.giveBack(n)
		}
		return nil
	}
	if stays && n != t {
		if t.state = stateRunnable; t.inGuest() {
			s.woken.push(t)
		} else {
			s.enqueue(t)
		}
		s.wakeIdle(t, n)
	}
	if name != c.use {
		c.turn(name, now)
	}
	if name == AgentName(int(c.id)) && name != c.who && c.agent != 0 {
		c.agent = 0 // it has what it waited for
		policy.Block(name, now)
	}
	switch {
	case s.woken.head == 0:
		c.graceEnd = 0
	case c.graceEnd == 0:
		c.graceEnd = now + graceTicks
	}
	if c.bounded = 0; s.queued > 0 {
		c.bound(true)
	}
	return n
}

// letWait says that t, which woke, can wait for c without a look: what runs there
// gives way when it waits, or by a timer that comes in time. The lock is held.
//
//go:nosplit
func (c *cpuState) letWait(t *thread) bool {
	s := &sched
	switch {
	case c.cur == c.idle, c.gone != 0, c.resched != 0, c.look != 0, c.limited != 0, c.who == 0, s.waiting != 0:
		return false
	case !t.inGuest():
		if c.agent == 0 && c.use <= MaxThreads && c.computes(c.now()) {
			return false
		}
		if c.bounded == 0 && s.ncpu > 1 {
			return false // the others have to hear of it
		}
		c.bounded = 1
		return true
	case t.tid != c.who && (t.cpu != c.id || t.held != 0 || t.free != s.epoch+1):
		return false
	case c.computes(c.now()):
		return false
	case c.graceEnd == 0:
		c.graceEnd = c.now() + graceTicks
	}
	return true
}

// computes says that what runs on c does so for a while already.
//
//go:nosplit
func (c *cpuState) computes(now uint64) bool { return now > threadAt(c.cur).started+quickTicks }

// lendable says that c can leave the policy out of it for all virtual CPUs that woke
// and were not admitted yet: they have this processor as theirs, or another one that
// rests for them and was told.
func (s *scheduler) lendable(c *cpuState) bool {
	const most = 8
	k := 0
	for va := s.woken.head; va != 0; va = threadAt(va).next {
		w := threadAt(va)
		if k++; k > most {
			return false
		}
		switch {
		case c.mine(w) && (w.tid == c.who || w.free == s.epoch+1):
		case w.held != 0 && w.held != c.id+1 && cpuAt(s.cpus[w.held-1]).rests():
		default:
			return false
		}
	}
	return true
}

// mine says that c is where w, which woke, is to run.
func (c *cpuState) mine(w *thread) bool {
	return w.aff>>c.id&1 != 0 && (w.held == c.id+1 || w.held == 0 && (w.cpu == c.id || c.cur == c.idle))
}

// rests says that whom the policy believes to run on c waits for an event, and c with it.
func (c *cpuState) rests() bool { return c.who != 0 && c.cur == c.idle }

// borrower takes who comes next from the run queue, else from those that woke.
func (c *cpuState) borrower() *thread {
	s := &sched
	if n := s.pick(c); n != nil {
		return n
	}
	for va := s.woken.head; va != 0; va = threadAt(va).next {
		if w := threadAt(va); c.mine(w) {
			s.woken.remove(w)
			return w
		}
	}
	return nil
}

// giveBack puts what borrower took where it was, at the end.
func (c *cpuState) giveBack(n *thread) {
	if n.inGuest() {
		sched.woken.push(n)
	} else {
		sched.enqueue(n)
	}
}

// account is the name whose time it is when n runs on c; 0 is nobody's.
func (c *cpuState) account(n *thread) uint32 {
	switch {
	case n.self == c.idle:
		return 0
	case n.inGuest(), n.word != 0 && (n.tid == c.who || n.self == c.cur && n.tid == c.use) && *n.guest() != MustEnter:
		return n.tid
	}
	return AgentName(int(c.id))
}

// mayUse says that n may run as name on what c was given: the policy knows nothing
// else of it, and no limit holds it.
func (c *cpuState) mayUse(n *thread, name uint32) bool {
	switch {
	case name == c.who:
		return true
	case c.entry(name) == nil:
		return false
	case name != n.tid:
		return true // the agent
	}
	return n.held == 0 && n.free == sched.epoch+1
}

// entry is name's part of the grant, nil if there is no room for another.
func (c *cpuState) entry(name uint32) *loan {
	for i := range c.lent {
		l := &c.lent[i]
		if l.name == 0 {
			l.name, l.ticks = name, 0
		}
		if l.name == name {
			return l
		}
	}
	return nil
}

// turn ends the time of who has c and begins that of name. What nobody had does not
// count as part of the slice.
func (c *cpuState) turn(name uint32, now uint64) {
	d := uint64(0)
	if now > c.useAt {
		d = now - c.useAt
	}
	c.useAt = now
	switch {
	case c.use == c.who:
	case c.use == 0:
		c.unused += d
		c.sliceEnd += d
	default:
		c.loans = 1
		if l := c.entry(c.use); l != nil {
			l.ticks += d
		}
	}
	c.use = name
}

// tell says to the policy who had what of c. The lock is held.
func (c *cpuState) tell(now uint64) {
	c.turn(c.use, now)
	gone := c.unused
	for i := range c.lent {
		gone += c.lent[i].ticks
	}
	if gone != 0 && c.who != 0 {
		policy.Slept(c.who, now, gone)
	}
	for i := range c.lent {
		l := &c.lent[i]
		if l.name != 0 && l.ticks != 0 {
			policy.Lent(l.name, now, l.ticks)
		}
		l.name, l.ticks = 0, 0
	}
	c.unused, c.loans = 0, 0
}

// tellAll is tell for all processors: what the policy is asked next it answers by what
// everybody had until now, and whoever begins to run, or to wait, there has no time of
// before to be told of. The lock is held.
func (s *scheduler) tellAll(now uint64) {
	for n := uint32(0); n < s.ncpu; n++ {
		o := cpuAt(s.cpus[n])
		if o.use != o.who || o.loans != 0 || o.unused != 0 {
			o.tell(now)
		}
		if agent := AgentName(int(n)); o.agent != 0 && o.who != agent && o.use != agent && !s.has(o) {
			o.agent = 0 // it had a processor on a loan, or another one
			policy.Block(agent, now)
		}
	}
}

// recall ends the grant of whom the policy believes to run on c. The lock is held.
func (c *cpuState) recall(now uint64) {
	c.tell(now)
	if c.who != 0 {
		policy.Block(c.who, now)
	}
	if c.use == c.who {
		c.use = 0
	}
	c.granted(0)
}

// release ends what the policy believes of a virtual CPU that runs, or rests,
// somewhere. The lock is held.
func (s *scheduler) release(t *thread, now uint64) {
	if t.held != 0 {
		cpuAt(s.cpus[t.held-1]).recall(now)
	}
}

// granted notes whom the policy gave c to, 0 if it has it back.
func (c *cpuState) granted(who uint32) {
	s := &sched
	if c.who != 0 && c.who <= MaxThreads && s.threads[c.who-1] != 0 {
		threadAt(s.threads[c.who-1]).held = 0
	}
	c.who = who
	if who != 0 && who <= MaxThreads {
		threadAt(s.threads[who-1]).held = c.id + 1
	}
}

// close ends all loans of c, before a decision; t runs there, or did. What is left
// runs by what the policy believes, and the policy knows all of it.
func (c *cpuState) close(t *thread, now uint64, stays bool) {
	sched.tellAll(now)
	c.graceEnd = 0
	switch {
	case c.who == 0:
	case c.who > MaxThreads:
		if t.word != 0 && *t.guest() == InGo {
			*t.guest() = MustEnter // it was no thread of the agent's until now
		}
	case !stays || t.tid != c.who || *t.guest() == MustEnter:
		c.recall(now)
	}
	c.use = c.who
}
