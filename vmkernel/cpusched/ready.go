package cpusched

import "math/bits"

// addReady counts the virtual CPU i, which becomes ready (by 1) or ends to be (-1), in
// itself and in the groups above up to the first that a limit stops.
func (s *Scheduler) addReady(i int32, by int32) {
	affinity := s.nodes[i].affinity
	anywhere := affinity == s.all
	for {
		n := &s.nodes[i]
		before := n.contends()
		n.ready += by
		if anywhere {
			n.free += by
		} else {
			for rest := affinity; rest != 0; rest &= rest - 1 {
				n.pinned[bits.TrailingZeros64(rest)] += by
			}
		}
		s.changed(i, before)
		if n.throttled || i == root {
			return
		}
		i = n.parent
	}
}

// addRunning counts a virtual CPU that begins or ends to run, and its grant.
func (s *Scheduler) addRunning(i int32, by int32, slice int64) {
	for ; i != nobody; i = s.nodes[i].parent {
		n := &s.nodes[i]
		before := n.contends()
		n.running += by
		n.inflight += int64(by) * slice
		s.changed(i, before)
	}
}

// hide takes what is ready in the group i from all groups above, or gives it back.
func (s *Scheduler) hide(i int32, by int32) {
	g := &s.nodes[i]
	for up := g.parent; up != nobody; up = s.nodes[up].parent {
		n := &s.nodes[up]
		before := n.contends()
		n.ready += by * g.ready
		n.free += by * g.free
		for c := 0; c < s.ncpu; c++ {
			n.pinned[c] += by * g.pinned[c]
		}
		s.changed(up, before)
		if n.throttled {
			return
		}
	}
}

// changed follows a change of what contends in a node: an idle node earns nothing,
// and comes back near its siblings.
func (s *Scheduler) changed(i int32, before bool) {
	n := &s.nodes[i]
	switch after := n.contends(); {
	case before == after:
	case after:
		n.creditAt = s.now
		s.rebase(i)
	default:
		s.earn(n, true)
	}
}
