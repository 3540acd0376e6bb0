package cpusched

// Decision is what a processor does next.
type Decision struct {
	VCPU  ID    // who runs, None: nobody
	Slice int64 // ticks until Pick is due again; 0 with None: only after a kick
	// Bounded says that Pick is due then even if nobody else wants a processor: a
	// limit ends, or begins again.
	Bounded bool
}

// Pick says what runs next on the host processor cpu. What ran there until now is
// first put back as ready, as by Ran with all of its time. A cpu out of range gets
// nobody. now is in ticks.
func (s *Scheduler) Pick(cpu int, now int64) Decision {
	s.advance(now)
	if cpu < 0 || cpu >= s.ncpu {
		return Decision{}
	}
	p := &s.cpus[cpu]
	if p.running != nobody {
		s.finish(p.running, s.now-s.nodes[p.running].since, Ready)
	}
	s.release()
	bit := uint64(1) << cpu
	s.kicks &^= bit
	s.kicked &^= bit
	last := p.last
	p.last = nobody
	if !s.nodes[root].eligible(cpu) {
		s.idle |= bit
		d := s.refillIn()
		return Decision{None, d, d > 0}
	}
	s.idle &^= bit
	i := s.mostOwed(cpu)
	reserved := i != nobody
	if !reserved {
		i = root
	}
	for s.nodes[i].kind != kindCPU {
		i = s.fairest(i, cpu)
	}
	slice, bounded := s.grant(i)
	s.start(i, cpu, slice, reserved)
	if last != nobody && last != i && s.nodes[last].state == Ready {
		s.kickIdle(s.nodes[last].affinity, 1)
	}
	return Decision{s.nodes[i].id, slice, bounded}
}

// grant is how long i may run, and whether a limit says so.
func (s *Scheduler) grant(i int32) (slice int64, bounded bool) {
	slice = s.slice
	for up := s.nodes[i].parent; up != nobody; up = s.nodes[up].parent {
		if n := &s.nodes[up]; n.limit > 0 {
			bounded = true
			s.refill(n)
			part := n.left() / int64(min(max(n.ready, 1), int32(s.ncpu)))
			slice = min(slice, max(part, s.gran), n.left())
		}
	}
	return max(slice, 1), bounded
}

// start gives the processor to i.
func (s *Scheduler) start(i int32, cpu int, slice int64, reserved bool) {
	s.enter(i, Running)
	n := &s.nodes[i]
	n.cpu, n.slice, n.reserved = int32(cpu), slice, reserved
	s.cpus[cpu].running = i
	s.addRunning(i, 1, slice)
	s.addReady(i, -1)
	s.seq++
	for ; i != nobody; i = s.nodes[i].parent {
		n := &s.nodes[i]
		n.picked = s.seq
		if n.ready == 0 {
			// It has all that it wants: it is not owed what it could not use.
			s.bound(i, behindFull, -1)
		}
		s.checkLimit(i)
	}
}

// finish takes i off its processor after ran ticks and leaves it in the state to.
func (s *Scheduler) finish(i int32, ran int64, to State) {
	n := &s.nodes[i]
	whole := s.now - n.since
	ran = min(max(ran, 0), whole)
	n.times.Run += ran
	n.times.Ready += whole - ran // it was on the processor, which did something else
	n.since = s.now
	n.state = to
	n.progress += ran
	s.cpus[n.cpu].running = nobody
	s.cpus[n.cpu].last = i
	s.pay(i, ran)
	if to == Ready {
		s.overrun()
		s.addReady(i, 1)
	}
	s.addRunning(i, -1, n.slice)
	for up := n.parent; up != nobody; up = s.nodes[up].parent {
		s.checkLimit(up)
	}
	s.coschedule(i)
}
