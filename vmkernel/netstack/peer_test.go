package netstack

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/drivers/netio"
	"basalt/drivers/netio/pipe"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// peer is the other host on the cable.
type peer struct {
	*Stack
	i *Interface
}

func newPeer(t testing.TB, link netio.Link, addrs ...string) *peer {
	t.Helper()
	st, err := New(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	i, err := st.AddLink(link)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if err := i.Configure(netip.MustParsePrefix(a), netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(st.Close)
	return &peer{st, i}
}

// dial connects from the peer's stack.
func (p *peer) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	proto := ipv4.ProtocolNumber
	if to.Addr().Is6() {
		proto = ipv6.ProtocolNumber
	}
	full := tcpip.FullAddress{Addr: address(to.Addr().WithZone("")), Port: to.Port()}
	if to.Addr().IsLinkLocalUnicast() {
		full.NIC = p.i.l.nic
	}
	return gonet.DialContextTCP(ctx, p.s, full, proto)
}

// client is an HTTP client on the peer's stack.
func (p *peer) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return p.dial(ctx, netip.MustParseAddrPort(addr))
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, // the test is about packets
		ForceAttemptHTTP2: true,
	}}
}

// attach gives the stack behind package net a cable.
func attach(t testing.TB, addrs ...string) (*Interface, *pipe.End) {
	t.Helper()
	a, b := pipe.New(pipe.Config{})
	i, err := host.AddLink(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	for _, s := range addrs {
		if err := i.Configure(netip.MustParsePrefix(s), netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	return i, b
}

// serve starts an HTTPS server on addr that answers with the request's body.
func serve(t testing.TB, addr string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	srv.Listener.Close()
	srv.Listener = l
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func (p *peer) post(t testing.TB, c *http.Client, to netip.AddrPort, size int) {
	t.Helper()
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i * i >> 7)
	}
	resp, err := c.Post("https://"+to.String()+"/", "x/y", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d of %d bytes, %v", len(got), size, err)
	}
}

func TestHTTPSOverLink(t *testing.T) {
	needOverlay(t)
	_, end := attach(t, "192.0.2.1/24", "2001:db8::1/64")
	p := newPeer(t, end, "192.0.2.2/24", "2001:db8::2/64")
	for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
		to := serve(t, net.JoinHostPort(a, "0"))
		c := p.client()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { p.post(t, c, to, 300_000) })
		}
		wg.Wait()
		c.CloseIdleConnections()
	}
}

// TestCutLink pulls the cable while bytes flow; TCP carries on after it is back.
func TestCutLink(t *testing.T) {
	needOverlay(t)
	_, end := attach(t, "192.0.2.1/24")
	p := newPeer(t, end, "192.0.2.2/24")
	to := serve(t, "192.0.2.1:0")
	c := p.client()
	defer c.CloseIdleConnections()
	p.post(t, c, to, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.post(t, c, to, 4<<20)
	}()
	for range 3 {
		end.SetCarrier(false)
		for range 100 {
			p.i.l.link.Stats()
		}
		end.SetCarrier(true)
	}
	<-done
}

func TestLinkGone(t *testing.T) {
	needOverlay(t)
	a, b := pipe.New(pipe.Config{})
	i, err := host.AddLink(a)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := i.Configure(netip.MustParsePrefix("192.0.2.1/24"), netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, b, "192.0.2.2/24")
	to := serve(t, "192.0.2.1:0")
	p.post(t, p.client(), to, 1000)
	a.Remove()
	i.l.wg.Wait() // both goroutines end by themselves
	if !i.Gone() {
		t.Error("the interface does not know")
	}
}

// TestGarbage throws random and mutated frames at the host, which stays usable.
func TestGarbage(t *testing.T) {
	needOverlay(t)
	_, end := attach(t, "192.0.2.1/24", "2001:db8::1/64")
	rng := rand.New(rand.NewPCG(1, 2))
	mac := host.mustMAC(t, end)
	before := host.Stats().Sockets
	for range 20_000 {
		for f := [][]byte{garbage(rng, mac)}; ; runtime.Gosched() {
			if n, err := end.Send(f); n == 1 || err != nil {
				break
			}
		}
	}
	p := newPeer(t, end, "192.0.2.2/24")
	p.post(t, p.client(), serve(t, "192.0.2.1:0"), 100_000)
	if n := host.Stats().Sockets; n > before+3 {
		t.Errorf("%d sockets", n)
	}
}

// mustMAC finds the hardware address at the other end of the cable.
func (st *Stack) mustMAC(t testing.TB, end *pipe.End) [6]byte {
	t.Helper()
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, l := range st.links {
		if l.link.MAC() != end.MAC() {
			return l.link.MAC()
		}
	}
	t.Fatal("no link")
	return [6]byte{}
}

// garbage makes a frame that gets past the first checks more often than noise.
func garbage(rng *rand.Rand, mac [6]byte) []byte {
	f := make([]byte, 14+rng.IntN(200))
	for i := range f {
		f[i] = byte(rng.Uint32())
	}
	copy(f, mac[:])
	switch rng.IntN(4) {
	case 0:
		copy(f[12:], []byte{8, 0})
		if len(f) > 34 {
			f[14] = 0x45
			f[16], f[17] = byte((len(f)-14)>>8), byte(len(f)-14)
			f[23] = []byte{1, 6, 17, 2}[rng.IntN(4)]
			copy(f[30:], []byte{192, 0, 2, 1})
			ip := header.IPv4(f[14:])
			ip.SetChecksum(0)
			ip.SetChecksum(^ip.CalculateChecksum())
		}
	case 1:
		copy(f[12:], []byte{0x86, 0xdd})
		if len(f) > 54 {
			f[14] = 0x60
			f[18], f[19] = byte((len(f)-54)>>8), byte(len(f)-54)
			f[20] = []byte{0, 6, 17, 43, 44, 58, 60}[rng.IntN(7)]
			copy(f[38:], []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
		}
	case 2:
		copy(f[12:], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, byte(rng.IntN(3))})
	}
	return f
}

// dhcpServer answers on the peer's stack.
func (p *peer) dhcpServer(t *testing.T, lease string) {
	conn, err := gonet.DialUDP(p.s, &tcpip.FullAddress{NIC: p.i.l.nic, Port: dhcpServerPort}, nil, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			msg, err := dhcpv4.FromBytes(buf[:n])
			if err != nil {
				t.Error(err)
				continue
			}
			kind := dhcpv4.MessageTypeOffer
			switch msg.MessageType() {
			case dhcpv4.MessageTypeRequest:
				kind = dhcpv4.MessageTypeAck
			case dhcpv4.MessageTypeRelease:
				continue
			}
			reply, _ := dhcpv4.NewReplyFromRequest(msg,
				dhcpv4.WithMessageType(kind), dhcpv4.WithYourIP(net.ParseIP(lease)),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 0, 2, 2))),
				dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithRouter(net.IPv4(10, 0, 2, 2)),
				dhcpv4.WithDNS(net.IPv4(10, 0, 2, 3)), dhcpv4.WithLeaseTime(3600),
				dhcpv4.WithOption(dhcpv4.OptDomainName("lab.example")))
			p.i.l.sendFrame(serverFrame(msg.ClientHWAddr, reply.ToBytes()))
		}
	}()
}

// serverFrame turns the client's framing round.
func serverFrame(mac net.HardwareAddr, payload []byte) []byte {
	f := broadcastFrame([6]byte{2, 0, 0, 0, 0, 9}, payload)
	copy(f, mac)
	ip := header.IPv4(f[14:])
	ip.SetSourceAddress(tcpip.AddrFrom4([4]byte{10, 0, 2, 2}))
	ip.SetChecksum(0)
	ip.SetChecksum(^ip.CalculateChecksum())
	udp := header.UDP(ip[20:])
	udp.SetSourcePort(dhcpServerPort)
	udp.SetDestinationPort(dhcpClientPort)
	return f
}

func TestBringUpByDHCP(t *testing.T) {
	a, b := pipe.New(pipe.Config{})
	p := newPeer(t, b, "10.0.2.2/24")
	p.dhcpServer(t, "10.0.2.15")
	var mu sync.Mutex
	files := map[string]string{}
	h, err := Bring(Config{
		Hostname: "basalt", Setting: Setting{DHCP: true}, Logf: t.Logf,
		WriteFile: func(name string, text []byte) error {
			mu.Lock()
			defer mu.Unlock()
			files[name] = string(text)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	i, err := h.Attach(a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(h.Addresses()); got != "[10.0.2.15/24]" {
		t.Errorf("addresses %s", got)
	}
	// The lease is recorded just after the address is set.
	for {
		mu.Lock()
		text := files["/etc/resolv.conf"]
		mu.Unlock()
		if text != "" {
			if text != "nameserver 10.0.2.3\nsearch lab.example\n" {
				t.Errorf("resolv.conf %q", text)
			}
			break
		}
		<-h.Changed()
	}
	if got := h.s.GetRouteTable(); !strings.Contains(fmt.Sprint(got), "via 10.0.2.2") {
		t.Errorf("routes %v", got)
	}
	h.Close()
	if got := i.Addresses(); reachable(got) {
		t.Errorf("addresses after Close %v", got)
	}
}

func TestStatic(t *testing.T) {
	h, err := Bring(Config{Setting: Setting{
		Address: netip.MustParsePrefix("192.0.2.7/24"),
		Gateway: netip.MustParseAddr("192.0.2.1"),
		DNS:     []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	a, b := pipe.New(pipe.Config{})
	if _, err := h.Attach(a); err != nil {
		t.Fatal(err)
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if dns, _ := h.DNS(); len(dns) != 2 {
		t.Errorf("name servers %v", dns)
	}
	p := newPeer(t, b, "192.0.2.1/24")
	if _, err := p.dial(t.Context(), netip.MustParseAddrPort("192.0.2.7:1")); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("dial: %v", err)
	}
}

func FuzzDHCPFrame(f *testing.F) {
	f.Add(serverFrame(net.HardwareAddr{2, 0, 0, 0, 0, 1}, []byte("hello")))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if p := dhcpReply(frame); len(p) > len(frame) {
			t.Error("longer than its frame")
		}
	})
}

func TestSocketLimit(t *testing.T) {
	st, err := New(Limits{Sockets: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var open []interface{ Release() }
	for i := range 4 {
		s, errno, ok := st.Socket(2, 1, 0)
		if !ok || (errno == 0) != (i < 3) {
			t.Errorf("socket %d: %v", i, errno)
		}
		if errno == 0 {
			open = append(open, s)
		}
	}
	for _, s := range open {
		s.Release()
		s.Release()
	}
	if st.Stats().Sockets != 0 || st.Stats().SocketsRefused != 1 {
		t.Errorf("%+v", st.Stats())
	}
}
