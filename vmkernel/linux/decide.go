package linux

import "basalt/arch/x86/apic"

// decide is choose under a policy. The lock is held.
func (c *cpuState) decide(t *thread) *thread {
	s, p := &sched, policy
	now := c.now()
	if c.halted != 0 {
		if c.wakes() {
			t := threadAt(c.halted)
			s.woken = queue{}
			p.Slept(t.tid, now, now-c.haltAt)
			c.halted, c.gone, c.resched, c.bounded = 0, 0, 0, 0
			return t
		}
		if s.woken.head == 0 && c.look == 0 && s.waiting == 0 && !s.has(c) {
			c.gone, c.resched, c.bounded = 0, 0, 0
			return threadAt(c.idle)
		}
		c.settle(now)
	}
	s.admitWoken(now)
	stays := c.gone == 0 && t.self != c.idle
	yields := c.resched == yielding
	c.gone, c.resched = 0, 0
	s.passKicks(c)

	agent := AgentName(int(c.id))
	guest := stays && t.inGuest()
	waited := s.queued > 0 || s.waiting > 0
	over := c.look != 0 || now >= c.sliceEnd && (waited || c.bounded != 0) || guest && yields && waited
	if !over && c.who == t.tid && t.word != 0 && stays && (guest || !yields) {
		c.bound(waited)
		return t
	}
	if !over && c.who == agent && !guest {
		// The agent's own turns, within its slice.
		if stays && !yields {
			c.bound(waited)
			return t
		}
		if stays {
			s.enqueue(t)
		}
		if n := s.pick(c); n != nil {
			c.bound(s.queued > 0 || s.waiting > 0)
			s.wakeIdle(t, n)
			return n
		}
	}
	if t.self == c.idle && c.who == 0 && !over && !s.has(c) {
		return t
	}

	switch {
	case stays && guest:
		// It waits in the policy from here on.
		t.state = stateRunnable
		s.waiting++
		if c.who == t.tid {
			p.Ran(t.tid, now)
			c.who = 0
		} else {
			p.Wake(t.tid, now)
		}
	case stays:
		c.off(t)
		s.enqueue(t)
	}
	n := c.ask(now)
	s.wakeIdle(t, n)
	return n
}

// wakeIdle gets an idle processor for t, if t is in the queue behind n.
func (s *scheduler) wakeIdle(t, n *thread) {
	if t == n || t.state != stateRunnable || t.inGuest() {
		return
	}
	idle := s.idleSet & t.aff
	for k := uint32(0); idle != 0 && k < s.ncpu; k++ {
		if idle>>k&1 != 0 {
			s.idleSet &^= 1 << k
			cpuAt(s.cpus[k]).interrupt()
			return
		}
	}
}

// interrupt makes a processor look at what it runs.
func (c *cpuState) interrupt() {
	if c.kicked++; c.online != 0 {
		apic.Send(c.apicID, vectorKick)
	}
}

// ask lets the policy say what c does. What ran there waits somewhere already.
func (c *cpuState) ask(now uint64) *thread {
	s, p := &sched, policy
	agent := AgentName(int(c.id))
	switch has := s.has(c); {
	case has && c.agent == 0:
		c.agent = 1
		p.Wake(agent, now)
	case !has && c.agent != 0:
		c.agent = 0
		p.Block(agent, now)
	}
	who, slice, bounded := p.Pick(int(c.id), now)
	c.look = 0
	if s.passKicks(c); c.look != 0 {
		c.interrupt()
	}
	if slice != 0 && slice < minSlice {
		slice = minSlice
	}
	c.who, c.sliceEnd, c.bounded, c.limited = who, now+slice, 0, 0
	if bounded {
		c.limited = 1
	}
	n := threadAt(c.idle)
	switch {
	case who == 0:
	case who == agent:
		n = s.pick(c)
	case who <= MaxThreads:
		n = threadAt(s.threads[who-1])
		s.waiting--
	}
	if n == nil || n.self != c.idle && n.state != stateRunnable {
		die("scheduler: the policy names a thread that does not wait", nil)
	}
	c.bound(n.self != c.idle && (s.queued > 0 || s.waiting > 0))
	return n
}

// bound notes whether the end of c's slice matters, which setTimer goes by, and sees
// that the processors whose slice began to matter look.
func (c *cpuState) bound(waited bool) {
	s := &sched
	c.bounded = 0
	if waited || c.limited != 0 {
		c.bounded = 1
	}
	if !waited {
		return
	}
	for n := uint32(0); n < s.ncpu; n++ {
		o := cpuAt(s.cpus[n])
		switch {
		case o == c:
		case o.halted != 0: // it is free
			o.look = 1
			o.interrupt()
		case o.bounded == 0 && s.idleSet>>n&1 == 0:
			o.interrupt()
		}
	}
}

// passKicks interrupts the processors that the policy wants to be asked about.
func (s *scheduler) passKicks(c *cpuState) {
	k := policy.Kicks()
	for n := uint32(0); k != 0 && n < s.ncpu; n++ {
		if k>>n&1 == 0 {
			continue
		}
		k &^= 1 << n
		o := cpuAt(s.cpus[n])
		o.look = 1
		if o != c {
			o.interrupt()
		}
	}
}

// has says that a thread of the queue may run on c.
func (s *scheduler) has(c *cpuState) bool {
	for va := s.head; va != 0; va = threadAt(va).next {
		if threadAt(va).aff>>c.id&1 != 0 {
			return true
		}
	}
	return false
}
