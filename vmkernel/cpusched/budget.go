package cpusched

// earn adds the reservation of the time since the last call, if the node wanted it.
// What is saved up, and what was had beyond it, count for one window.
func (s *Scheduler) earn(n *node, wanted bool) {
	d := min(s.now-n.creditAt, s.long)
	n.creditAt = s.now
	if n.reservation == 0 {
		n.credit = 0
		return
	}
	if wanted {
		n.credit = min(n.credit+d*n.reservation, s.window*n.reservation)
	}
}

// owed is for how many ticks of waiting the reservation of n was not kept, 0 if it is.
func (n *node) owed() int64 {
	left := n.credit - n.inflight*1000
	if left <= 0 {
		return 0
	}
	return left/n.reservation + 1
}

// burst is how much of its limit a node may save up: a window, or a slice if that is
// more.
func (s *Scheduler) burst(n *node) int64 { return max(s.window*n.limit, s.slice*1000) }

// refill adds the limit of the time since the last call.
func (s *Scheduler) refill(n *node) {
	d := min(s.now-n.tokensAt, s.long)
	n.tokensAt = s.now
	n.tokens = min(n.tokens+d*n.limit, s.burst(n))
}

// left is how many ticks the limit leaves.
func (n *node) left() int64 { return (n.tokens - n.inflight*1000) / 1000 }

// settle brings both budgets of a node up to now.
func (s *Scheduler) settle(n *node) {
	s.earn(n, n.contends())
	s.refill(n)
}

// spend takes ran ticks from all that a node has: it has run. What it had by its
// shares, or because nobody else wanted it, costs it no more of its reservation than
// a window; what it had by the reservation counts in full, even if it ran far past
// its slice.
func (s *Scheduler) spend(n *node, ran int64, reserved bool) {
	s.settle(n)
	n.charge(ran)
	if n.reservation > 0 {
		least := n.credit - ran*1000
		if !reserved {
			least = max(least, min(n.credit, -s.window*n.reservation))
		}
		n.credit = least
	}
	if n.limit > 0 {
		n.tokens -= ran * 1000
	}
}

// checkLimit throttles the group i when its limit leaves less than is worth a switch.
func (s *Scheduler) checkLimit(i int32) {
	n := &s.nodes[i]
	if n.limit == 0 || n.throttled {
		return
	}
	s.refill(n)
	if n.left() >= s.gran {
		return
	}
	s.hide(i, -1)
	n.throttled = true
	n.nextThrottled = s.throttled
	s.throttled = i
}

// enough is how many ticks end a throttle: two milliseconds for each processor that
// the group could use, so that those of its virtual CPUs which may run on few
// processors have their turn, but at most half of what the bucket holds.
func (s *Scheduler) enough(n *node) int64 {
	return min(2*s.gran*int64(min(max(n.ready, 1), int32(s.ncpu))), s.burst(n)/2000)
}

// release ends the throttle of every group that has enough again.
func (s *Scheduler) release() {
	for at := &s.throttled; *at != nobody; {
		i := *at
		n := &s.nodes[i]
		s.refill(n)
		if n.limit != 0 && n.left() < s.enough(n) {
			at = &n.nextThrottled
			continue
		}
		*at = n.nextThrottled
		n.nextThrottled = nobody
		n.throttled = false
		s.rebase(i)
		s.hide(i, 1)
		for cpu := 0; cpu < s.ncpu; cpu++ {
			if n.eligible(cpu) {
				s.kickIdle(1<<cpu, 1)
			}
		}
	}
}

// refillIn is in how many ticks the first throttle ends, 0 if there is none. It
// counts on nothing that runs now giving time back.
func (s *Scheduler) refillIn() int64 {
	first := int64(0)
	for i := s.throttled; i != nobody; i = s.nodes[i].nextThrottled {
		n := &s.nodes[i]
		d := max((s.enough(n)*1000-(n.tokens-n.inflight*1000))/n.limit+1, 1)
		if first == 0 || d < first {
			first = d
		}
	}
	return first
}

// listReserved puts the group i on the list of those with a reservation, or takes it
// off.
func (s *Scheduler) listReserved(i int32, want bool) {
	for at := &s.reserved; *at != nobody; at = &s.nodes[*at].nextReserved {
		if *at == i {
			if !want {
				*at = s.nodes[i].nextReserved
				s.nodes[i].nextReserved = nobody
			}
			return
		}
	}
	if want {
		s.nodes[i].nextReserved = s.reserved
		s.reserved = i
	}
}

// mostOwed is the group whose reservation has waited longest among those that could
// run something on cpu, or nobody.
func (s *Scheduler) mostOwed(cpu int) int32 {
	best, most := nobody, int64(0)
	for i := s.reserved; i != nobody; i = s.nodes[i].nextReserved {
		n := &s.nodes[i]
		if !n.eligible(cpu) || s.hidden(i) {
			continue
		}
		s.earn(n, true)
		o := n.owed()
		if o > most || o > 0 && o == most && n.picked < s.nodes[best].picked {
			best, most = i, o
		}
	}
	return best
}

// hidden says that a limit stops i.
func (s *Scheduler) hidden(i int32) bool {
	for ; i != nobody; i = s.nodes[i].parent {
		if s.nodes[i].throttled {
			return true
		}
	}
	return false
}
