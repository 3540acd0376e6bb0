package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Limits bound what the network can make the host spend. Zero fields take the
// defaults of DefaultLimits.
type Limits struct {
	Sockets   int // open sockets, accepted connections included
	Backlog   int // connections that wait for Accept on one listener
	RxBuffer  int // default receive buffer of a socket in bytes; MaxBuffer bounds growth
	TxBuffer  int // default send buffer in bytes
	MaxBuffer int // largest buffer in bytes
	LinkQueue int // frames that wait for a link
	Closing   int // closed connections whose peer has not closed yet
}

// DefaultLimits hold a socket that nobody reads or drains to 128 KiB, and one that
// moves data fast to 1 MiB.
var DefaultLimits = Limits{
	Sockets:   4096,
	Backlog:   1024,
	RxBuffer:  64 << 10,
	TxBuffer:  64 << 10,
	MaxBuffer: 512 << 10,
	LinkQueue: 512,
	Closing:   256,
}

func (l *Limits) fill() {
	d := DefaultLimits
	for _, f := range []struct {
		have *int
		want int
	}{{&l.Sockets, d.Sockets}, {&l.Backlog, d.Backlog}, {&l.RxBuffer, d.RxBuffer}, {&l.TxBuffer, d.TxBuffer}, {&l.MaxBuffer, d.MaxBuffer}, {&l.LinkQueue, d.LinkQueue}, {&l.Closing, d.Closing}} {
		if *f.have <= 0 {
			*f.have = f.want
		}
	}
}

// errStack wraps what netstack says when it is set up.
var errStack = errors.New("netstack: set-up failed")

func check(what string, err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", errStack, what, err)
}

// loopbackNIC is the number of the loopback interface; links count from 2.
const loopbackNIC = 1

// Stack is one TCP/IP host.
type Stack struct {
	s       *stack.Stack
	limits  Limits
	sockets atomic.Int64 // open sockets
	refused atomic.Uint64
	closing closing

	mu          sync.Mutex
	links       map[tcpip.NICID]*linkEndpoint
	nextNIC     tcpip.NICID
	nameservers map[tcpip.NICID][]netip.Addr // from router advertisements
}

// New makes a stack with the loopback interface, 127.0.0.1 and ::1.
func New(limits Limits) (*Stack, error) {
	limits.fill()
	st := &Stack{limits: limits, closing: closing{ring: make([]tcpip.Endpoint, limits.Closing)}, links: map[tcpip.NICID]*linkEndpoint{}, nextNIC: loopbackNIC + 1}
	st.s = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			ipv6.NewProtocolWithOptions(ipv6.Options{
				AutoGenLinkLocal: true,
				NDPConfigs:       ndpConfig(),
				NDPDisp:          &routers{st: st},
			}),
			arp.NewProtocol,
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		HandleLocal: true,
	})
	if err := st.tune(); err != nil {
		return nil, err
	}
	if err := check("loopback", st.s.CreateNICWithOptions(loopbackNIC, loopback.New(), stack.NICOptions{Name: "lo"})); err != nil {
		return nil, err
	}
	for _, p := range []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")} {
		if err := st.addAddress(loopbackNIC, p); err != nil {
			return nil, err
		}
		st.s.AddRoute(tcpip.Route{Destination: subnet(p), NIC: loopbackNIC})
	}
	return st, nil
}

// ndpConfig follows RFC 4861 and RFC 4862; temporary addresses make no sense for
// a server.
func ndpConfig() ipv6.NDPConfigurations {
	c := ipv6.DefaultNDPConfigurations()
	c.HandleRAs = ipv6.HandlingRAsEnabledWhenForwardingDisabled
	c.AutoGenTempGlobalAddresses = false
	return c
}

// tune sets the limits and the options that a server wants.
func (st *Stack) tune() error {
	rx := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: st.limits.RxBuffer, Max: st.limits.MaxBuffer}
	tx := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: st.limits.TxBuffer, Max: st.limits.MaxBuffer}
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	// RACK's timers cost more than they give on a LAN.
	recovery := tcpip.TCPRecovery(0)
	timeWait := tcpip.TCPTimeWaitTimeoutOption(10 * time.Second)
	for _, o := range []tcpip.SettableTransportProtocolOption{&rx, &tx, &sack, &moderate, &recovery, &timeWait} {
		if err := check("TCP options", st.s.SetTransportProtocolOption(tcp.ProtocolNumber, o)); err != nil {
			return err
		}
	}
	bounds := tcpip.ReceiveBufferSizeOption{Min: 4 << 10, Default: st.limits.RxBuffer, Max: st.limits.MaxBuffer}
	if err := check("receive buffers", st.s.SetOption(bounds)); err != nil {
		return err
	}
	return check("send buffers", st.s.SetOption(tcpip.SendBufferSizeOption{Min: 4 << 10, Default: st.limits.TxBuffer, Max: st.limits.MaxBuffer}))
}

// Close ends all connections and detaches the links, which it closes.
func (st *Stack) Close() {
	st.mu.Lock()
	links := st.links
	st.links = map[tcpip.NICID]*linkEndpoint{}
	st.mu.Unlock()
	for _, l := range links {
		l.stop()
	}
	st.s.Destroy()
}

func (st *Stack) addAddress(nic tcpip.NICID, p netip.Prefix) error {
	return check("add address "+p.String(), st.s.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          protocolOf(p.Addr()),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()},
	}, stack.AddressProperties{}))
}

func (st *Stack) removeAddress(nic tcpip.NICID, a netip.Addr) {
	st.s.RemoveAddress(nic, address(a)) // an address that is gone already is what was wanted
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

func address(a netip.Addr) tcpip.Address {
	if a.Is4() {
		return tcpip.AddrFrom4(a.As4())
	}
	return tcpip.AddrFrom16(a.As16())
}

func netAddr(a tcpip.Address) netip.Addr {
	n, _ := netip.AddrFromSlice(a.AsSlice())
	return n
}

func subnet(p netip.Prefix) tcpip.Subnet {
	return tcpip.AddressWithPrefix{Address: address(p.Masked().Addr()), PrefixLen: p.Bits()}.Subnet()
}
