package nat

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"basalt/drivers/netio"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// nic is the only interface of the gateway's stack.
const nic = 1

// Network is one network behind a gateway. Safe for any goroutine.
type Network struct {
	c      Config
	s      *stack.Stack
	e      *endpoint
	leases *leases
	dhcp   dhcpServer

	tcp, half, inward, udp, inUDP, dns *quota
	closing                            closing

	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	closed   bool
	forwards map[*Forward]struct{}
	open     map[closer]struct{} // connections to end with the network
	wg       sync.WaitGroup

	judged [verdicts]atomic.Uint64
	denied atomic.Uint64
}

type closer interface{ Close() error }

// Stats count since New.
type Stats struct {
	Connections, Inward, Flows, Leases        int    // now
	ConnectionsRefused, FlowsRefused, Queries uint64 // Queries: refused for the quota
	Denied                                    uint64 // destinations that policy refused
	DroppedKind, DroppedSource, DroppedICMP   uint64 // frames; see the filter
	Lost                                      uint64 // frames that the link did not take
}

// New makes the network and starts its gateway on link, which it owns from now on.
// The link's Send must not block (vswitch.Link).
func New(c Config, link netio.Link) (*Network, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	l := &c.Limits
	n := &Network{
		c: c, e: newEndpoint(link), leases: newLeases(&c),
		tcp: newQuota(l.Connections, l.PerGuest), half: newQuota(l.HalfOpen, max(l.HalfOpen/4, 1)),
		inward: newQuota(l.Inward, l.InwardGuest), udp: newQuota(l.Flows, l.FlowsGuest), inUDP: newQuota(l.Flows, l.FlowsGuest),
		dns: newQuota(l.Queries, max(l.Queries/4, 1)), forwards: map[*Forward]struct{}{}, open: map[closer]struct{}{},
	}
	n.dhcp = dhcpServer{&n.c, n.leases}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if err := n.setUp(); err != nil {
		n.cancel()
		return nil, err
	}
	n.wg.Go(func() { n.e.receive(n.ctx, n.frame) })
	return n, nil
}

// setUp makes the gateway's stack.
func (n *Network) setUp() error {
	n.s = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	max := n.c.Limits.MaxBuffer
	rx := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: min(64<<10, max), Max: max}
	tx := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: min(64<<10, max), Max: max}
	sack, recovery, wait, linger := tcpip.TCPSACKEnabled(true), tcpip.TCPRecovery(0), tcpip.TCPTimeWaitTimeoutOption(5*time.Second), tcpip.TCPLingerTimeoutOption(10*time.Second)
	rto, retries := tcpip.TCPMaxRTOOption(maxRTO), tcpip.TCPMaxRetriesOption(1<<31)
	for _, o := range []tcpip.SettableTransportProtocolOption{&rx, &tx, &sack, &recovery, &wait, &linger, &rto, &retries} {
		if err := n.s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("nat: TCP options: %s", err)
		}
	}
	// For the sockets of UDP flows.
	for _, o := range []any{
		tcpip.ReceiveBufferSizeOption{Min: 4 << 10, Default: 64 << 10, Max: max},
		tcpip.SendBufferSizeOption{Min: 4 << 10, Default: 64 << 10, Max: max},
	} {
		if err := n.s.SetOption(o); err != nil {
			return fmt.Errorf("nat: buffers: %s", err)
		}
	}
	if err := n.s.CreateNICWithOptions(nic, ethernet.New(n.e), stack.NICOptions{Name: n.e.link.Name()}); err != nil {
		return fmt.Errorf("nat: interface: %s", err)
	}
	for _, a := range []netip.Addr{n.c.Gateway, n.c.DNS} {
		if err := n.s.AddProtocolAddress(nic, tcpip.ProtocolAddress{
			Protocol:          header.IPv4ProtocolNumber,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(a.As4()), PrefixLen: n.c.Prefix.Bits()},
		}, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("nat: address %v: %s", a, err)
		}
	}
	net := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(n.c.Prefix.Addr().As4()), PrefixLen: n.c.Prefix.Bits()}.Subnet()
	n.s.SetRouteTable([]tcpip.Route{{Destination: net, NIC: nic}})
	// The stack takes packets for any destination and answers in its name.
	if err := n.s.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("nat: promiscuous mode: %s", err)
	}
	if err := n.s.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("nat: spoofing: %s", err)
	}
	t := tcp.NewForwarder(n.s, 0, n.c.Limits.HalfOpen, n.acceptTCP)
	n.s.SetTransportProtocolHandler(tcp.ProtocolNumber, t.HandlePacket)
	u := udp.NewForwarder(n.s, n.acceptUDP)
	n.s.SetTransportProtocolHandler(udp.ProtocolNumber, u.HandlePacket)
	return nil
}

// frame handles one frame from the switch.
func (n *Network) frame(f []byte) {
	v, payload := n.filter(f)
	n.judged[v].Add(1)
	switch v {
	case toStack:
		n.e.deliver(f)
	case toDHCP:
		m := guestID(f[6:12])
		if r := n.dhcp.answer(m, payload); r != nil {
			n.e.send(dhcpFrame(n.e.link.MAC(), m, n.c.Gateway, r))
		}
	}
}

// Reserve keeps an address for a MAC, as port forwards need it.
func (n *Network) Reserve(mac [6]byte, a netip.Addr) error { return n.leases.reserve(mac, a) }

// Hold reserves the address that a MAC has now, or a free one if it has none, until
// Drop. Errors: ErrConfig, ErrFull.
func (n *Network) Hold(mac [6]byte) (netip.Addr, error) { return n.leases.hold(mac) }

// Drop ends a reservation by Hold or Reserve. Nobody else gets the address while
// there are others that nobody had.
func (n *Network) Drop(mac [6]byte) { n.leases.drop(mac) }

// Address is what a MAC has now: leased or reserved.
func (n *Network) Address(mac [6]byte) (netip.Addr, bool) { return n.leases.address(mac) }

// Forwards lists the port forwards that are open, in no order.
func (n *Network) Forwards() []*Forward {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.forwards))
}

// Leases lists the leases that are in force and the reservations, by address.
func (n *Network) Leases() []Lease { return n.leases.list() }

// Gateway is the gateway's address in its prefix.
func (n *Network) Gateway() netip.Prefix { return netip.PrefixFrom(n.c.Gateway, n.c.Prefix.Bits()) }

// Stats gives the counters.
func (n *Network) Stats() Stats {
	var s Stats
	s.Connections, s.ConnectionsRefused = n.tcp.state()
	_, half := n.half.state()
	s.ConnectionsRefused += half
	s.Inward, _ = n.inward.state()
	out, refused := n.udp.state()
	in, refusedIn := n.inUDP.state()
	s.Flows, s.FlowsRefused = out+in, refused+refusedIn
	_, s.Queries = n.dns.state()
	s.Leases = len(n.leases.list())
	s.Denied = n.denied.Load()
	s.DroppedKind, s.DroppedSource, s.DroppedICMP = n.judged[dropKind].Load(), n.judged[dropSource].Load(), n.judged[dropICMP].Load()
	s.Lost = n.e.lost.Load()
	return s
}

// Close ends all connections and forwards and closes the link.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	forwards, open := n.forwards, n.open
	n.forwards, n.open = map[*Forward]struct{}{}, map[closer]struct{}{}
	n.mu.Unlock()
	n.cancel()
	for f := range forwards {
		f.Close()
	}
	for c := range open {
		c.Close()
	}
	n.e.link.Close()
	n.closing.flush()
	n.s.Close() // ends handshakes that are waited for
	n.wg.Wait()
	n.s.Destroy()
}

// keep notes a connection that Close has to end; false means that it is too late.
func (n *Network) keep(c closer) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.open[c] = struct{}{}
	return true
}

func (n *Network) forget(c closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, c)
}

// spawn runs f unless the network is closed.
func (n *Network) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.wg.Go(f)
	return true
}
