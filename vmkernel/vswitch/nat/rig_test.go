package nat

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/vmkernel/vswitch"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

var prefix = netip.MustParsePrefix("10.0.2.0/24")

func mac(n byte) vswitch.MAC { return vswitch.MAC{2, 0xba, 0x5a, 0, 1, n} }

// outside is the world beyond the gateway: names of addresses that lead to real
// sockets on this machine.
type outside struct {
	mu    sync.Mutex
	where map[string]string // network and address to address
	asked []string
}

func (o *outside) add(network, pretended, real string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.where[network+" "+pretended] = real
}

func (o *outside) dial(ctx context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	o.asked = append(o.asked, network+" "+address)
	real, ok := o.where[network+" "+address]
	o.mu.Unlock()
	if !ok {
		return nil, errors.New("nobody there")
	}
	var d net.Dialer
	return d.DialContext(ctx, network, real)
}

// rig is a switch, a gateway and the outside.
type rig struct {
	*testing.T
	sw  *vswitch.Switch
	n   *Network
	out *outside
}

func newRig(t *testing.T, edit func(c *Config)) *rig {
	sw, err := vswitch.New(vswitch.Config{Name: "nat"})
	if err != nil {
		t.Fatal(err)
	}
	link, err := sw.AddLink(vswitch.PortConfig{Name: "gateway", MAC: mac(0xfe)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, sw: sw, out: &outside{where: map[string]string{}}}
	c := Config{
		Prefix: prefix, Dial: r.out.dial, Listen: net.Listen, ListenPacket: net.ListenPacket,
		HostAddresses: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
		Resolvers: func() []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.52:53"), netip.MustParseAddrPort("192.0.2.53:53")}
		},
		Domain: "lab.example",
	}
	if edit != nil {
		edit(&c)
	}
	if r.n, err = New(c, link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.n.Close(); sw.Close() })
	return r
}

// guest is a machine with a TCP/IP of its own on a switch port.
type guest struct {
	s    *stack.Stack
	link *vswitch.Link
	e    *endpoint
	away atomic.Bool // what comes is lost
}

// guest adds a machine with a fixed address.
func (r *rig) guest(n byte, addr string) *guest {
	r.Helper()
	link, err := r.sw.AddLink(vswitch.PortConfig{Name: "vm" + string(rune('a'+n)), MAC: mac(n)})
	if err != nil {
		r.Fatal(err)
	}
	g := &guest{link: link, e: newEndpoint(link), s: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})}
	if err := g.s.CreateNIC(nic, ethernet.New(g.e)); err != nil {
		r.Fatal(err)
	}
	a := tcpip.AddrFrom4(netip.MustParseAddr(addr).As4())
	if err := g.s.AddProtocolAddress(nic, tcpip.ProtocolAddress{Protocol: header.IPv4ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: a, PrefixLen: 24}}, stack.AddressProperties{}); err != nil {
		r.Fatal(err)
	}
	g.s.SetRouteTable([]tcpip.Route{
		{Destination: tcpip.AddressWithPrefix{Address: a, PrefixLen: 24}.Subnet(), NIC: nic},
		{Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4([4]byte{10, 0, 2, 2}), NIC: nic},
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.e.receive(context.Background(), func(f []byte) {
			if !g.away.Load() {
				g.e.deliver(f)
			}
		})
	}()
	r.Cleanup(func() { link.Close(); <-ended; g.s.Destroy() })
	return g
}

func (g *guest) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to := fullAddress(netip.MustParseAddrPort(address))
	if network[:3] == "udp" {
		return gonet.DialUDP(g.s, nil, &to, header.IPv4ProtocolNumber)
	}
	return gonet.DialContextTCP(ctx, g.s, to, header.IPv4ProtocolNumber)
}

// echoTCP sends back what connections to at bring.
func (g *guest) echoTCP(t *testing.T, at netip.AddrPort) {
	t.Helper()
	l, err := gonet.ListenTCP(g.s, fullAddress(at), header.IPv4ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
}

// echo answers datagrams with what they say.
func (g *guest) echo(t *testing.T, at netip.AddrPort) {
	t.Helper()
	local := fullAddress(at)
	c, err := gonet.DialUDP(g.s, &local, nil, header.IPv4ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(b[:n], from)
		}
	}()
}
