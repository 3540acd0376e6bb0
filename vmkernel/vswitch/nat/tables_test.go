package nat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		dst       string
		allowHost bool
		want      string // empty: refused
	}{
		{"192.0.2.10:80", false, "192.0.2.10:80"},
		{"10.0.3.1:80", false, "10.0.3.1:80"},
		{"192.0.2.1:443", false, ""}, // the host
		{"192.0.2.1:443", true, "192.0.2.1:443"},
		{"10.0.2.2:443", false, ""},
		{"10.0.2.2:443", true, "127.0.0.1:443"},
		{"10.0.2.3:443", true, ""},
		{"10.0.2.77:22", true, ""},
		{"10.0.2.255:22", true, ""},
		{"127.0.0.1:443", true, ""},
		{"127.9.9.9:443", true, ""},
		{"0.0.0.0:443", true, ""},
		{"169.254.169.254:80", true, ""},
		{"224.0.0.251:5353", true, ""},
		{"255.255.255.255:67", true, ""},
		{"198.51.100.7:80", true, ""}, // denied by the configuration
		{"192.0.2.10:0", true, ""},
		{"[2001:db8::1]:80", true, ""},
		{"[::ffff:127.0.0.1]:80", true, ""},
	} {
		n := &Config{Prefix: prefix, Gateway: addr("10.0.2.2"), DNS: addr("10.0.2.3"), AllowHost: c.allowHost,
			Deny:          []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
			HostAddresses: func() []netip.Addr { return []netip.Addr{addr("::ffff:192.0.2.1"), addr("2001:db8::5")} }}
		got, ok := n.target(netip.MustParseAddrPort(c.dst))
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s (host allowed: %v): %v %v, want %q", c.dst, c.allowHost, got, ok, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	base := Config{Dial: (&net.Dialer{}).DialContext, AllowHost: true}
	for _, c := range []struct {
		prefix, gateway, dns string
		ok                   bool
	}{
		{"10.0.2.0/24", "", "", true}, {"10.0.2.99/24", "", "", true}, {"192.168.4.0/28", "", "", true}, {"10.1.0.0/20", "10.1.15.254", "10.1.0.1", true},
		{"10.0.2.0/19", "", "", false}, {"10.0.2.0/29", "", "", false}, {"fd00::/64", "", "", false}, {"127.0.0.0/24", "", "", false}, {"224.0.0.0/24", "", "", false},
		{"10.0.2.0/24", "10.0.2.0", "", false}, {"10.0.2.0/24", "10.0.2.255", "", false}, {"10.0.2.0/24", "10.0.3.1", "", false}, {"10.0.2.0/24", "10.0.2.3", "", false},
	} {
		n := base
		n.Prefix = netip.MustParsePrefix(c.prefix)
		if c.gateway != "" {
			n.Gateway = addr(c.gateway)
		}
		if c.dns != "" {
			n.DNS = addr(c.dns)
		}
		if err := n.fill(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestQuota(t *testing.T) {
	q := newQuota(3, 2)
	a, b, c := guestID{1}, guestID{2}, guestID{3}
	for i, s := range []struct {
		g    guestID
		take bool
		want bool
	}{{a, true, true}, {a, true, true}, {a, true, false}, {b, true, true}, {c, true, false}, {a, false, true}, {c, true, true}} {
		if !s.take {
			q.give(s.g)
		} else if q.take(s.g) != s.want {
			t.Errorf("step %d", i)
		}
	}
	if used, refused := q.state(); used != 3 || refused != 2 || len(q.guests) != 3 {
		t.Errorf("%d used, %d refused, %v", used, refused, q.guests)
	}
}

// server is a DHCP server with a clock.
func server(bits int) (*dhcpServer, *time.Time) {
	now := time.Unix(1000, 0)
	c := &Config{Prefix: netip.PrefixFrom(addr("10.0.2.0"), bits), Dial: (&net.Dialer{}).DialContext, AllowHost: true, Now: func() time.Time { return now }}
	if err := c.fill(); err != nil {
		panic(err)
	}
	return &dhcpServer{c, newLeases(c)}, &now
}

// talk sends a message and says what came back.
func talk(d *dhcpServer, n byte, t dhcpv4.MessageType, mods ...dhcpv4.Modifier) string {
	m := guestID(mac(n))
	msg, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithMessageType(t), dhcpv4.WithHwAddr(m[:])}, mods...)...)
	if err != nil {
		panic(err)
	}
	r := d.answer(m, msg.ToBytes())
	if r == nil {
		return ""
	}
	return fmt.Sprint(r.MessageType(), " ", r.YourIPAddr)
}

func want(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
}

// TestDeclineIsBounded: a guest that says of every address that it is in use does not take
// them all from the others.
func TestDeclineIsBounded(t *testing.T) {
	d, now := server(24)
	flood := func() {
		for range 300 {
			a, ok := d.l.offer(guestID(mac(1)), netip.Addr{})
			if !ok {
				t.Fatal("there is none left for itself")
			}
			talk(d, 1, dhcpv4.MessageTypeDecline, want(a.String()))
		}
	}
	for round := range 3 {
		flood()
		free := 0
		for n := range byte(200) {
			if _, ok := d.l.offer(guestID(mac(2+n)), netip.Addr{}); ok {
				free++
			}
		}
		if free != 200 {
			t.Errorf("round %d: addresses for %d of 200 others", round, free)
		}
		*now = now.Add(declineTime)
	}
}

func TestDHCPServer(t *testing.T) {
	d, now := server(28) // 10.0.2.1 to .14, less two
	const disc, req = dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest
	other := dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 0, 2, 9)))
	for i, s := range []struct {
		pass time.Duration
		n    byte
		t    dhcpv4.MessageType
		mods []dhcpv4.Modifier
		want string
	}{
		{0, 1, disc, nil, "OFFER 10.0.2.1"},
		{0, 1, disc, nil, "OFFER 10.0.2.1"}, // one for a MAC
		{0, 2, disc, nil, "OFFER 10.0.2.4"},
		{0, 1, req, []dhcpv4.Modifier{want("10.0.2.1")}, "ACK 10.0.2.1"},
		{0, 2, req, []dhcpv4.Modifier{want("10.0.2.1")}, "NAK 0.0.0.0"},
		{0, 2, req, []dhcpv4.Modifier{want("10.0.2.4"), other}, ""},
		{0, 3, disc, []dhcpv4.Modifier{want("10.0.2.9")}, "OFFER 10.0.2.9"},
		{0, 4, disc, []dhcpv4.Modifier{want("10.0.2.2")}, "OFFER 10.0.2.5"},
		{0, 5, req, []dhcpv4.Modifier{want("10.0.2.7")}, "ACK 10.0.2.7"}, // had it before we were there
		{0, 5, req, []dhcpv4.Modifier{want("10.0.2.8")}, "NAK 0.0.0.0"},
		{0, 6, req, []dhcpv4.Modifier{want("10.0.2.15")}, "NAK 0.0.0.0"},
		{0, 6, req, []dhcpv4.Modifier{want("10.9.9.9")}, "NAK 0.0.0.0"},
		{2 * time.Minute, 7, disc, []dhcpv4.Modifier{want("10.0.2.9")}, "OFFER 10.0.2.9"}, // nobody took the offer
		{0, 1, dhcpv4.MessageTypeDecline, []dhcpv4.Modifier{want("10.0.2.1")}, ""},
		{0, 1, disc, nil, "OFFER 10.0.2.6"}, // .4 and .5 were offered to others
		{0, 5, dhcpv4.MessageTypeRelease, []dhcpv4.Modifier{dhcpv4.WithClientIP(net.IPv4(10, 0, 2, 7))}, ""},
		{0, 5, disc, nil, "OFFER 10.0.2.7"}, // remembered
		{0, 8, dhcpv4.MessageTypeInform, nil, "ACK 0.0.0.0"},
		{2 * time.Hour, 9, disc, []dhcpv4.Modifier{want("10.0.2.7")}, "OFFER 10.0.2.7"},
	} {
		*now = now.Add(s.pass)
		if got := talk(d, s.n, s.t, s.mods...); got != s.want {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
	}
	if err := d.l.reserve(guestID(mac(20)), addr("10.0.2.12")); err != nil {
		t.Fatal(err)
	}
	if err := d.l.reserve(guestID(mac(21)), addr("10.0.2.12")); err == nil {
		t.Error("reserved twice")
	}
	if got := talk(d, 20, disc); got != "OFFER 10.0.2.12" {
		t.Error(got)
	}
	// A flood takes all that is free and no more.
	offers := 0
	for n := range byte(200) {
		if talk(d, 30+n, disc) != "" {
			offers++
		}
	}
	if offers > 12 || len(d.l.byIP) > 14 || len(d.l.byMAC) > 14 {
		t.Errorf("%d offers, %d addresses, %d MACs", offers, len(d.l.byIP), len(d.l.byMAC))
	}
	m := guestID(mac(1))
	msg, _ := dhcpv4.New(dhcpv4.WithMessageType(disc), dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 0, 0, 99}))
	if d.answer(m, msg.ToBytes()) != nil {
		t.Error("an address for another machine than the sender")
	}
}

func TestSourceBinding(t *testing.T) {
	d, _ := server(24)
	a, b := guestID(mac(1)), guestID(mac(2))
	if !d.l.admit(a, addr("10.0.2.50")) || !d.l.admit(b, addr("10.0.2.50")) {
		t.Error("an address without a lease is free to use")
	}
	d.l.bind(a, addr("10.0.2.50"), time.Hour)
	if !d.l.admit(a, addr("10.0.2.50")) || d.l.admit(b, addr("10.0.2.50")) || d.l.owner(addr("10.0.2.50")) != a {
		t.Error("a leased address is its holder's")
	}
	for _, s := range []string{"10.0.2.2", "10.0.2.3", "10.0.2.0", "10.0.2.255", "10.0.3.1", "127.0.0.1", "0.0.0.0"} {
		if d.l.admit(a, addr(s)) {
			t.Errorf("%s as a source", s)
		}
	}
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{open: map[closer]struct{}{}}
		a, guest := net.Pipe()
		b, far := net.Pipe()
		start := time.Now()
		ended := make(chan struct{})
		go func() { n.pump(a, b, time.Minute); close(ended) }()
		// One direction moves: the other one does not count as idle.
		for range 10 {
			time.Sleep(50 * time.Second)
			go guest.Write([]byte("x"))
			if _, err := far.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		<-ended
		if d := time.Since(start); d < 560*time.Second || d > 561*time.Second {
			t.Errorf("ended after %v", d)
		}
		if _, err := guest.Write([]byte("x")); err == nil {
			t.Error("the guest's side is open")
		}
	})
}

// TestHold: a reservation keeps the address that a client has, shows up without a
// client, and after it the client still finds its address while others are free.
func TestHold(t *testing.T) {
	d, now := server(28)
	const disc, req = dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest
	if _, err := d.l.hold(guestID{}); !errors.Is(err, ErrConfig) {
		t.Errorf("no address at all: %v", err)
	}
	talk(d, 1, disc)
	talk(d, 1, req, want("10.0.2.1"))
	if a, err := d.l.hold(guestID(mac(1))); err != nil || a != addr("10.0.2.1") {
		t.Errorf("a client's address: %v, %v", a, err)
	}
	if a, err := d.l.hold(guestID(mac(2))); err != nil || a != addr("10.0.2.4") {
		t.Errorf("a new one: %v, %v", a, err)
	}
	if l := d.l.list(); len(l) != 2 || !l[0].Reserved || l[0].Until.IsZero() || l[1] != (Lease{MAC: mac(2), Address: addr("10.0.2.4"), Reserved: true}) {
		t.Errorf("%+v", l)
	}
	if a, ok := d.l.address(guestID(mac(2))); !ok || a != addr("10.0.2.4") {
		t.Errorf("address of a reservation: %v, %v", a, ok)
	}
	*now = now.Add(48 * time.Hour)
	if d.l.admit(guestID(mac(3)), addr("10.0.2.1")) {
		t.Error("another guest may use a reserved address")
	}
	d.l.drop(guestID(mac(1)))
	if _, ok := d.l.address(guestID(mac(1))); ok {
		t.Error("an address without lease and reservation")
	}
	for i := range byte(12) { // .1 to .14 without gateway and DNS
		talk(d, 10+i, disc)
	}
	if got := talk(d, 2, disc); got != "OFFER 10.0.2.4" {
		t.Errorf("the reserved address: %q", got)
	}
	// 10 were free, the 11th got the one whose lease was over, the 12th none.
	if a, ok := d.l.address(guestID(mac(1))); ok || a.IsValid() {
		t.Errorf("the address of a client that is away: %v", a)
	}
	if _, err := d.l.hold(guestID(mac(30))); !errors.Is(err, ErrFull) {
		t.Errorf("no address is free: %v", err)
	}
}
