package vtime

import (
	"sync"
	"time"

	"basalt/vmkernel/vbus"
)

// MinWake is the shortest time between two wake-ups of a Clock.
const MinWake = 20 * time.Microsecond

// Clock is the clock of a virtual machine over the host's monotonic time. It is
// made paused. Safe for any goroutine.
type Clock struct {
	mu      sync.Mutex
	q       queue
	running bool
	passed  int64     // nanoseconds until since, or in all when paused
	since   time.Time // start of the current run
	host    *time.Timer
	woken   time.Time // the last wake-up
	firing  bool      // a goroutine is in fire
	idle    sync.Cond // firing became false; uses mu
}

var _ vbus.Clock = (*Clock)(nil)

// New makes a paused clock that stands at the given time in nanoseconds.
func New(at int64) *Clock {
	c := &Clock{passed: at}
	c.idle.L = &c.mu
	c.host = time.AfterFunc(time.Hour, c.fire)
	c.host.Stop()
	return c
}

// Now is the time in nanoseconds since power-on. It never runs backwards.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() int64 {
	if !c.running {
		return c.passed
	}
	return c.passed + int64(time.Since(c.since))
}

// Resume lets time pass. Resuming a running clock does nothing.
func (c *Clock) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		c.running = true
		c.since = time.Now()
		c.schedule()
	}
}

// Pause stops time and waits for a callback that already runs: after it, no
// timer changes a device, so their states fit together. The VM's owner calls it,
// with no device's lock held and not from a callback.
func (c *Clock) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.passed = c.now()
		c.running = false
		c.host.Stop()
	}
	for c.firing {
		c.idle.Wait()
	}
}

// Running says whether time passes.
func (c *Clock) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// Set moves a paused clock, for a restored machine; it reports whether the
// clock was paused. Timers keep their absolute times.
func (c *Clock) Set(at int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return false
	}
	c.passed = at
	return true
}

// Close stops the clock for good and forgets every armed timer.
func (c *Clock) Close() {
	c.Pause()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.q.first() != nil {
		c.q.remove(c.q.first())
	}
}

// NewTimer makes a stopped timer that calls f.
func (c *Clock) NewTimer(f func()) vbus.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.q.register()
	return &timer{c: c, f: f, index: -1}
}

func (c *Clock) arm(t *timer, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.q.first()
	c.q.put(t, at)
	if c.q.first() != first || first == t {
		c.schedule()
	}
}

func (c *Clock) stop(t *timer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.q.remove(t)
}

// schedule sets the host timer for the soonest timer. A host timer that comes
// too early finds nothing due and sets itself again.
func (c *Clock) schedule() {
	t := c.q.first()
	if !c.running || c.firing || t == nil {
		return
	}
	wait := time.Duration(t.at - c.now())
	if t.at < c.now() {
		wait = 0
	}
	if rest := MinWake - time.Since(c.woken); wait < rest {
		wait = rest
	}
	c.host.Reset(wait)
}

// fire calls what is due now. What a callback arms anew, however soon, waits
// for the next wake-up: the loop looks only at times up to its own start.
func (c *Clock) fire() {
	c.mu.Lock()
	if c.firing || !c.running {
		c.mu.Unlock()
		return
	}
	c.firing = true
	now := c.now()
	for n := c.q.total; n > 0 && c.running; n-- {
		t := c.q.first()
		if t == nil || t.at > now {
			break
		}
		c.q.remove(t)
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.firing = false
	c.idle.Broadcast()
	c.woken = time.Now()
	c.schedule()
	c.mu.Unlock()
}
