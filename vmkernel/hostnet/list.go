package hostnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
	"basalt/vmkernel/vswitch/nat"
)

var _ host.Networks = (*Networks)(nil)

// now gives the switches and the NAT network, nil if it was not made yet.
func (n *Networks) now() (switches []*vswitch.Switch, natSwitch *vswitch.Switch, gw *nat.Network) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.switches), n.nat, n.gateway
}

// List implements host.Networks. It does not make the NAT network.
func (n *Networks) List() []host.Network {
	switches, sw, gw := n.now()
	list := []host.Network{natView(sw, gw)}
	for _, s := range switches {
		list = append(list, view(s, host.KindSwitch))
	}
	return list
}

// Get implements host.Networks.
func (n *Networks) Get(name string) (host.Network, error) {
	switches, sw, gw := n.now()
	if name == host.NetworkNAT {
		return natView(sw, gw), nil
	}
	for _, s := range switches {
		if s.Name() == name {
			return view(s, host.KindSwitch), nil
		}
	}
	return host.Network{}, n.unknown(name)
}

func (n *Networks) unknown(name string) error {
	return fmt.Errorf("network %q: %w, there are %s", name, host.ErrNotFound, strings.Join(n.Names(), ", "))
}

// Address implements host.Networks.
func (n *Networks) Address(mac string) (netip.Addr, bool) {
	_, _, gw := n.now()
	m, err := vswitch.ParseMAC(mac)
	if gw == nil || err != nil {
		return netip.Addr{}, false
	}
	return gw.Address(m)
}

func natView(s *vswitch.Switch, gw *nat.Network) host.Network {
	if s == nil {
		return host.Network{Name: host.NetworkNAT, Kind: host.KindNAT, MTU: 1500}
	}
	v := view(s, host.KindNAT)
	v.Gateway = gw.Gateway()
	for _, l := range gw.Leases() {
		v.Leases = append(v.Leases, host.Lease{MAC: vswitch.MAC(l.MAC).String(), Address: l.Address, Until: l.Until, Reserved: l.Reserved})
	}
	for _, f := range gw.Forwards() {
		v.Forwards = append(v.Forwards, host.ActiveForward{Protocol: f.Protocol(), HostPort: portOf(f), Guest: f.Guest()})
	}
	slices.SortFunc(v.Forwards, func(a, b host.ActiveForward) int {
		if a.HostPort != b.HostPort {
			return a.HostPort - b.HostPort
		}
		return strings.Compare(a.Protocol, b.Protocol)
	})
	return v
}

func portOf(f *nat.Forward) int {
	a, _ := netip.ParseAddrPort(f.Addr().String())
	return int(a.Port())
}

// view is a switch and its ports.
func view(s *vswitch.Switch, kind string) host.Network {
	v := host.Network{Name: s.Name(), Kind: kind, MTU: s.MTU()}
	for _, p := range s.Ports() {
		st := p.Stats()
		o := host.NetPort{Name: p.Name(), Up: p.Up(), RxPackets: st.RxFrames, TxPackets: st.TxFrames,
			RxBytes: st.RxBytes, TxBytes: st.TxBytes, Learned: st.Learned}
		if m := p.MAC(); m.Station() {
			o.MAC = m.String()
		}
		for cause, k := range st.Drops {
			if k > 0 {
				o.Drops = append(o.Drops, host.Drops{Cause: vswitch.Drop(cause).String(), Count: k})
			}
		}
		v.Ports = append(v.Ports, o)
	}
	return v
}
