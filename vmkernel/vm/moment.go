package vm

import "math/bits"

// moment is one instant on the host's counter and on the machine's clock, as close
// as the narrowest of some readings: a reading that was interrupted is wide.
func (m *Machine) moment() (tsc uint64, now int64) {
	best := ^uint64(0)
	for range 8 {
		a := m.p.TSC()
		n := m.b.clock.Now()
		if b := m.p.TSC(); b-a < best {
			best, tsc, now = b-a, a+(b-a)/2, n
		}
	}
	return tsc, now
}

// ticks is the host's counter for ns nanoseconds.
func (m *Machine) ticks(ns int64) uint64 {
	hi, lo := bits.Mul64(uint64(max(ns, 0)), m.p.TSCKHz)
	q, _ := bits.Div64(hi%1e6, lo, 1e6)
	return q
}

// stopClock stops the machine's clock and says what the host's counter was when it
// stopped. The guest's counter and the clock have to stop and start together: Linux
// compares them, and gives a counter up that is half a millisecond off.
func (m *Machine) stopClock() uint64 {
	tsc, now := m.moment()
	m.b.clock.Pause()
	return tsc + m.ticks(m.b.clock.Now()-now)
}

// startClock starts it and says what the host's counter was when it started.
func (m *Machine) startClock() uint64 {
	stood := m.b.clock.Now()
	m.b.clock.Resume()
	tsc, now := m.moment()
	return tsc - m.ticks(now-stood)
}
