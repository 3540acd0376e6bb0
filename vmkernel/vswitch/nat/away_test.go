package nat

import (
	"context"
	"net"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// TestGuestComesBack: a guest that is suspended finds its connection as it was, and has
// what came meanwhile, however often that was sent in vain. Only time ends it.
func TestGuestComesBack(t *testing.T) {
	inner, server := net.Pipe()
	r := newRig(t, func(c *Config) {
		c.Dial = func(context.Context, string, string) (net.Conn, error) { return inner, nil }
	})
	var most tcpip.TCPMaxRTOOption
	if err := r.n.s.TransportProtocolOption(tcp.ProtocolNumber, &most); err != nil || time.Duration(most) > 5*time.Second {
		t.Errorf("%v: it may be silent for %v after the guest is back", err, time.Duration(most))
	}
	often, first := tcpip.TCPMaxRTOOption(10*time.Millisecond), tcpip.TCPMinRTOOption(10*time.Millisecond)
	for _, o := range []tcpip.SettableTransportProtocolOption{&first, &often} {
		if err := r.n.s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			t.Fatal(err)
		}
	}
	g := r.guest(1, "10.0.2.15")
	c, err := g.dial(t.Context(), "tcp", "203.0.113.1:80")
	if err != nil {
		t.Fatal(err)
	}
	read := func(from net.Conn, want string) {
		t.Helper()
		b := make([]byte, 100)
		if n, err := from.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("%q, %v, want %q", b[:n], err, want)
		}
	}
	write := func(to net.Conn, word string) {
		t.Helper()
		if _, err := to.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	write(server, "before")
	read(c, "before")
	write(c, "yes")
	read(server, "yes")
	g.away.Store(true)
	write(server, "meanwhile")
	const more = 3 * tcp.MaxRetries
	for before := r.n.s.Stats().TCP.Retransmits.Value(); r.n.s.Stats().TCP.Retransmits.Value() < before+more; {
		if r.n.s.Stats().TCP.EstablishedTimedout.Value() != 0 {
			t.Fatal("given up")
		}
		time.Sleep(time.Millisecond) // gVisor's counters tell nobody
	}
	g.away.Store(false)
	read(c, "meanwhile")
	write(server, "after")
	read(c, "after")
	c.Close()
	server.Close()
}
