package linux

import "basalt/arch/x86/apic"

// decide is choose under a policy. The lock is held.
func (c *cpuState) decide(t *thread) *thread {
	s, p := &sched, policy
	now := c.now()
	stays := c.gone == 0 && t.self != c.idle
	yields := c.resched == yielding
	c.gone, c.resched = 0, 0
	if n := c.lend(t, now, stays, yields); n != nil {
		return n
	}
	c.close(t, now, stays)
	s.admitWoken(now)
	agent := AgentName(int(c.id))
	guest := stays && t.inGuest()
	if guest && c.agent == 0 && s.has(c) {
		c.agent = 1
		p.Wake(agent, now)
		// If it does not come first, it may soon: what runs here began a moment ago.
		c.sliceEnd = min(c.sliceEnd, now+graceTicks)
	}
	s.passKicks(c)

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
			c.granted(0)
		} else {
			s.release(t, now)
			p.Wake(t.tid, now)
		}
	case stays:
		c.off(t, now)
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
//
//go:nosplit
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
	c.granted(who)
	c.use, c.useAt = who, now
	c.sliceEnd, c.bounded, c.limited = now+slice, 0, 0
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
		if n.free = s.epoch + 1; bounded {
			n.free = 0
		}
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
		case o.rests():
			// It is free for whom the policy picks; what is queued had an idle processor
			// told when it began to wait.
			if s.waiting > 0 {
				o.look = 1
				o.interrupt()
			}
		case o.bounded == 0 && s.idleSet>>n&1 == 0:
			o.interrupt()
		}
	}
}

// passKicks interrupts the processors that the policy wants to be asked about, once
// there is one.
func (s *scheduler) passKicks(c *cpuState) {
	if policy == nil {
		return
	}
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
