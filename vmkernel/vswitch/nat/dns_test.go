package nat

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"
)

// resolver answers A queries with 192.0.2.10, on UDP and TCP.
func resolver(t *testing.T) (udp, tcp string) {
	answer := func(q []byte) []byte {
		qs, err := question(q)
		if err != nil {
			return nil
		}
		r := append([]byte(nil), q[:dnsHeader+len(qs)]...)
		binary.BigEndian.PutUint16(r[2:], dnsQR|dnsRD)
		clear(r[6:12])
		if binary.BigEndian.Uint16(qs[len(qs)-4:]) == 1 {
			r[7] = 1
			r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 10)
		}
		return r
	}
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close(); l.Close() })
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo([]byte("noise"), from) // must be ignored
			u.WriteTo(answer(b[:n]), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if q, err := readMessage(c); err == nil {
				writeMessage(c, answer(q))
			}
			c.Close()
		}
	}()
	return u.LocalAddr().String(), l.Addr().String()
}

func TestDNS(t *testing.T) {
	r := newRig(t, nil)
	u, l := resolver(t)
	// The first of the two resolvers does not answer.
	r.out.add("udp", "192.0.2.53:53", u)
	r.out.add("tcp", "192.0.2.53:53", l)
	g := r.guest(1, "10.0.2.50")
	for _, network := range []string{"udp", "tcp"} {
		res := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return g.dial(ctx, network, "10.0.2.3:53")
		}}
		a, err := res.LookupHost(t.Context(), "www.example.com.")
		if err != nil || len(a) != 1 || a[0] != "192.0.2.10" {
			t.Errorf("%s: %v, %v", network, a, err)
		}
	}
	r.out.mu.Lock()
	clear(r.out.where)
	r.out.mu.Unlock()
	c, err := g.dial(t.Context(), "udp", "10.0.2.3:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")
	c.Write(q)
	b := make([]byte, 512)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := c.Read(b); err != nil || n != len(q) || string(b[:4]) != "\x12\x34\x81\x02" {
		t.Errorf("without resolvers: %x, %v", b[:n], err)
	}
}
