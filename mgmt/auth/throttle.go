package auth

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// The throttle's constants.
const (
	maxAddresses = 1024
	maxTrusted   = 64
	freeFailures = 3
	maxDelay     = 30 * time.Second
	forgetAfter  = 15 * time.Minute
)

// throttle counts failures by address. When the table is full, the address whose
// last failure is the longest ago makes room.
type throttle struct {
	mu     sync.Mutex
	byAddr map[netip.Prefix]*list.Element // of *record
	order  *list.List                     // front: newest failure

	// trusted are the IPv6 addresses that logged in last. They are counted by
	// themselves: otherwise a neighbour that guesses keeps its whole /64 out.
	trusted []netip.Addr
}

type record struct {
	key      netip.Prefix
	failures int
	last     time.Time
	closed   time.Time // until then attempts are not checked
}

func (t *throttle) init() {
	t.byAddr = map[netip.Prefix]*list.Element{}
	t.order = list.New()
}

// key is what failures of an address are counted under; mu is held.
func (t *throttle) key(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() && !slices.Contains(t.trusted, a) {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// trust notes that an address has logged in.
func (t *throttle) trust(a netip.Addr) {
	a = a.Unmap().WithZone("")
	t.mu.Lock()
	defer t.mu.Unlock()
	if !a.Is6() || slices.Contains(t.trusted, a) {
		return
	}
	if len(t.trusted) == maxTrusted {
		t.trusted = slices.Delete(t.trusted, 0, 1)
	}
	t.trusted = append(t.trusted, a)
}

// wait is how long the address has to wait before an attempt is checked.
func (t *throttle) wait(a netip.Addr, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byAddr[t.key(a)]
	if !ok {
		return 0
	}
	return max(e.Value.(*record).closed.Sub(now), 0)
}

// fail counts a failure and returns how many the address has had in a row.
func (t *throttle) fail(a netip.Addr, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.key(a)
	e, ok := t.byAddr[k]
	if !ok {
		if len(t.byAddr) >= maxAddresses {
			t.remove(t.order.Back())
		}
		e = t.order.PushFront(&record{key: k})
		t.byAddr[k] = e
	}
	r := e.Value.(*record)
	if now.Sub(r.last) > forgetAfter {
		r.failures = 0
	}
	r.failures++
	r.last = now
	if over := r.failures - freeFailures; over > 0 {
		r.closed = now.Add(min(maxDelay, time.Second<<min(over-1, 10)))
	}
	t.order.MoveToFront(e)
	return r.failures
}

// forget clears an address after a good login.
func (t *throttle) forget(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.byAddr[t.key(a)]; ok {
		t.remove(e)
	}
}

func (t *throttle) remove(e *list.Element) {
	t.order.Remove(e)
	delete(t.byAddr, e.Value.(*record).key)
}
