package nat

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/vmkernel/netstack"
	"basalt/vmkernel/vswitch"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func TestGuestGetsAnAddress(t *testing.T) {
	r := newRig(t, nil)
	link, err := r.sw.AddLink(vswitch.PortConfig{Name: "vm", MAC: mac(1)})
	if err != nil {
		t.Fatal(err)
	}
	h, err := netstack.Bring(netstack.Config{Hostname: "guest", Setting: netstack.Setting{DHCP: true}, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Attach(link); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(h.Addresses()); got != "[10.0.2.15/24]" {
		t.Errorf("addresses %s", got)
	}
	if l := r.n.Leases(); len(l) != 1 || l[0].MAC != [6]byte(mac(1)) || l[0].Address != netip.MustParseAddr("10.0.2.15") {
		t.Errorf("leases %v", l)
	}
	h.Close() // sends a release
}

func TestHTTP(t *testing.T) {
	r := newRig(t, nil)
	big := bytes.Repeat([]byte("Basalt 0123456789"), 200_000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == "POST" {
			io.Copy(w, q.Body)
			return
		}
		w.Write(big)
	}))
	defer srv.Close()
	r.out.add("tcp4", "192.0.2.10:80", srv.Listener.Addr().String())
	g := r.guest(1, "10.0.2.50")
	tr := &http.Transport{DialContext: g.dial}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			resp, err := client.Get("http://192.0.2.10/")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, big) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			resp, err = client.Post("http://192.0.2.10/", "text/plain", bytes.NewReader(big))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, big) {
				t.Errorf("echo of %d bytes, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	if st := r.n.Stats(); st.Denied != 0 || st.ConnectionsRefused != 0 {
		t.Errorf("%+v", st)
	}
}

func TestRefused(t *testing.T) {
	r := newRig(t, nil)
	g := r.guest(1, "10.0.2.50")
	// Everything is there if one only gets to it.
	srv := httptest.NewServer(nil)
	defer srv.Close()
	for _, a := range []string{"192.0.2.1:443", "127.0.0.1:80", "169.254.169.254:80", "10.0.2.2:443", "192.0.2.10:80"} {
		if a != "192.0.2.10:80" {
			r.out.add("tcp4", a, srv.Listener.Addr().String())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		c, err := g.dial(ctx, "tcp", a)
		cancel()
		// The guest's own stack keeps packets for 127/8 to itself.
		if err == nil || !strings.Contains(err.Error(), "refused") && a != "127.0.0.1:80" {
			t.Errorf("%s: %v", a, err)
		}
		if c != nil && err == nil {
			c.Close()
		}
	}
	if st := r.n.Stats(); st.Denied != 3 {
		t.Errorf("%+v", st)
	}
	if got := strings.Join(r.out.asked, ", "); got != "tcp4 192.0.2.10:80" {
		t.Errorf("the host dialled %q", got)
	}
}

func TestUDP(t *testing.T) {
	r := newRig(t, nil)
	echo, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := echo.ReadFrom(b)
			if err != nil {
				return
			}
			echo.WriteTo(b[:n], from)
		}
	}()
	r.out.add("udp4", "192.0.2.10:7", echo.LocalAddr().String())
	g := r.guest(1, "10.0.2.50")
	c, err := g.dial(t.Context(), "udp", "192.0.2.10:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int{1, 1400, 5000} { // the last one in fragments
		want := bytes.Repeat([]byte{byte(size)}, size)
		if _, err := c.Write(want); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 65536)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := c.Read(b); err != nil || !bytes.Equal(b[:n], want) {
			t.Errorf("size %d: %d bytes, %v", size, n, err)
		}
	}
	d, err := g.dial(t.Context(), "udp", "192.0.2.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Write([]byte("x"))
	// Frames stay in order: what comes after is answered after it.
	c.Write([]byte("y"))
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if n := g.s.Stats().ICMP.V4.PacketsReceived.DstUnreachable.Value(); n != 1 {
		t.Errorf("to the host itself: %d times unreachable", n)
	}
	if st := r.n.Stats(); st.Flows != 1 || st.Denied != 1 {
		t.Errorf("%+v", st)
	}
}

func TestPing(t *testing.T) {
	r := newRig(t, nil)
	g := r.guest(1, "10.0.2.50")
	ping := func(to string) error {
		a := fullAddress(netip.AddrPortFrom(netip.MustParseAddr(to), 0))
		c, err := dialPing(g, a)
		if err != nil {
			return err
		}
		defer c.Close()
		m := header.ICMPv4(make([]byte, 16))
		m.SetType(header.ICMPv4Echo)
		if _, err := c.Write(m); err != nil {
			return err
		}
		if to == "192.0.2.10" { // nobody will answer
			return nil
		}
		c.SetReadDeadline(time.Now().Add(time.Minute))
		_, err = c.Read(make([]byte, 100))
		return err
	}
	if err := ping("192.0.2.10"); err != nil {
		t.Error(err)
	}
	// Frames are handled in order: when these are answered, that one was dropped.
	for _, to := range []string{"10.0.2.2", "10.0.2.3"} {
		if err := ping(to); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if st := r.n.Stats(); st.DroppedICMP != 1 {
		t.Errorf("%+v", st)
	}
}
