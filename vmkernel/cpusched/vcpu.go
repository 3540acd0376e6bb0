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

// Lent says that v, which does not run, had a processor for the last d ticks, or for
// as many before now: that of somebody who did not use it, while nobody else wanted
// it. They count as run and are paid for. Nothing happens if v runs. What d says too
// much is cut.
func (s *Scheduler) Lent(v ID, now, d int64) {
	s.advance(now)
	i := s.vcpuAt(v)
	if i == nobody || s.nodes[i].state == Running {
		return
	}
	n := &s.nodes[i]
	d = min(max(d, 0), s.now-n.since)
	n.since += d
	n.times.Run += d
	n.progress += d
	charged := min(d, s.long)
	for up := i; up != nobody; up = s.nodes[up].parent {
		s.spend(&s.nodes[up], charged, false)
	}
	for up := n.parent; up != nobody; up = s.nodes[up].parent {
		s.checkLimit(up)
	}
}

// soFar ends the account of what runs in the group i and goes on with a new one: what
// changes now does not count for the time before. With over, only of what ran past its
// slice.
func (s *Scheduler) soFar(i int32, over bool) {
	for cpu := 0; cpu < s.ncpu; cpu++ {
		r := s.cpus[cpu].running
		if r == nobody || !s.below(r, i) {
			continue
		}
		n := &s.nodes[r]
		d := s.now - n.since
		if over && d <= n.slice {
			continue
		}
		n.since = s.now
		n.times.Run += d
		n.progress += d
		s.pay(r, d)
		for up := r; up != nobody; up = s.nodes[up].parent {
			s.nodes[up].inflight -= n.slice // it is used up
		}
		n.slice = 0
	}
}

// overrun is called before something becomes ready: if that is the first, all that ran
// past its slice until now had what nobody else wanted.
func (s *Scheduler) overrun() {
	if s.nodes[root].ready == 0 {
		s.soFar(root, true)
	}
}

// pay charges i, which runs, for ran ticks, and all groups above. What ran past its
// slice while nobody waited had what nobody else wanted: that costs no reservation, and
// who comes next is not owed more than a slice for it.
func (s *Scheduler) pay(i int32, ran int64) {
	n := &s.nodes[i]
	free := ran > n.slice && s.nodes[root].ready == 0
	for up := i; up != nobody; up = s.nodes[up].parent {
		s.spend(&s.nodes[up], min(ran, s.long), n.reserved && !free)
		switch {
		case free:
			s.bound(up, -1, behindAwake)
		case n.reserved:
			s.bound(up, -1, aheadMost)
		}
	}
}

// below says that i is in the group, or is it.
func (s *Scheduler) below(i, group int32) bool {
	for ; i != nobody && i != group; i = s.nodes[i].parent {
	}
	return i == group
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
	s.overrun()
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
