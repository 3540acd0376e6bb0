package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// firstLease is the offset of the first address that DHCP gives out, as slirp has
// it; small prefixes begin after the gateway's addresses anyway.
const firstLease = 15

// Times of the lease table.
const (
	offerTime   = time.Minute      // an offer that nobody takes
	declineTime = 10 * time.Minute // an address that a client found in use
)

// maxDeclined is how many addresses one client can take out of use at a time: more are
// a flood, which would leave none for the others.
const maxDeclined = 4

// lease is one address's state.
type lease struct {
	mac      guestID // zero: nobody, or declined
	declined guestID // by whom
	until    time.Time
	reserved bool // by Reserve: for this MAC for ever
	bound    bool // acknowledged, not only offered
}

// Lease is an address in use, for the inventory.
type Lease struct {
	MAC      [6]byte
	Address  netip.Addr
	Until    time.Time // zero: reserved, and no client has asked for it
	Reserved bool
}

// leases are the addresses of a prefix and who has them: at most one for a MAC.
type leases struct {
	mu     sync.Mutex
	prefix netip.Prefix
	skip   map[netip.Addr]bool
	now    func() time.Time
	byIP   map[netip.Addr]*lease
	byMAC  map[guestID]netip.Addr
	seen   map[netip.Addr]guestID // who sent from an address last
}

func newLeases(c *Config) *leases {
	return &leases{
		prefix: c.Prefix, now: c.Now, skip: map[netip.Addr]bool{c.Gateway: true, c.DNS: true},
		byIP: map[netip.Addr]*lease{}, byMAC: map[guestID]netip.Addr{}, seen: map[netip.Addr]guestID{},
	}
}

// usable says whether a guest may have the address.
func (l *leases) usable(a netip.Addr) bool {
	return l.prefix.Contains(a) && a != l.prefix.Addr() && a != lastOf(l.prefix) && !l.skip[a]
}

// Reserve keeps an address for a MAC.
func (l *leases) reserve(m guestID, a netip.Addr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.usable(a) || m == (guestID{}) || m[0]&1 != 0 {
		return fmt.Errorf("%w: reservation of %v", ErrConfig, a)
	}
	if e := l.byIP[a]; e != nil && e.mac != m && (e.reserved || l.now().Before(e.until)) {
		return fmt.Errorf("%w: %v is in use", ErrConfig, a)
	}
	l.assign(m, a, l.now())
	l.byIP[a].reserved = true
	return nil
}

// assign gives an address to a MAC, which loses the one it had. A reservation of it
// stays. The caller holds mu.
func (l *leases) assign(m guestID, a netip.Addr, until time.Time) {
	if old, ok := l.byMAC[m]; ok && old != a {
		delete(l.byIP, old)
	}
	e := l.byIP[a]
	if e == nil {
		e = &lease{}
		l.byIP[a] = e
	}
	if e.mac != m {
		delete(l.byMAC, e.mac)
		*e = lease{mac: m}
	}
	e.until = until
	l.byMAC[m] = a
}

// offer finds an address for a MAC: its own, the one it asks for, or the first free
// one. ok false means that all are taken.
func (l *leases) offer(m guestID, want netip.Addr) (netip.Addr, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	a, ok := l.byMAC[m]
	if !ok {
		a, ok = want, l.usable(want) && l.free(want, now)
	}
	if !ok {
		if a, ok = l.pick(now); !ok {
			return netip.Addr{}, false
		}
	}
	until := now.Add(offerTime)
	if e := l.byIP[a]; e != nil && e.mac == m && e.until.After(until) {
		until = e.until
	}
	l.assign(m, a, until)
	return a, true
}

// pick finds an address for a MAC that has none: one that nobody had yet, so that a
// client which was away finds its own again (RFC 2131 section 4.3.1), or else one
// whose lease is over. It begins at firstLease and comes round. The caller holds mu.
func (l *leases) pick(now time.Time) (over netip.Addr, ok bool) {
	size := uint32(1) << (32 - l.prefix.Bits())
	for n := range size {
		a := offset(l.prefix, (n+firstLease)%size)
		if !l.usable(a) || !l.free(a, now) {
			continue
		}
		if l.byIP[a] == nil {
			return a, true
		}
		if !ok {
			over, ok = a, true
		}
	}
	return over, ok
}

// hold reserves the address that a MAC has, or one that pick finds.
func (l *leases) hold(m guestID) (netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m == (guestID{}) || m[0]&1 != 0 {
		return netip.Addr{}, fmt.Errorf("%w: an address for %x", ErrConfig, m)
	}
	now := l.now()
	a, ok := l.byMAC[m]
	if !ok {
		if a, ok = l.pick(now); !ok {
			return netip.Addr{}, ErrFull
		}
		l.assign(m, a, now)
	}
	l.byIP[a].reserved = true
	return a, nil
}

// drop ends a reservation. The MAC keeps the address until its lease is over and
// somebody else needs it.
func (l *leases) drop(m guestID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := l.byMAC[m]; ok {
		l.byIP[a].reserved = false
	}
}

// address is what a MAC has now.
func (l *leases) address(m guestID) (netip.Addr, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.byMAC[m]
	if !ok {
		return netip.Addr{}, false
	}
	e := l.byIP[a]
	return a, e.reserved || e.bound && l.now().Before(e.until)
}

func (l *leases) free(a netip.Addr, now time.Time) bool {
	e := l.byIP[a]
	return e == nil || !e.reserved && !now.Before(e.until)
}

// bind makes the lease of an address that was offered, or had before; false means
// that the MAC cannot have it.
func (l *leases) bind(m guestID, a netip.Addr, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if cur, ok := l.byMAC[m]; !ok || cur != a {
		// After a restart of the host its clients come back with what they had.
		if ok || !l.usable(a) || !l.free(a, now) {
			return false
		}
	}
	l.assign(m, a, now.Add(d))
	l.byIP[a].bound = true
	return true
}

// release ends a MAC's lease; the record stays until somebody else needs it.
func (l *leases) release(m guestID, a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byMAC[m] == a && l.byIP[a] != nil {
		l.byIP[a].until, l.byIP[a].bound = l.now(), false
	}
}

// decline takes an address out of use for a while, if this client has not done so with
// maxDeclined others.
func (l *leases) decline(m guestID, a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byIP[a]; l.byMAC[m] == a && e != nil && !e.reserved {
		now, n := l.now(), 0
		for _, o := range l.byIP {
			if o.declined == m && now.Before(o.until) {
				n++
			}
		}
		delete(l.byMAC, m)
		if *e = (lease{until: now}); n < maxDeclined {
			*e = lease{declined: m, until: now.Add(declineTime)}
		}
	}
}

// admit notes that a MAC sends from an address; false means that it must not,
// because the address is another's or none of this network.
func (l *leases) admit(m guestID, a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.usable(a) {
		return false
	}
	if e := l.byIP[a]; e != nil && e.mac != m && e.mac != (guestID{}) && (e.reserved || e.bound && l.now().Before(e.until)) {
		return false
	}
	l.seen[a] = m
	return true
}

// owner is who sent from an address last.
func (l *leases) owner(a netip.Addr) guestID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[a]
}

// list gives the leases that are in force, and reservations, by address.
func (l *leases) list() []Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Lease
	for a, e := range l.byIP {
		switch {
		case e.bound && l.now().Before(e.until):
			list = append(list, Lease{e.mac, a, e.until, e.reserved})
		case e.reserved:
			list = append(list, Lease{MAC: e.mac, Address: a, Reserved: true})
		}
	}
	slices.SortFunc(list, func(x, y Lease) int { return x.Address.Compare(y.Address) })
	return list
}
