package cpusched

import (
	"errors"
	"fmt"
	"strings"
)

// Spec is what a pool, a virtual machine or the agent is entitled to.
type Spec struct {
	Shares      int64 // of what its siblings compete for, 1 to MaxShares; 0: CPUShares
	Reservation int64 // thousandths of a host CPU that it gets whenever it wants them
	Limit       int64 // thousandths of a host CPU that it never exceeds for long; 0: none
}

// ErrInUse says that a group still has children, or is one that always exists.
var ErrInUse = errors.New("cpusched: the group has children or belongs to the host")

// ErrPromised says that a reservation cannot be backed, or is less than what was
// promised out of it. The error's own text says by whom and to whom.
var ErrPromised = errors.New("cpusched: the reservation cannot be kept")

// promised is an ErrPromised with its text.
type promised string

func (e promised) Error() string        { return string(e) }
func (e promised) Is(target error) bool { return target == ErrPromised }

// AddPool makes a pool below the root or another pool. The error is ErrUnknown,
// ErrFull or says why the specification is refused.
func (s *Scheduler) AddPool(parent ID, name string, p Spec) (ID, error) {
	return s.addGroup(parent, kindPool, name, p)
}

// AddVM makes a virtual machine without virtual CPUs. Errors are those of AddPool.
func (s *Scheduler) AddVM(parent ID, name string, p Spec) (ID, error) {
	return s.addGroup(parent, kindVM, name, p)
}

func (s *Scheduler) addGroup(parent ID, k kind, name string, p Spec) (ID, error) {
	at := s.at(parent)
	if at == nobody || s.nodes[at].kind != kindPool {
		return None, ErrUnknown
	}
	depth := 1
	for i := at; i != root; i = s.nodes[i].parent {
		depth++
	}
	if depth > MaxDepth || depth == MaxDepth && k == kindPool {
		return None, fmt.Errorf("cpusched: %q would be a group %d levels below the host: %d are possible, the last for a virtual machine", name, depth, MaxDepth)
	}
	if err := s.admit(at, nobody, name, &p); err != nil {
		return None, err
	}
	s.exclusive(func() {
		s.made = s.take(k, at)
		if s.made == nobody {
			return
		}
		s.apply(s.made, p)
		n := &s.nodes[s.made]
		n.tokens = s.burst(n)
	})
	i := s.made
	if i == nobody {
		return None, ErrFull
	}
	s.names[i] = name
	return s.nodes[i].id, nil
}

// Set changes the specification of a group while it runs; what it used so far
// counts on. now is in ticks. Errors are those of AddPool; then nothing changed.
func (s *Scheduler) Set(id ID, now int64, p Spec) error {
	i := s.at(id)
	if i == nobody || i == root || s.nodes[i].kind == kindCPU {
		return ErrUnknown
	}
	n := &s.nodes[i]
	if err := s.admit(n.parent, i, s.names[i], &p); err != nil {
		return err
	}
	s.exclusive(func() { s.set(i, now, p) })
	return nil
}

// set is Set for an admitted specification.
func (s *Scheduler) set(i int32, now int64, p Spec) {
	s.advance(now)
	n := &s.nodes[i]
	s.soFar(i, false)
	s.settle(n)
	had := n.limit
	s.apply(i, p)
	if had == 0 {
		n.tokens = s.burst(n)
	}
	n.tokens = min(n.tokens, s.burst(n))
	n.credit = min(n.credit, s.window*n.reservation)
	s.rebase(i)
	s.checkLimit(i)
	s.release()
	// What runs there has a grant by the old specification, maybe without an end.
	for cpu := 0; cpu < s.ncpu; cpu++ {
		if r := s.cpus[cpu].running; r != nobody && s.below(r, i) {
			s.kick(cpu)
		}
	}
}

// Move puts a virtual machine, which may run, below another pool, with a new
// specification; where it is already it is Set. In its new place it begins level with
// whoever had least there. now is in ticks. Errors are those of AddPool; then nothing
// changed.
func (s *Scheduler) Move(id ID, now int64, parent ID, p Spec) error {
	i, to := s.at(id), s.at(parent)
	if i == nobody || s.nodes[i].kind != kindVM || to == nobody || s.nodes[to].kind != kindPool {
		return ErrUnknown
	}
	if s.nodes[i].parent == to {
		return s.Set(id, now, p)
	}
	if err := s.admit(to, nobody, s.names[i], &p); err != nil {
		return err
	}
	done := p // admitted; nobody writes it any more
	s.exclusive(func() { s.move(i, now, to, done) })
	return nil
}

// move is Move for an admitted specification. A pool is never so deep that nothing
// fits below it.
func (s *Scheduler) move(i int32, now int64, to int32, p Spec) {
	s.advance(now)
	n := &s.nodes[i]
	s.soFar(i, false)
	s.above(i, -1)
	s.unlink(i)
	s.link(i, to)
	s.above(i, 1)
	if h := s.hindmost(i); h != nobody {
		n.vtime = s.nodes[h].vtime
	}
	for up := to; up != nobody; up = s.nodes[up].parent {
		s.checkLimit(up)
	}
	s.set(i, now, p)
	if s.hidden(i) {
		return
	}
	for cpu := 0; cpu < s.ncpu; cpu++ { // a limit may have held it back where it was
		if n.eligible(cpu) {
			s.kickIdle(1<<cpu, 1)
		}
	}
}

// above counts what waits and runs in the group i in all groups above it, or no more.
func (s *Scheduler) above(i int32, by int32) {
	g := &s.nodes[i]
	if !g.throttled {
		s.hide(i, by)
	}
	for up := g.parent; up != nobody; up = s.nodes[up].parent {
		n := &s.nodes[up]
		before := n.contends()
		n.running += by * g.running
		n.inflight += int64(by) * g.inflight
		s.changed(up, before)
	}
}

// Remove takes away an empty group, or a virtual CPU in any state: the processor on
// which that runs is among the next Kicks. now is in ticks. The error is ErrUnknown
// or ErrInUse.
func (s *Scheduler) Remove(id ID, now int64) error {
	s.exclusive(func() { s.failed = s.remove(id, now) })
	return errs[s.failed]
}

// failure is an error without a pointer, for what W1 code returns.
type failure uint8

const (
	fine failure = iota
	unknown
	inUse
	noProcessor
)

var errs = [...]error{unknown: ErrUnknown, inUse: ErrInUse, noProcessor: ErrAffinity}

func (s *Scheduler) remove(id ID, now int64) failure {
	s.advance(now)
	i := s.at(id)
	switch {
	case i == nobody:
		return unknown
	case s.nodes[i].kind == kindCPU:
		s.removeCPU(i)
	case i == root || id == s.agent || s.nodes[i].first != nobody:
		return inUse
	default:
		s.nodes[i].limit = 0
		s.checkLimit(i)
		s.release()
		s.listReserved(i, false)
	}
	s.drop(i)
	return fine
}

// apply stores an admitted specification.
func (s *Scheduler) apply(i int32, p Spec) {
	n := &s.nodes[i]
	n.shares, n.reservation, n.limit = p.Shares, p.Reservation, p.Limit
	s.listReserved(i, p.Reservation > 0)
}

// admit completes p and says whether parent can back it for the child i (nobody: a
// new one) called name.
func (s *Scheduler) admit(parent, i int32, name string, p *Spec) error {
	if p.Shares == 0 {
		p.Shares = CPUShares
	}
	host := int64(s.ncpu) * 1000
	switch {
	case p.Shares < 1 || p.Shares > MaxShares:
		return fmt.Errorf("cpusched: %q asks for %d shares: 1 to %d are possible", name, p.Shares, MaxShares)
	case p.Reservation < 0 || p.Limit < 0:
		return fmt.Errorf("cpusched: %q asks for a reservation of %d and a limit of %d: neither can be negative", name, p.Reservation, p.Limit)
	case p.Limit != 0 && p.Limit < p.Reservation:
		return fmt.Errorf("cpusched: %q has a reservation of %d and a limit of only %d thousandths of a CPU", name, p.Reservation, p.Limit)
	}
	if p.Limit >= host {
		p.Limit = 0 // it could not be exceeded
	}
	if i != nobody {
		below, names := s.promised(i, nobody)
		if p.Reservation < below {
			return promised(fmt.Sprintf("%q cannot have a reservation of %d thousandths of a CPU: it has promised %d (%s)", name, p.Reservation, below, names))
		}
	}
	others, names := s.promised(parent, i)
	up := &s.nodes[parent]
	if p.Reservation > up.reservation-others {
		return promised(fmt.Sprintf("%q asks for %d thousandths of a CPU: %q has %d and has promised %d of them (%s)",
			name, p.Reservation, s.names[parent], up.reservation, others, names))
	}
	return nil
}

// promised sums the reservations below i, without the child except, and names them.
func (s *Scheduler) promised(i, except int32) (sum int64, names string) {
	var list []string
	for c := s.nodes[i].first; c != nobody; c = s.nodes[c].next {
		if n := &s.nodes[c]; c != except && n.reservation > 0 {
			sum += n.reservation
			list = append(list, fmt.Sprintf("%q %d", s.names[c], n.reservation))
		}
	}
	if list == nil {
		return 0, "nobody else"
	}
	return sum, strings.Join(list, ", ")
}

// Promised is the sum of the reservations below the group id; 0 for an unknown one.
func (s *Scheduler) Promised(id ID) int {
	i := s.at(id)
	if i == nobody {
		return 0
	}
	sum, _ := s.promised(i, nobody)
	return int(sum)
}
