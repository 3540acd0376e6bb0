package cpusched

// vscale is the virtual time of a tick for a node with one share.
const vscale = 1024

// Bounds of virtual time against the sibling that is furthest behind, in slices.
const (
	behindAwake = 1 // what a sleeper may keep of the time that it did not use
	behindFull  = 4 // what a node that has all it wants may keep
	aheadMost   = 8 // what a node may owe
)

// due is the virtual time of a node with the time granted to what runs in it.
func (n *node) due() int64 { return n.vtime + n.inflight*vscale/n.shares }

// charge adds ran ticks to the virtual time.
func (n *node) charge(ran int64) { n.vtime += ran * vscale / n.shares }

// hindmost is the contending sibling of i with the least virtual time, or nobody.
func (s *Scheduler) hindmost(i int32) int32 {
	up := s.nodes[i].parent
	if up == nobody {
		return nobody
	}
	best := nobody
	for c := s.nodes[up].first; c != nobody; c = s.nodes[c].next {
		n := &s.nodes[c]
		if c == i || n.throttled || !n.contends() {
			continue
		}
		if best == nobody || n.vtime-s.nodes[best].vtime < 0 {
			best = c
		}
	}
	return best
}

// bound keeps the virtual time of i between so many slices behind and ahead of its
// hindmost sibling. A slice counts in the virtual time of both: the one with fewer
// shares moves in longer steps, and that step is no lag.
func (s *Scheduler) bound(i int32, behind, ahead int64) {
	h := s.hindmost(i)
	if h == nobody {
		return
	}
	n, other := &s.nodes[i], &s.nodes[h]
	unit := s.slice*vscale/n.shares + s.slice*vscale/other.shares
	lag := n.vtime - other.vtime
	if behind >= 0 && lag < -behind*unit {
		n.vtime = other.vtime - behind*unit
	}
	if ahead >= 0 && lag > ahead*unit {
		n.vtime = other.vtime + ahead*unit
	}
}

// rebase puts a node that comes back, or is something else from now on, near its
// siblings.
func (s *Scheduler) rebase(i int32) { s.bound(i, behindAwake, aheadMost) }

// fairest is the child of i that comes next on cpu: the least virtual time, then
// the one not chosen for longest. Something below i is eligible.
func (s *Scheduler) fairest(i int32, cpu int) int32 {
	best, least := nobody, int64(0)
	for c := s.nodes[i].first; c != nobody; c = s.nodes[c].next {
		n := &s.nodes[c]
		if n.throttled || !n.eligible(cpu) {
			continue
		}
		v := n.due()
		if best == nobody || v-least < 0 || v == least && n.picked < s.nodes[best].picked {
			best, least = c, v
		}
	}
	return best
}
