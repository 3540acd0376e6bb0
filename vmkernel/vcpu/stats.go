package vcpu

import "sync/atomic"

// Stats counts exits. The virtual CPU's own thread adds; everybody may read.
type Stats struct {
	exits  [NumKinds]atomic.Uint64 // all exits that Fast or Run saw
	inGo   [NumKinds]atomic.Uint64 // those that needed ordinary Go
	idle   atomic.Uint64           // host TSC ticks spent in HLT, stays that have ended
	halted atomic.Uint64           // host TSC when the stay that goes on began; 0: none
	gp     atomic.Uint64           // #GP for a register that is not there
	lastGP atomic.Uint32           // the last such MSR
}

// Exits calls f with the name of each kind that has occurred, how often it did
// and how often it needed ordinary Go.
func (s *Stats) Exits(f func(name string, exits, inGo uint64)) {
	for k := range s.exits {
		if n := s.exits[k].Load(); n != 0 {
			f(table[k].name, n, s.inGo[k].Load())
		}
	}
}

// Count is the number of exits of one kind.
func (s *Stats) Count(k Kind) uint64 { return s.exits[k].Load() }

// UnknownMSRs is how many accesses got #GP for want of a row, and the index of
// the last one.
func (s *Stats) UnknownMSRs() (n uint64, last uint32) { return s.gp.Load(), s.lastGP.Load() }

// Idle is the time spent halted until now, in ticks of the host's TSC, which is the
// value of now.
func (s *Stats) Idle(now uint64) uint64 {
	for range 4 { // a stay that ends meanwhile must not count twice
		since, sum := s.halted.Load(), s.idle.Load()
		if s.halted.Load() != since {
			continue
		}
		if since != 0 && now > since {
			sum += now - since
		}
		return sum
	}
	return s.idle.Load()
}
