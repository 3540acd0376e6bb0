package vswitch

import "fmt"

// change publishes changed settings.
func (p *Port) change(f func(s *settings) error) error {
	p.sw.mu.Lock()
	defer p.sw.mu.Unlock()
	s := *p.settings.Load()
	if err := f(&s); err != nil {
		return err
	}
	p.settings.Store(&s)
	for _, q := range p.sw.ports {
		if q == p {
			p.sw.publish()
		}
	}
	return nil
}

// SetUp takes the port up or down. While it is down nothing goes in or out, and
// what was learned behind it is forgotten.
func (p *Port) SetUp(up bool) {
	p.gate.RLock()
	p.up.Store(up && !p.closed)
	p.gate.RUnlock()
	if !up {
		p.sw.fdb.forget(func(e *fdbEntry) bool { return e.port == p })
	}
}

// SetVLAN moves the port to other networks.
func (p *Port) SetVLAN(v VLAN) error {
	if err := v.check(); err != nil {
		return err
	}
	err := p.change(func(s *settings) error { s.vlan = v.clone(); return nil })
	p.sw.fdb.forget(func(e *fdbEntry) bool { return e.port == p && !v.member(uint16(e.key>>48)) })
	return err
}

// SetPolicy changes the port's security. Where it no longer accepts MAC changes,
// the configured address comes back; where it no longer accepts forged transmits,
// what was learned behind it is forgotten.
func (p *Port) SetPolicy(c Policy) error {
	err := p.change(func(s *settings) error {
		s.policy = c
		if !c.MACChanges {
			s.mac = p.first
		}
		return nil
	})
	if !c.ForgedTransmits {
		p.sw.fdb.forget(func(e *fdbEntry) bool { return e.port == p && !p.settings.Load().uplink })
	}
	return err
}

// SetFeatures says what the receiver takes from now on, in batches that are not
// yet under way.
func (p *Port) SetFeatures(t Features) error {
	if err := t.check(); err != nil {
		return err
	}
	return p.change(func(s *settings) error { s.features = t; return nil })
}

// SetFilter says what the port's owner wants to receive; nil is everything that
// the policy allows.
func (p *Port) SetFilter(f *Filter) error {
	if f != nil {
		c := *f
		c.Unicast = append([]MAC(nil), c.Unicast[:min(len(c.Unicast), MaxFilter+1)]...)
		c.Multicast = append([]MAC(nil), c.Multicast[:min(len(c.Multicast), MaxFilter+1)]...)
		if c.VLANs != nil {
			v := *c.VLANs
			c.VLANs = &v
		}
		f = &c
	}
	return p.change(func(s *settings) error { s.filter = f; return nil })
}

// SetMAC is the owner changing its address. ErrPolicy unless the policy accepts
// MAC changes or it is the configured address.
func (p *Port) SetMAC(m MAC) error {
	if !m.Station() {
		return fmt.Errorf("%w: %v", ErrMAC, m)
	}
	err := p.change(func(s *settings) error {
		if m != p.first && !s.policy.MACChanges {
			return fmt.Errorf("%w: MAC change to %v", ErrPolicy, m)
		}
		if err := p.sw.free(m, p); err != nil {
			return err
		}
		s.mac = m
		return nil
	})
	if err == nil {
		p.sw.forgetMAC(m)
	}
	return err
}
