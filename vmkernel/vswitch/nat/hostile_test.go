package nat

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"basalt/vmkernel/vswitch"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// syn makes a frame with a SYN.
func syn(src vswitch.MAC, from, to netip.AddrPort) []byte {
	f := make([]byte, 54)
	gw := mac(0xfe)
	header.Ethernet(f).Encode(&header.EthernetFields{SrcAddr: tcpip.LinkAddress(src[:]), DstAddr: tcpip.LinkAddress(gw[:]), Type: header.IPv4ProtocolNumber})
	ip := header.IPv4(f[14:])
	a, b := tcpip.AddrFrom4(from.Addr().As4()), tcpip.AddrFrom4(to.Addr().As4())
	ip.Encode(&header.IPv4Fields{TotalLength: 40, TTL: 64, Protocol: 6, SrcAddr: a, DstAddr: b})
	ip.SetChecksum(^ip.CalculateChecksum())
	s := header.TCP(ip[20:])
	s.Encode(&header.TCPFields{SrcPort: from.Port(), DstPort: to.Port(), SeqNum: 1, DataOffset: 20, Flags: header.TCPFlagSyn, WindowSize: 1000})
	s.SetChecksum(^checksum.Checksum(s, header.PseudoHeaderChecksum(6, a, b, 20)))
	return f
}

// TestSYNFlood: a guest's connections are bounded, another guest is served
// meanwhile, and Close does not wait for handshakes that never end.
func TestSYNFlood(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled := make(chan struct{}, 1000)
	r := newRig(t, func(c *Config) {
		c.Limits = Limits{HalfOpen: 16}
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled <- struct{}{}
			return dial(ctx, network, address)
		}
	})
	r.out.add("tcp4", "192.0.2.10:80", l.Addr().String())
	evil, err := r.sw.AddLink(vswitch.PortConfig{Name: "evil", MAC: mac(9), Policy: vswitch.Policy{ForgedTransmits: true}})
	if err != nil {
		t.Fatal(err)
	}
	// Many addresses, one MAC: its quota is four half-open connections.
	for i := range 100 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 2, byte(100 + i%50)}), uint16(1000+i))
		evil.Send([][]byte{syn(mac(9), from, netip.MustParseAddrPort("192.0.2.10:80"))})
	}
	for range 4 {
		<-dialled
	}
	g := r.guest(1, "10.0.2.50")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := g.dial(ctx, "tcp", "192.0.2.10:80")
	if err != nil {
		t.Fatalf("the other guest: %v", err)
	}
	c.Close()
	if used, _ := r.n.half.state(); used > 5 {
		t.Errorf("%d half-open", used)
	}
	r.n.Close() // hangs if it waits for the handshakes
}

func TestConnectionQuota(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRig(t, func(c *Config) { c.Limits = Limits{PerGuest: 3, FlowsGuest: 2} })
	r.out.add("tcp4", "192.0.2.10:80", l.Addr().String())
	r.out.add("udp4", "192.0.2.10:80", "127.0.0.1:9")
	g := r.guest(1, "10.0.2.50")
	for i := range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		c, err := g.dial(ctx, "tcp", "192.0.2.10:80")
		cancel()
		if (err == nil) != (i < 3) {
			t.Errorf("connection %d: %v", i, err)
		}
		if err == nil {
			defer c.Close()
		}
	}
	for range 5 {
		c, err := g.dial(t.Context(), "udp", "192.0.2.10:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("x"))
	}
	if c, err := g.dial(t.Context(), "tcp", "10.0.2.2:1"); err == nil { // in order: the datagrams were handled
		c.Close()
	}
	if st := r.n.Stats(); st.Connections != 3 || st.ConnectionsRefused != 3 || st.FlowsRefused != 3 || st.Flows > 2 {
		t.Errorf("%+v", st)
	}
}

func TestSpoofedFrames(t *testing.T) {
	r := newRig(t, nil)
	r.n.Reserve(mac(1), addr("10.0.2.50"))
	evil, err := r.sw.AddLink(vswitch.PortConfig{Name: "evil", MAC: mac(9)})
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort("192.0.2.10:80")
	for _, from := range []string{"10.0.2.50:1", "10.0.2.2:1", "192.0.2.7:1", "127.0.0.1:1"} {
		evil.Send([][]byte{syn(mac(9), netip.MustParseAddrPort(from), to)})
	}
	v6 := syn(mac(9), netip.MustParseAddrPort("10.0.2.60:1"), to)
	v6[12], v6[13] = 0x86, 0xdd
	evil.Send([][]byte{v6})
	g := r.guest(1, "10.0.2.50")
	g.dial(t.Context(), "tcp", "10.0.2.2:1") // after those frames
	if st := r.n.Stats(); st.DroppedSource != 4 || st.DroppedKind != 1 {
		t.Errorf("%+v", st)
	}
}

// TestForwardsAreShared: one guest and its friends outside do not take the ways in from
// the others.
func TestForwardsAreShared(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = Limits{Inward: 3, InwardGuest: 2, Flows: 3, FlowsGuest: 2} })
	say := func(c net.Conn) bool {
		c.SetDeadline(time.Now().Add(time.Minute))
		b := []byte{'x'}
		_, err := c.Write(b)
		if err == nil {
			_, err = c.Read(b)
		}
		return err == nil
	}
	var ways [2]map[string]string
	for i, ip := range []string{"10.0.2.50", "10.0.2.51"} {
		g, at := r.guest(byte(1+i), ip), netip.MustParseAddrPort(ip+":22")
		g.echoTCP(t, at)
		g.echo(t, at)
		ways[i] = map[string]string{}
		for _, network := range []string{"tcp", "udp"} {
			f, err := r.n.Forward(network, "127.0.0.1:0", at)
			if err != nil {
				t.Fatal(err)
			}
			ways[i][network] = f.Addr().String()
		}
	}
	for _, network := range []string{"tcp", "udp"} {
		dial := func(guest int) net.Conn {
			c, err := net.Dial(network, ways[guest][network])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		for range 2 {
			if !say(dial(0)) {
				t.Errorf("%s: no way to the first guest", network)
			}
		}
		c := dial(0) // one too many: a datagram is lost, a connection ends
		if network == "udp" {
			c.Write([]byte{'x'})
			for used, refused := r.n.inUDP.state(); used < 3 && refused == 0; used, refused = r.n.inUDP.state() {
				runtime.Gosched() // until it has come
			}
		} else if say(c) {
			t.Error("the first guest takes more than its part")
		}
		if !say(dial(1)) {
			t.Errorf("%s: no way to the second guest", network)
		}
	}
}
