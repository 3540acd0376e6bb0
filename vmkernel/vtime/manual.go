package vtime

import (
	"sync"

	"basalt/vmkernel/vbus"
)

// Manual is a clock that moves only by Advance: for tests, here and in the
// device packages. Callbacks run on the goroutine that calls Advance.
type Manual struct {
	mu  sync.Mutex
	q   queue
	now int64
}

var _ vbus.Clock = (*Manual)(nil)

// NewManual makes a clock that stands at the given time in nanoseconds.
func NewManual(at int64) *Manual { return &Manual{now: at} }

// Now is the time in nanoseconds.
func (m *Manual) Now() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// NewTimer makes a stopped timer that calls f.
func (m *Manual) NewTimer(f func()) vbus.Timer {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.q.register()
	return &timer{c: m, f: f, index: -1}
}

func (m *Manual) arm(t *timer, at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.q.put(t, at)
}

func (m *Manual) stop(t *timer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.q.remove(t)
}

// Armed is the number of armed timers.
func (m *Manual) Armed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.q.heap)
}

// Advance moves the clock by d nanoseconds. Each timer that becomes due on the
// way runs with Now at its own time, timers that callbacks arm included. A
// callback that arms a timer in the past runs again one nanosecond later at the
// soonest.
func (m *Manual) Advance(d int64) {
	m.mu.Lock()
	end := m.now + d
	for {
		t := m.q.first()
		if t == nil || t.at > end {
			break
		}
		m.q.remove(t)
		if t.at > m.now {
			m.now = t.at
		}
		m.mu.Unlock()
		t.f()
		m.mu.Lock()
		if t.index >= 0 && t.at <= m.now {
			m.q.put(t, m.now+1)
		}
	}
	m.now = end
	m.mu.Unlock()
}

// Jump moves the clock by d nanoseconds as a host that was busy would: timers
// that became due run once, late, with Now at the end.
func (m *Manual) Jump(d int64) {
	m.mu.Lock()
	m.now += d
	for n := m.q.total; n > 0; n-- {
		t := m.q.first()
		if t == nil || t.at > m.now {
			break
		}
		m.q.remove(t)
		m.mu.Unlock()
		t.f()
		m.mu.Lock()
	}
	m.mu.Unlock()
}
