package nat

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func TestPortForward(t *testing.T) {
	r := newRig(t, nil)
	g := r.guest(1, "10.0.2.50")
	g.echoTCP(t, netip.MustParseAddrPort("10.0.2.50:22"))
	f, err := r.n.Forward("tcp", "127.0.0.1:0", netip.MustParseAddrPort("10.0.2.50:22"))
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("ssh"), 100_000)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			c, err := net.Dial("tcp", f.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			go func() { c.Write(want); c.(*net.TCPConn).CloseWrite() }()
			if b, err := io.ReadAll(c); err != nil || !bytes.Equal(b, want) {
				t.Errorf("%d bytes back, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	// A port where nobody listens: the outside sees the end at once.
	dead, err := r.n.Forward("tcp", "127.0.0.1:0", netip.MustParseAddrPort("10.0.2.50:23"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", dead.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("somebody answered")
	}
	c.Close()

	g.echo(t, netip.MustParseAddrPort("10.0.2.50:69"))
	u, err := r.n.Forward("udp", "127.0.0.1:0", netip.MustParseAddrPort("10.0.2.50:69"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c, err := net.Dial("udp", u.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "hello", i)
		b := make([]byte, 100)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := c.Read(b); err != nil || string(b[:n]) != fmt.Sprint("hello", i) {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
	if st := r.n.Stats(); st.Flows != 3 {
		t.Errorf("%+v", st)
	}
	f.Close()
	if _, err := net.Dial("tcp", f.Addr().String()); err == nil {
		t.Error("a closed forward listens")
	}
	for _, c := range []struct{ network, guest string }{{"tcp", "10.0.2.2:22"}, {"tcp", "192.0.2.7:22"}, {"tcp", "10.0.2.9:0"}, {"sctp", "10.0.2.9:22"}} {
		if _, err := r.n.Forward(c.network, "127.0.0.1:0", netip.MustParseAddrPort(c.guest)); err == nil {
			t.Errorf("forward of %v", c)
		}
	}
}
