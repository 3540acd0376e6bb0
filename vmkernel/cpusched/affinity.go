package cpusched

import (
	"errors"
	"math/bits"
)

// ErrAffinity says that a virtual CPU would have no processor to run on.
var ErrAffinity = errors.New("cpusched: the affinity names no processor of this host")

// mask cuts an affinity to the processors that exist.
func (s *Scheduler) mask(affinity uint64) (cut uint64, ok bool) {
	if affinity == 0 {
		return s.all, true
	}
	affinity &= s.all
	return affinity, affinity != 0
}

// Kicks gives the processors that should call Pick soon, bit n is processor n, and
// forgets them. The caller takes them after every call and interrupts those.
func (s *Scheduler) Kicks() uint64 {
	k := s.kicks
	s.kicks = 0
	return k
}

func (s *Scheduler) kick(cpu int) {
	s.kicks |= 1 << cpu
	s.kicked |= 1 << cpu
}

// kickIdle wakes at most n of the idle processors in mask.
func (s *Scheduler) kickIdle(mask uint64, n int) {
	for rest := s.idle & mask &^ s.kicked; rest != 0 && n > 0; rest &= rest - 1 {
		s.kick(bits.TrailingZeros64(rest))
		n--
	}
}

// place finds the processor for i, which has just become ready: an idle one, its own
// before others, else the one whose virtual CPU has the weakest claim against it, if
// that is weaker and has run for a while.
func (s *Scheduler) place(i int32) {
	n := &s.nodes[i]
	if s.hidden(i) {
		return
	}
	idle := s.idle & n.affinity &^ s.kicked
	if n.cpu != nobody && idle>>n.cpu&1 != 0 {
		s.kick(int(n.cpu))
		return
	}
	if idle != 0 {
		s.kick(bits.TrailingZeros64(idle))
		return
	}
	best, most := -1, int64(0)
	for rest := n.affinity &^ s.kicked; rest != 0; rest &= rest - 1 {
		cpu := bits.TrailingZeros64(rest)
		r := s.cpus[cpu].running
		if r == nobody || s.nodes[r].slice > 0 && s.now-s.nodes[r].since < s.gran {
			continue
		}
		if by := s.claim(i, r); by > most {
			best, most = cpu, by
		}
	}
	if best >= 0 {
		s.kick(best)
	}
}

// claim is by how much i comes before r, which runs: more than any virtual time if
// a reservation says so, else virtual time where their paths to the root part.
func (s *Scheduler) claim(i, r int32) int64 {
	reserved := s.nodes[r].reserved
	di, dr := s.depth(i), s.depth(r)
	owed := false
	up := func(i int32) int32 {
		n := &s.nodes[i]
		if n.reservation > 0 {
			s.earn(n, n.contends())
			owed = owed || n.owed() > 0
		}
		return n.parent
	}
	for ; di > dr; di-- {
		i = up(i)
	}
	for ; dr > di; dr-- {
		r = s.nodes[r].parent
	}
	for s.nodes[i].parent != s.nodes[r].parent {
		i, r = up(i), s.nodes[r].parent
	}
	if i == r {
		return 0
	}
	up(i)
	switch {
	case owed && !reserved:
		return 1 << 62
	case reserved:
		return 0
	}
	return s.nodes[r].due() - s.nodes[i].due()
}

func (s *Scheduler) depth(i int32) int {
	d := 0
	for ; i != root; i = s.nodes[i].parent {
		d++
	}
	return d
}
