package cpusched

// AddVCPU makes a virtual CPU of a virtual machine, or a thread of the agent. It
// waits until Wake, and may run on the processors of affinity (bit n is processor
// n; 0: all). now is in ticks. The error is ErrUnknown, ErrFull or, for an affinity
// without any processor of the host, ErrAffinity.
func (s *Scheduler) AddVCPU(group ID, affinity uint64, now int64) (ID, error) {
	at := s.at(group)
	if at == nobody || s.nodes[at].kind != kindVM && s.nodes[at].kind != kindAgent {
		return None, ErrUnknown
	}
	affinity, ok := s.mask(affinity)
	if !ok {
		return None, ErrAffinity
	}
	s.exclusive(func() {
		s.advance(now)
		s.made = s.take(kindCPU, at)
		if s.made == nobody {
			return
		}
		n := &s.nodes[s.made]
		n.shares = CPUShares
		n.state, n.since, n.affinity, n.cpu = Waiting, s.now, affinity, nobody
	})
	if s.made == nobody {
		return None, ErrFull
	}
	return s.nodes[s.made].id, nil
}

// removeCPU ends all that i does.
func (s *Scheduler) removeCPU(i int32) {
	s.stop(i)
	n := &s.nodes[i]
	for c := range s.cpus {
		if s.cpus[c].last == i {
			s.cpus[c].last = nobody
		}
	}
	n.state = Waiting
}

// stop takes i from its processor or queue and leaves it waiting.
func (s *Scheduler) stop(i int32) {
	switch n := &s.nodes[i]; n.state {
	case Running:
		s.kick(int(n.cpu))
		s.finish(i, s.now-n.since, Waiting)
	case Ready:
		s.enter(i, Waiting)
		s.addReady(i, -1)
		s.coschedule(i)
	default:
		s.enter(i, Waiting)
		s.coschedule(i)
	}
}

// Ran ends the time of v on its processor and leaves it ready, or co-stopped if it
// ran too far ahead of a sibling. Of the ticks since Pick, ran count as run and the
// rest as ready; ran is cut to what is possible. Nothing happens if v does not run.
func (s *Scheduler) Ran(v ID, now, ran int64) {
	s.advance(now)
	if i := s.vcpuAt(v); i != nobody && s.nodes[i].state == Running {
		s.finish(i, ran, Ready)
		s.release()
	}
}

// Slept says that v, which runs, did not for the last d ticks: its processor was
// idle for it and nobody else wanted that. They count as waited. Nothing happens if
// v does not run. What d says too much is cut.
func (s *Scheduler) Slept(v ID, now, d int64) {
	s.advance(now)
	if i := s.vcpuAt(v); i != nobody && s.nodes[i].state == Running {
		n := &s.nodes[i]
		d = min(max(d, 0), s.now-n.since)
		n.since += d
		n.times.Wait += d
	}
}

// Block says that v waits for an event. If it runs, that ends as by Ran with all of
// its time; if it blocks on another processor than its own, that one is kicked.
// Nothing happens if it waits already. now is in ticks.
func (s *Scheduler) Block(v ID, now int64) {
	s.advance(now)
	i := s.vcpuAt(v)
	if i == nobody || s.nodes[i].state == Waiting {
		return
	}
	s.stop(i)
	s.release()
}

// Wake says that v wants to run. Nothing happens if it does not wait. now is in
// ticks.
func (s *Scheduler) Wake(v ID, now int64) {
	s.advance(now)
	i := s.vcpuAt(v)
	if i == nobody || s.nodes[i].state != Waiting {
		return
	}
	s.release()
	s.catchUp(i)
	s.enter(i, Ready)
	s.addReady(i, 1)
	s.place(i)
}

// SetAffinity changes where v may run (bit n is processor n; 0: everywhere). If it
// runs where it may not, that processor is kicked. now is in ticks. The error is
// ErrUnknown or ErrAffinity.
func (s *Scheduler) SetAffinity(v ID, now int64, affinity uint64) error {
	s.exclusive(func() { s.failed = s.setAffinity(v, now, affinity) })
	return errs[s.failed]
}

func (s *Scheduler) setAffinity(v ID, now int64, affinity uint64) failure {
	s.advance(now)
	i := s.vcpuAt(v)
	if i == nobody {
		return unknown
	}
	affinity, ok := s.mask(affinity)
	if !ok {
		return noProcessor
	}
	n := &s.nodes[i]
	if n.state == Ready {
		s.addReady(i, -1)
	}
	n.affinity = affinity
	if n.state == Ready {
		s.addReady(i, 1)
		s.place(i)
	}
	for up := i; up != nobody; up = s.nodes[up].parent {
		s.rebase(up)
	}
	if n.state == Running && affinity>>n.cpu&1 == 0 {
		s.kick(int(n.cpu))
	}
	return fine
}
