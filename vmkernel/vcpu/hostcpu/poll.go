package hostcpu

import "sync/atomic"

// Bounds of a Poll in ticks of the TSC. While it looks, the processor takes no
// interrupt, so the upper one bounds how late the host's are: about 10 us.
const (
	pollLeast = 1 << 12
	pollMost  = 1 << 15
)

// Poll is how long a processor that is halted looks for a kick before its thread
// sleeps. A sleep that a kick ended soon makes the next look longer, a long one makes
// it none at all: who is idle costs nothing. Its zero value does not look. The
// engine's own.
type Poll struct {
	ticks uint64 // to look next time
	since uint64 // begin of the sleep
}

// Look waits for *kicked to be set, for as long as has paid before, and says whether
// it was. until is a deadline (0: none). It gives up at once when another thread could
// use the processor. W1; interrupts are off.
func (p *Poll) Look(h *Host, kicked *atomic.Uint32, until uint64) bool {
	if h.Contended == nil || h.Contended() {
		p.ticks, p.since = 0, 0
		return false
	}
	start := h.RDTSC()
	now := start
	for ; now-start < p.ticks; now = h.RDTSC() {
		if kicked.Load() != 0 {
			return true
		}
		if until != 0 && now >= until {
			break
		}
	}
	p.since = now
	return false
}

// Slept says that the thread has slept and was woken. W1.
func (p *Poll) Slept(h *Host) {
	switch {
	case h.Contended == nil || p.since == 0:
	case h.RDTSC()-p.since > pollMost:
		p.ticks = 0
	default:
		p.ticks = min(max(2*p.ticks, pollLeast), pollMost)
	}
	p.since = 0
}
