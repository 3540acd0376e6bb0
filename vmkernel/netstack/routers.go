package netstack

import (
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// maxNameservers bounds what is kept from router advertisements, per interface.
const maxNameservers = 3

// routers follows router advertisements: netstack makes the addresses itself, the
// routes and name servers are ours. Its methods are called with netstack's locks
// held and must not call the stack, so they leave changes to a goroutine, which is
// there while there are any and makes them in their order.
type routers struct {
	st *Stack

	mu      sync.Mutex
	changes []routeChange
	busy    bool // the goroutine runs
}

type routeChange struct {
	route tcpip.Route
	add   bool
}

var _ ipv6.NDPDispatcher = (*routers)(nil)

func (r *routers) OnDuplicateAddressDetectionResult(tcpip.NICID, tcpip.Address, stack.DADResult) {}

func (r *routers) OnOffLinkRouteUpdated(nic tcpip.NICID, dst tcpip.Subnet, router tcpip.Address, _ header.NDPRoutePreference) {
	r.change(tcpip.Route{Destination: dst, Gateway: router, NIC: nic}, true)
}

func (r *routers) OnOffLinkRouteInvalidated(nic tcpip.NICID, dst tcpip.Subnet, router tcpip.Address) {
	r.change(tcpip.Route{Destination: dst, Gateway: router, NIC: nic}, false)
}

func (r *routers) OnOnLinkPrefixDiscovered(nic tcpip.NICID, dst tcpip.Subnet) {
	r.change(tcpip.Route{Destination: dst, NIC: nic}, true)
}

func (r *routers) OnOnLinkPrefixInvalidated(nic tcpip.NICID, dst tcpip.Subnet) {
	r.change(tcpip.Route{Destination: dst, NIC: nic}, false)
}

func (r *routers) change(route tcpip.Route, add bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, routeChange{route, add})
	if !r.busy {
		r.busy = true
		go r.work()
	}
}

func (r *routers) work() {
	for {
		r.mu.Lock()
		changes := r.changes
		r.changes = nil
		r.busy = len(changes) > 0
		r.mu.Unlock()
		if len(changes) == 0 {
			return
		}
		for _, c := range changes {
			r.replace(c.route, c.add)
		}
	}
}

// replace removes the route if it is there and adds it if asked to.
func (r *routers) replace(route tcpip.Route, add bool) {
	r.st.s.RemoveRoutes(func(o tcpip.Route) bool {
		return o.NIC == route.NIC && o.Destination == route.Destination && o.Gateway == route.Gateway
	})
	if add {
		r.st.s.AddRoute(route)
	}
}

func (r *routers) OnAutoGenAddress(tcpip.NICID, tcpip.AddressWithPrefix) stack.AddressDispatcher {
	return nil
}

func (r *routers) OnAutoGenAddressDeprecated(tcpip.NICID, tcpip.AddressWithPrefix) {}

func (r *routers) OnAutoGenAddressInvalidated(tcpip.NICID, tcpip.AddressWithPrefix) {}

func (r *routers) OnRecursiveDNSServerOption(nic tcpip.NICID, servers []tcpip.Address, life time.Duration) {
	var list []netip.Addr
	for _, s := range servers {
		if a := netAddr(s); life > 0 && len(list) < maxNameservers && !a.IsLinkLocalUnicast() {
			list = append(list, a)
		}
	}
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	if r.st.nameservers == nil {
		r.st.nameservers = map[tcpip.NICID][]netip.Addr{}
	}
	r.st.nameservers[nic] = list
}

func (r *routers) OnDNSSearchListOption(tcpip.NICID, []string, time.Duration) {}

func (r *routers) OnDHCPv6Configuration(tcpip.NICID, ipv6.DHCPv6ConfigurationFromNDPRA) {}
