package cpusched

// coscheduled says whether siblings of i are held together, and gives their group.
func (s *Scheduler) coscheduled(i int32) (int32, bool) {
	up := s.nodes[i].parent
	return up, s.nodes[up].kind == kindVM
}

// slowest is the least progress of the virtual CPUs of the group that want to run,
// without i. What runs now counts up to now.
func (s *Scheduler) slowest(group, i int32) (progress int64, found bool) {
	for c := s.nodes[group].first; c != nobody; c = s.nodes[c].next {
		n := &s.nodes[c]
		if c == i || n.state == Waiting {
			continue
		}
		p := n.progress
		if n.state == Running {
			p += s.now - n.since
		}
		if !found || p < progress {
			progress, found = p, true
		}
	}
	return
}

// coschedule follows a change of i: it is co-stopped if it is ready and too far ahead
// of a sibling, and siblings that waited for it go on.
func (s *Scheduler) coschedule(i int32) {
	group, held := s.coscheduled(i)
	if !held {
		return
	}
	if n := &s.nodes[i]; n.state == Ready {
		if p, found := s.slowest(group, i); found && n.progress-p > s.skew {
			s.enter(i, CoStopped)
			s.addReady(i, -1)
		}
	}
	// The least of all is the least for each that is ahead of it.
	p, found := s.slowest(group, nobody)
	for c := s.nodes[group].first; c != nobody; c = s.nodes[c].next {
		if n := &s.nodes[c]; n.state == CoStopped && (!found || n.progress-p <= s.skew/2) {
			s.enter(c, Ready)
			s.addReady(c, 1)
			s.place(c)
		}
	}
}

// catchUp puts the progress of i, which wakes, where it neither holds up its siblings
// for the time that it slept nor waits for what it did long ago.
func (s *Scheduler) catchUp(i int32) {
	group, held := s.coscheduled(i)
	if !held {
		return
	}
	if p, found := s.slowest(group, i); found {
		n := &s.nodes[i]
		n.progress = min(max(n.progress, p), p+s.skew)
	}
}
