package netstack

import (
	"net/netip"
	"syscall"
	"testing"

	"basalt/drivers/netio/pipe"
	"basalt/vmkernel/sys"
)

// listening is a stack that remembers so many closed connections and listens at
// 192.0.2.1:80, and its peer on the wire.
func listening(t *testing.T, closing int) (*Stack, *peer, sys.Socket) {
	t.Helper()
	a, b := pipe.New(pipe.Config{})
	st, err := New(Limits{Closing: closing})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	i, err := st.AddLink(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Configure(netip.MustParsePrefix("192.0.2.1/24"), netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, b, "192.0.2.2/24")
	l, errno, _ := st.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(l.Release)
	if errno := l.Bind([]byte{0: syscall.AF_INET, 3: 80, 15: 0}); errno != 0 {
		t.Fatal(errno)
	}
	if errno := l.Listen(16); errno != 0 {
		t.Fatal(errno)
	}
	return st, p, l
}

// TestClosedConnectionsAreBounded: a peer that never ends its half of a connection
// must not make the host remember every connection that it closed.
func TestClosedConnectionsAreBounded(t *testing.T) {
	st, p, l := listening(t, 4)
	const n = 12
	for range n {
		c, err := p.dial(t.Context(), netip.MustParseAddrPort("192.0.2.1:80"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() // not before the end: the host waits for this FIN
		s, _, errno := l.Accept(nil, false)
		if errno != 0 {
			t.Fatal(errno)
		}
		s.Release()
	}
	if got := st.s.Stats().TCP.CurrentConnected.Value(); got > 4 {
		t.Errorf("the host remembers %d of %d connections that it closed, want 4 at most", got, n)
	}
}

// TestLastBytesBeforeClose: what was written before Close still arrives.
func TestLastBytesBeforeClose(t *testing.T) {
	_, p, l := listening(t, 1)
	for range 8 {
		c, err := p.dial(t.Context(), netip.MustParseAddrPort("192.0.2.1:80"))
		if err != nil {
			t.Fatal(err)
		}
		s, _, errno := l.Accept(nil, false)
		if errno != 0 {
			t.Fatal(errno)
		}
		if _, errno := s.(*socket).Write([]byte("goodbye")); errno != 0 {
			t.Fatal(errno)
		}
		s.Release()
		var got [16]byte
		if n, err := c.Read(got[:]); err != nil || string(got[:n]) != "goodbye" {
			t.Errorf("%q, %v", got[:n], err)
		}
		c.Close()
	}
}
