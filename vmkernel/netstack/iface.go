package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Interface is one link of the stack and its addresses.
type Interface struct {
	st *Stack
	l  *linkEndpoint
}

// Name is the link's name.
func (i *Interface) Name() string { return i.l.link.Name() }

// Configure gives the interface an address and a default gateway (either may be
// invalid, then it is left out).
func (i *Interface) Configure(p netip.Prefix, gateway netip.Addr) error {
	if p.IsValid() {
		if err := i.st.addAddress(i.l.nic, p); err != nil {
			return err
		}
		i.st.s.AddRoute(tcpip.Route{Destination: subnet(p), NIC: i.l.nic})
	}
	if gateway.IsValid() {
		i.st.s.AddRoute(tcpip.Route{Destination: defaultRoute(gateway), Gateway: address(gateway), NIC: i.l.nic})
	}
	return nil
}

// Deconfigure takes back what Configure did.
func (i *Interface) Deconfigure(p netip.Prefix, gateway netip.Addr) {
	i.st.s.RemoveRoutes(func(r tcpip.Route) bool {
		if r.NIC != i.l.nic {
			return false
		}
		return gateway.IsValid() && r.Gateway == address(gateway) && r.Destination == defaultRoute(gateway) ||
			p.IsValid() && r.Gateway.Len() == 0 && r.Destination == subnet(p)
	})
	if p.IsValid() {
		i.st.removeAddress(i.l.nic, p.Addr())
	}
}

func defaultRoute(gateway netip.Addr) tcpip.Subnet {
	if gateway.Is4() {
		return header.IPv4EmptySubnet
	}
	return header.IPv6EmptySubnet
}

// Addresses lists the interface's addresses, those from router advertisements and
// link-local ones included.
func (i *Interface) Addresses() []netip.Prefix {
	var list []netip.Prefix
	for _, a := range i.st.s.AllAddresses()[i.l.nic] {
		n := netAddr(a.AddressWithPrefix.Address)
		list = append(list, netip.PrefixFrom(n, a.AddressWithPrefix.PrefixLen))
	}
	return list
}

// Tap shows each received frame to f before the stack; f says whether it keeps
// the frame from the stack. It must not hold on to the frame. nil removes it.
func (i *Interface) Tap(f func(frame []byte) bool) {
	i.l.mu.Lock()
	defer i.l.mu.Unlock()
	i.l.tap = f
}

// Gone says that the hardware behind the link disappeared.
func (i *Interface) Gone() bool { return i.l.gone.Load() }

// Close removes the interface and closes its link.
func (i *Interface) Close() {
	i.st.mu.Lock()
	delete(i.st.links, i.l.nic)
	delete(i.st.nameservers, i.l.nic)
	i.st.mu.Unlock()
	i.st.s.RemoveRoutes(func(r tcpip.Route) bool { return r.NIC == i.l.nic })
	i.st.s.RemoveNIC(i.l.nic)
	i.l.stop()
}
