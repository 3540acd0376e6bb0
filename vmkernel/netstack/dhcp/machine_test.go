package dhcp

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

var mac = [6]byte{2, 0, 0, 0, 0, 7}

// bench drives a machine with a clock and a scripted server.
type bench struct {
	*testing.T
	m   *Machine
	now time.Time
	log []string
	// last message that the client sent
	sent *dhcpv4.DHCPv4
}

func newBench(t *testing.T) *bench {
	n := uint32(0)
	return &bench{T: t, now: time.Unix(1000, 0), m: New(Config{MAC: mac, Hostname: "basalt", Random: func(max uint32) uint32 { n++; return n % max }})}
}

// do steps the machine and writes down the actions.
func (b *bench) do(e Event) []string {
	b.log = nil
	for _, a := range b.m.Step(b.now, e) {
		switch {
		case a.Broadcast != nil:
			b.sent = a.Broadcast
			b.log = append(b.log, "broadcast "+a.Broadcast.MessageType().String())
		case a.Unicast != nil:
			b.sent = a.Unicast
			b.log = append(b.log, "unicast "+a.Unicast.MessageType().String()+" "+a.Server.String())
		case a.Configure != nil:
			b.log = append(b.log, "configure "+a.Configure.Address.String())
		case a.Drop != nil:
			b.log = append(b.log, "drop "+a.Drop.Address.String())
		}
		if b.sent != nil {
			// What is sent must survive its own encoding.
			if _, err := dhcpv4.FromBytes(b.sent.ToBytes()); err != nil {
				b.Error(err)
			}
		}
	}
	return b.log
}

func (b *bench) want(want ...string) {
	b.Helper()
	if strings.Join(b.log, ", ") != strings.Join(want, ", ") {
		b.Fatalf("state %v: actions %q, want %q", b.m.State(), b.log, want)
	}
}

// wake moves the clock to the next timer.
func (b *bench) wake() {
	b.Helper()
	if b.m.WakeAt().IsZero() {
		b.Fatal("no timer")
	}
	if b.m.WakeAt().Before(b.now) {
		b.Fatal("timer in the past")
	}
	b.now = b.m.WakeAt()
	b.do(Event{})
}

// reply answers the client's last message.
func (b *bench) reply(t dhcpv4.MessageType, ip string, change ...dhcpv4.Modifier) {
	b.Helper()
	mods := append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(t),
		dhcpv4.WithYourIP(net.ParseIP(ip)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 0, 2, 2))),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithRouter(net.IPv4(10, 0, 2, 2)),
		dhcpv4.WithDNS(net.IPv4(10, 0, 2, 3)),
		dhcpv4.WithLeaseTime(3600),
	}, change...)
	msg, err := dhcpv4.NewReplyFromRequest(b.sent, mods...)
	if err != nil {
		b.Fatal(err)
	}
	b.do(Event{Message: msg})
}

// bind goes to Bound.
func (b *bench) bind() {
	b.Helper()
	b.do(Event{Start: true})
	b.want("broadcast DISCOVER")
	b.reply(dhcpv4.MessageTypeOffer, "10.0.2.15")
	b.want("broadcast REQUEST")
	b.reply(dhcpv4.MessageTypeAck, "10.0.2.15")
	b.want("configure 10.0.2.15/24")
}

func TestBindRenewRebindExpire(t *testing.T) {
	b := newBench(t)
	b.bind()
	if h := b.sent.HostName(); h != "basalt" {
		t.Errorf("host name %q", h)
	}
	l := b.m.Lease()
	if l.Gateway != netip.MustParseAddr("10.0.2.2") || len(l.DNS) != 1 || l.Expire.Sub(b.now) != time.Hour {
		t.Errorf("lease %+v", l)
	}
	// T1: unicast, retried with at least a minute between.
	b.wake()
	b.want("unicast REQUEST 10.0.2.2")
	if !b.sent.ClientIPAddr.Equal(net.IPv4(10, 0, 2, 15)) || b.sent.ServerIdentifier() != nil {
		t.Errorf("renewal %v", b.sent.Summary())
	}
	b.reply(dhcpv4.MessageTypeAck, "10.0.2.15")
	b.want("configure 10.0.2.15/24")
	// Nobody answers any more.
	var log []string
	for b.m.State() != Selecting {
		before := b.now
		b.wake()
		log = append(log, b.log...)
		if b.m.State() == Renewing && b.now.Sub(before) < time.Minute && b.now != b.m.Lease().Rebind {
			t.Errorf("retried after %v", b.now.Sub(before))
		}
		if len(log) > 50 {
			t.Fatal("no end")
		}
	}
	text := strings.Join(log, ", ")
	if !strings.HasPrefix(text, "unicast REQUEST") || !strings.Contains(text, "broadcast REQUEST") ||
		!strings.HasSuffix(text, "drop 10.0.2.15/24, broadcast DISCOVER") {
		t.Error(text)
	}
}

func TestRetriesBackOff(t *testing.T) {
	b := newBench(t)
	b.do(Event{Start: true})
	var last time.Duration
	for range 12 {
		before := b.now
		b.wake()
		b.want("broadcast DISCOVER")
		last = b.now.Sub(before)
	}
	if last < 48*time.Second || last > 80*time.Second {
		t.Errorf("last retry after %v", last)
	}
	if b.sent.NumSeconds == 0 {
		t.Error("the secs field does not count")
	}
}

func TestRequestUnanswered(t *testing.T) {
	b := newBench(t)
	b.do(Event{Start: true})
	b.reply(dhcpv4.MessageTypeOffer, "10.0.2.15")
	for range maxRequests - 1 {
		b.wake()
		b.want("broadcast REQUEST")
	}
	b.wake()
	b.want("broadcast DISCOVER")
}

func TestNak(t *testing.T) {
	b := newBench(t)
	b.bind()
	b.wake()
	b.reply(dhcpv4.MessageTypeNak, "0.0.0.0")
	b.want("drop 10.0.2.15/24")
	if b.m.Lease() != nil {
		t.Error("the lease is still there")
	}
	b.wake()
	b.want("broadcast DISCOVER")
}

func TestAnotherAddress(t *testing.T) {
	b := newBench(t)
	b.bind()
	b.wake()
	b.reply(dhcpv4.MessageTypeAck, "10.0.2.16")
	b.want("drop 10.0.2.15/24", "configure 10.0.2.16/24")
}

func TestStop(t *testing.T) {
	b := newBench(t)
	b.bind()
	b.do(Event{Stop: true})
	b.want("unicast RELEASE 10.0.2.2", "drop 10.0.2.15/24")
	b.now = b.now.Add(24 * time.Hour)
	b.do(Event{})
	b.want()
}

// TestUnaskedAnswers: transaction ids are broadcast, so everybody on the LAN can
// answer an exchange that is over.
func TestUnaskedAnswers(t *testing.T) {
	b := newBench(t)
	b.bind()
	b.reply(dhcpv4.MessageTypeNak, "0.0.0.0")
	b.want()
	b.reply(dhcpv4.MessageTypeAck, "10.0.2.16")
	b.want()
	if b.m.State() != Bound || b.m.Lease().Address.String() != "10.0.2.15/24" {
		t.Errorf("state %v, lease %+v", b.m.State(), b.m.Lease())
	}
}

// TestLinkUp: the host may be in another network now, where the server that gave the
// lease cannot be reached, so everybody is asked.
func TestLinkUp(t *testing.T) {
	b := newBench(t)
	b.bind()
	b.do(Event{LinkUp: true})
	b.want("broadcast REQUEST")
	if !b.sent.ClientIPAddr.IsUnspecified() || !b.sent.RequestedIPAddress().Equal(net.IPv4(10, 0, 2, 15)) || b.sent.ServerIdentifier() != nil {
		t.Errorf("verification %v", b.sent.Summary())
	}
	b.reply(dhcpv4.MessageTypeAck, "10.0.2.15")
	b.want("configure 10.0.2.15/24")
	b.do(Event{LinkUp: true})
	b.reply(dhcpv4.MessageTypeNak, "0.0.0.0", dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 0, 9, 9))))
	b.want("drop 10.0.2.15/24")
	b.wake()
	b.want("broadcast DISCOVER")
}

// TestLinkUpUnanswered: a lease that nobody confirms or refuses stays for its term.
func TestLinkUpUnanswered(t *testing.T) {
	b := newBench(t)
	b.bind()
	renew := b.m.Lease().Renew
	b.do(Event{LinkUp: true})
	for range maxRequests - 1 {
		b.wake()
		b.want("broadcast REQUEST")
	}
	if b.now.After(renew) {
		t.Error("the tries take too long")
	}
	b.wake()
	b.want()
	if b.m.State() != Bound || b.m.WakeAt() != renew {
		t.Errorf("state %v, next %v", b.m.State(), b.m.WakeAt())
	}
	b.wake()
	b.want("unicast REQUEST 10.0.2.2")
}

func TestInfiniteLease(t *testing.T) {
	b := newBench(t)
	b.do(Event{Start: true})
	b.reply(dhcpv4.MessageTypeOffer, "10.0.2.15")
	b.reply(dhcpv4.MessageTypeAck, "10.0.2.15", dhcpv4.WithLeaseTime(0xffffffff))
	b.want("configure 10.0.2.15/24")
	if !b.m.WakeAt().IsZero() || !b.m.Lease().Expire.IsZero() {
		t.Error("an infinite lease has a timer")
	}
	b.do(Event{LinkUp: true})
	b.want("broadcast REQUEST")
	for b.m.State() == Rebooting {
		b.wake()
	}
	if !b.m.WakeAt().IsZero() || b.m.Lease() == nil {
		t.Error("an infinite lease that nobody refused is gone")
	}
}

func TestSillyLeaseTimes(t *testing.T) {
	for _, c := range []struct{ life, t1, t2 time.Duration }{
		{0, 0, 0}, {time.Second, 0, 0}, {time.Hour, 2 * time.Hour, 3 * time.Hour},
		{time.Hour, 30 * time.Minute, time.Minute}, {time.Hour, time.Second, time.Second},
		{-1, -1, -1}, {24 * time.Hour * 36500, 0, 0},
	} {
		b := newBench(t)
		b.do(Event{Start: true})
		b.reply(dhcpv4.MessageTypeOffer, "10.0.2.15")
		b.reply(dhcpv4.MessageTypeAck, "10.0.2.15", dhcpv4.WithLeaseTime(uint32(c.life/time.Second)),
			dhcpv4.WithOption(dhcpv4.OptRenewTimeValue(c.t1)), dhcpv4.WithOption(dhcpv4.OptRebindingTimeValue(c.t2)))
		l := b.m.Lease()
		if l == nil {
			t.Errorf("%v: no lease", c)
			continue
		}
		if l.Expire.IsZero() {
			continue
		}
		if l.Renew.Sub(b.now) < 30*time.Second || l.Rebind.Before(l.Renew) || l.Expire.Before(l.Rebind) {
			t.Errorf("%v: renew %v rebind %v expire %v", c, l.Renew.Sub(b.now), l.Rebind.Sub(b.now), l.Expire.Sub(b.now))
		}
	}
}

func TestIgnores(t *testing.T) {
	for name, mod := range map[string]dhcpv4.Modifier{
		"other transaction": dhcpv4.WithTransactionID(dhcpv4.TransactionID{9, 9, 9, 9}),
		"other hardware":    dhcpv4.WithHwAddr(net.HardwareAddr{1, 2, 3, 4, 5, 6}),
		"a request":         func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootRequest },
		"multicast address": dhcpv4.WithYourIP(net.IPv4(224, 0, 0, 1)),
		"no address":        dhcpv4.WithYourIP(net.IPv4zero),
		"loopback address":  dhcpv4.WithYourIP(net.IPv4(127, 0, 0, 1)),
		"no server":         func(d *dhcpv4.DHCPv4) { d.Options.Del(dhcpv4.OptionServerIdentifier) },
		"mask with holes":   dhcpv4.WithNetmask(net.IPv4Mask(255, 0, 255, 0)),
		"acknowledge":       dhcpv4.WithMessageType(dhcpv4.MessageTypeAck),
		"refusal":           dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
		"no type":           func(d *dhcpv4.DHCPv4) { d.Options.Del(dhcpv4.OptionDHCPMessageType) },
	} {
		b := newBench(t)
		b.do(Event{Start: true})
		b.reply(dhcpv4.MessageTypeOffer, "10.0.2.15", mod)
		if len(b.log) != 0 || b.m.State() != Selecting {
			t.Errorf("%s: %q, %v", name, b.log, b.m.State())
		}
	}
}

// FuzzMessages: whatever servers send, the machine stays in a known state, keeps
// a timer while it has work, and does not answer more than one message with more
// than one.
func FuzzMessages(f *testing.F) {
	b := newBench(&testing.T{})
	b.do(Event{Start: true})
	b.reply(dhcpv4.MessageTypeOffer, "10.0.2.15")
	f.Add(b.sent.ToBytes(), uint8(2))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, raw []byte, typ uint8) {
		b := newBench(t)
		b.do(Event{Start: true})
		for range 3 {
			msg, err := dhcpv4.FromBytes(raw)
			if err != nil {
				return
			}
			msg.OpCode = dhcpv4.OpcodeBootReply
			msg.TransactionID = b.m.xid
			msg.ClientHWAddr = mac[:]
			msg.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageType(typ)))
			acts := b.m.Step(b.now, Event{Message: msg})
			if len(acts) > 2 {
				t.Fatalf("%d actions", len(acts))
			}
			if l := b.m.Lease(); b.m.WakeAt().IsZero() && (l == nil || !l.Expire.IsZero()) {
				t.Fatalf("no timer in %v", b.m.State())
			}
			if b.m.State() == Selecting && typ == uint8(dhcpv4.MessageTypeOffer) {
				return
			}
			typ = uint8(dhcpv4.MessageTypeAck)
		}
	})
}
