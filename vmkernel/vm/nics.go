package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"basalt/vmkernel/host"
	vnet "basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vswitch"
)

const nicKind = "network adapter"

// network finds the switch of an adapter.
func (p *Platform) network(c host.NICConfig) (*vswitch.Switch, error) {
	if p.Switch == nil {
		return nil, fmt.Errorf("network %q: %w: this host has no networks", c.Network, host.ErrNotFound)
	}
	return p.Switch(c.Network)
}

// addNIC makes an adapter with a port of its own on its network's switch, and plugs
// it in.
// One that is unplugged has no port.
func (b *board) addNIC(p *Platform, machine string, c host.NICConfig, at place, unplugged bool) error {
	pairs := b.queues(at)
	d := &plugged{name: c.Name, kind: nicKind, slot: at.Slot, bell: at.Bell, queues: pairs}
	fail := func(err error) error {
		d.overhead.release()
		return fmt.Errorf("%s %q: %w", nicKind, c.Name, err)
	}
	sw, err := p.network(c)
	if err != nil {
		return fail(err)
	}
	mac, err := vswitch.ParseMAC(c.MAC)
	if err != nil {
		return fail(err)
	}
	if err := d.overhead.grow(p, vnet.HeapBytes(pairs, 0)); err != nil {
		return fail(err)
	}
	dev, err := vnet.New(vnet.Config{Name: nicKind + " " + c.Name, MAC: mac, MTU: sw.MTU(), Memory: b.mem,
		Pairs: pairs, PortDoorbell: at.Bell, NewBell: p.NewBell})
	if err != nil {
		return fail(err)
	}
	d.f, d.link, d.linked = dev, dev.SetLink, dev.LinkUp
	if unplugged {
		if err = b.plug(d); err != nil {
			_ = dev.Close(context.Background()) // nothing is in flight
			return fail(err)
		}
		return nil
	}
	port, err := sw.AddPort(vswitch.PortConfig{Name: machine + "/" + c.Name, MAC: mac, VLAN: vswitch.VLAN{ID: uint16(c.VLAN)}}, dev)
	if err == nil {
		dev.Plug(port)
		d.port, d.count = port, nicStats(c.Name, dev, port)
		if d.forwards, err = p.forward(c); err == nil {
			if err = b.plug(d); err == nil {
				return nil
			}
		}
		d.stopForwards()
		port.Close()
	}
	_ = dev.Close(context.Background()) // nothing is in flight
	if errors.Is(err, vswitch.ErrMACInUse) {
		err = fmt.Errorf("%w: %w", host.ErrExists, err)
	}
	return fail(err)
}

// setLink plugs the cable in or out: the guest is told, and nothing passes.
func (d *plugged) setLink(up bool) {
	if d.port == nil {
		return // of a restored machine: there is no cable
	}
	d.port.SetUp(up)
	d.link(up)
}

// AttachNIC implements host.Devices.
func (m *Machine) AttachNIC(ctx context.Context, c host.NICConfig) error {
	return m.alter(ctx, "attach a network adapter to", func(on bool) error {
		want := m.conf.Clone()
		want.NICs = append(want.NICs, c)
		if err := want.CheckDevices(); err != nil {
			return err
		}
		if _, err := m.p.network(c); err != nil {
			return &host.ConfigError{Field: "network", Err: err}
		}
		if on {
			if err := m.b.addNIC(m.p, m.conf.ID, c, m.b.hot(), false); err != nil {
				return translate(err)
			}
		}
		m.configure(func(now *host.Config) { now.NICs = want.NICs })
		m.p.event(m.conf.ID, "info", fmt.Sprintf("%s %q attached", nicKind, c.Name))
		return nil
	})
}

// dropNIC takes an adapter out of the configuration.
func (m *Machine) dropNIC(name string) error {
	i := slices.IndexFunc(m.conf.NICs, func(n host.NICConfig) bool { return n.Name == name })
	if i < 0 {
		return fmt.Errorf("%s %q of machine %q: %w", nicKind, name, m.conf.Name, host.ErrNotFound)
	}
	m.configure(func(c *host.Config) { c.NICs = slices.Delete(slices.Clone(c.NICs), i, i+1) })
	m.p.event(m.conf.ID, "info", fmt.Sprintf("%s %q detached", nicKind, name))
	return nil
}

// DetachNIC implements host.Devices.
func (m *Machine) DetachNIC(ctx context.Context, name string, force bool) error {
	return m.detach(ctx, nicKind, name, force, func() error { return m.dropNIC(name) })
}

// SetLink implements host.Devices.
func (m *Machine) SetLink(ctx context.Context, name string, up bool) error {
	return m.alter(ctx, "set the link of", func(on bool) error {
		if !on {
			return &host.StateError{Action: "set the link of", State: host.StateOff}
		}
		d := m.b.device(nicKind, name)
		if d == nil {
			return fmt.Errorf("%s %q of machine %q: %w", nicKind, name, m.conf.Name, host.ErrNotFound)
		}
		d.setLink(up)
		return nil
	})
}

// nicStats gives an adapter's counters, which its port and the device keep, to the
// machine's status.
func nicStats(name string, d *vnet.Device, p *vswitch.Port) func(*host.Status) {
	return func(s *host.Status) {
		n, own := p.Stats(), d.Stats()
		one := host.NICStats{Name: name, Link: d.LinkUp(), TxPackets: n.TxFrames, TxBytes: n.TxBytes, TxDropped: own.TxDropped,
			// The device's counters are read later and may be ahead of the port's.
			RxPackets: n.RxFrames - min(own.Dropped, n.RxFrames), RxBytes: n.RxBytes - min(own.DroppedBytes, n.RxBytes), RxDropped: own.Dropped}
		for cause, lost := range n.Drops {
			if vswitch.Drop(cause) < vswitch.DropFull {
				one.TxDropped += lost
			} else {
				one.RxDropped += lost
			}
		}
		s.NICs = append(s.NICs, one)
	}
}
