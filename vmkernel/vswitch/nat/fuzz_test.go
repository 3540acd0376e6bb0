package nat

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func FuzzDHCPServer(f *testing.F) {
	m := guestID(mac(1))
	for _, t := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform, dhcpv4.MessageTypeDecline} {
		msg, _ := dhcpv4.New(dhcpv4.WithMessageType(t), dhcpv4.WithHwAddr(m[:]), want("10.0.2.15"))
		f.Add(msg.ToBytes())
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, _ := server(28)
		for range 2 {
			r := d.answer(m, payload)
			if r == nil {
				continue
			}
			frame := dhcpFrame(mac(0xfe), m, d.c.Gateway, r)
			back, err := dhcpv4.FromBytes(frame[42:])
			if err != nil {
				t.Fatal(err)
			}
			if a := toAddr(back.YourIPAddr); a.IsValid() && !a.IsUnspecified() && !d.l.usable(a) {
				t.Errorf("gave out %v", a)
			}
		}
		if len(d.l.byIP) > 1 || len(d.l.byMAC) > 1 {
			t.Errorf("one machine has %d addresses", len(d.l.byIP))
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(syn(mac(1), netip.MustParseAddrPort("10.0.2.50:1"), netip.MustParseAddrPort("192.0.2.10:80")))
	arp := make([]byte, 42)
	copy(arp, "\xff\xff\xff\xff\xff\xff\x02\xba\x5a\x00\x01\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\xba\x5a\x00\x01\x01\x0a\x00\x02\x32")
	copy(arp[38:], "\x0a\x00\x02\x02")
	f.Add(arp)
	c := &Config{Prefix: prefix, Gateway: addr("10.0.2.2"), DNS: addr("10.0.2.3")}
	d, _ := server(24)
	f.Fuzz(func(t *testing.T, frame []byte) {
		n := &Network{c: *c, leases: d.l}
		v, p := n.filter(frame)
		if v == toDHCP {
			d.answer(guestID(frame[6:12]), p)
		}
		if v == toStack && len(frame) < 34 {
			t.Errorf("%d bytes go to the stack", len(frame))
		}
	})
}

func FuzzDNS(f *testing.F) {
	q := []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01")
	r := append([]byte(nil), q...)
	r[2] |= 0x80
	f.Add(q, r)
	f.Add(q, failure(q))
	f.Add(q[:12], q)
	f.Fuzz(func(t *testing.T, q, r []byte) {
		qs, err := question(q)
		if err != nil {
			return
		}
		if len(qs) > 255+4 || !bytes.Equal(qs, q[dnsHeader:dnsHeader+len(qs)]) {
			t.Errorf("question of %d bytes", len(qs))
		}
		fail := failure(q)
		if !answers(q, fail) || len(fail) > len(q) {
			t.Errorf("a failure that does not answer: %x to %x", fail, q)
		}
		if answers(q, r) && binary.BigEndian.Uint16(r) != binary.BigEndian.Uint16(q) {
			t.Error("a reply with another identifier")
		}
		if answers(q, q) {
			t.Error("a query answers itself")
		}
		var b bytes.Buffer
		if err := writeMessage(&b, q); err == nil {
			if m, err := readMessage(&b); err != nil || !bytes.Equal(m, q) {
				t.Errorf("%x, %v", m, err)
			}
		}
		readMessage(bytes.NewReader(r))
	})
}
