package vswitch

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Receiver is who gets a port's frames.
type Receiver interface {
	// Deliver copies the frames that it has room for, from the first on, and returns
	// how many those are; the rest is dropped. It may run on several goroutines at
	// once and must not block, nor call the switch. The frames are valid until it
	// returns.
	Deliver(batch []Frame) int
}

// PortConfig describes a port.
type PortConfig struct {
	Name string
	// MAC is the port's own address. Zero only with Uplink.
	MAC      MAC
	VLAN     VLAN
	Policy   Policy
	Features Features // what the receiver takes; SetFeatures changes it
	// Uplink says that the port leads out of the host: any address may be behind it.
	Uplink bool
	Down   bool // start with the port down
}

// Port is one port of a switch. Safe for any goroutine.
type Port struct {
	sw       *Switch
	name     string
	first    MAC // as configured
	rx       Receiver
	settings atomic.Pointer[settings]
	up       atomic.Bool
	capture  atomic.Pointer[Capture]
	counters counters

	gate   sync.RWMutex // read: a delivery is going on
	closed bool         // under gate

	learned int // under fdb.mu
}

// AddPort adds a port whose frames go to rx.
func (s *Switch) AddPort(c PortConfig, rx Receiver) (*Port, error) {
	if rx == nil {
		return nil, fmt.Errorf("%w: port %q without a receiver", ErrConfig, c.Name)
	}
	if !c.MAC.Station() && !(c.Uplink && c.MAC == MAC{}) {
		return nil, fmt.Errorf("port %q: %w: %v", c.Name, ErrMAC, c.MAC)
	}
	if err := c.VLAN.check(); err != nil {
		return nil, fmt.Errorf("port %q: %w", c.Name, err)
	}
	if err := c.Features.check(); err != nil {
		return nil, fmt.Errorf("port %q: %w", c.Name, err)
	}
	p := &Port{sw: s, name: c.Name, first: c.MAC, rx: rx}
	p.settings.Store(&settings{mac: c.MAC, vlan: c.VLAN.clone(), policy: c.Policy, features: c.Features, uplink: c.Uplink})
	p.up.Store(!c.Down)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case len(s.ports) >= s.cfg.MaxPorts:
		return nil, fmt.Errorf("%w: %d", ErrTooMany, s.cfg.MaxPorts)
	}
	for _, q := range s.ports {
		if q.name == c.Name {
			return nil, fmt.Errorf("%w: %q", ErrExists, c.Name)
		}
	}
	if err := s.free(c.MAC, p); err != nil {
		return nil, err
	}
	s.ports = append(s.ports, p)
	s.publish()
	s.forgetMAC(c.MAC)
	return p, nil
}

// free says whether an address can be p's. The caller holds mu.
func (s *Switch) free(m MAC, p *Port) error {
	for _, q := range s.ports {
		if q != p && m.Station() && (q.settings.Load().mac == m || q.first == m) {
			return fmt.Errorf("%w: %v of %q", ErrMACInUse, m, q.name)
		}
	}
	return nil
}

// forgetMAC drops what was learned of an address that is a port's own now.
func (s *Switch) forgetMAC(m MAC) {
	s.fdb.forget(func(e *fdbEntry) bool { return e.key&(1<<48-1) == m.key(0) })
}

func (v VLAN) clone() VLAN {
	if v.Trunk != nil {
		t := *v.Trunk
		v.Trunk = &t
	}
	return v
}

func (t Features) check() error {
	if (t.TSO4 || t.TSO6) && !t.CSum || t.ECN && !t.TSO4 && !t.TSO6 {
		return fmt.Errorf("%w: segmentation offload needs checksum offload", ErrConfig)
	}
	return nil
}

// Name is the port's name.
func (p *Port) Name() string { return p.name }

// Switch is the switch that the port belongs to.
func (p *Port) Switch() *Switch { return p.sw }

// MAC is the address in use: the configured one, unless SetMAC changed it.
func (p *Port) MAC() MAC { return p.settings.Load().mac }

// Up says whether the port is up.
func (p *Port) Up() bool { return p.up.Load() }

// Stats gives the port's counters.
func (p *Port) Stats() Stats {
	st := p.counters.stats()
	p.sw.fdb.mu.Lock()
	st.Learned = p.learned
	p.sw.fdb.mu.Unlock()
	return st
}

// Close removes the port. No delivery is going on when it returns, and none comes
// later; what is still sent on it is dropped. A capture ends.
func (p *Port) Close() {
	s := p.sw
	s.mu.Lock()
	for i, q := range s.ports {
		if q == p {
			s.ports = append(s.ports[:i:i], s.ports[i+1:]...)
			s.publish()
			break
		}
	}
	s.mu.Unlock()
	p.up.Store(false)
	p.gate.Lock()
	p.closed = true
	p.gate.Unlock()
	s.fdb.forget(func(e *fdbEntry) bool { return e.port == p })
	if c := p.capture.Load(); c != nil {
		c.Stop()
	}
}
