package netstack

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"basalt/vmkernel/sys"
)

var host *Stack

// TestMain puts one stack behind package net for all tests of the package, if the
// binary was built with the overlay.
func TestMain(m *testing.M) {
	var err error
	if host, err = New(Limits{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sys.Install(nil, host.Socket)
	os.Exit(m.Run())
}

func needOverlay(t testing.TB) {
	t.Helper()
	if !sys.Overlaid() {
		t.Skip("built without the overlay of cmd/mkoverlay")
	}
}

func TestLoopbackHTTP(t *testing.T) {
	needOverlay(t)
	body := bytes.Repeat([]byte("basalt"), 1<<20/6)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(in)
	}))
	defer srv.Close()
	if host.Stats().Sockets == 0 {
		t.Fatal("the server's socket is not ours")
	}
	for range 3 {
		resp, err := srv.Client().Post(srv.URL, "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

func TestLoopbackTLS2(t *testing.T) {
	needOverlay(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto)
	}))
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Listener.Close()
	srv.Listener = l
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	c := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS13},
		ForceAttemptHTTP2: true,
	}}
	defer c.CloseIdleConnections()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := c.Get(srv.URL)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if got, _ := io.ReadAll(resp.Body); string(got) != "HTTP/2.0" {
				t.Errorf("answered over %s", got)
			}
		})
	}
	wg.Wait()
}

func TestDialRefused(t *testing.T) {
	needOverlay(t)
	for _, a := range []string{"127.0.0.1:1", "[::1]:1"} {
		_, err := net.Dial("tcp", a)
		var op *net.OpError
		if !errors.As(err, &op) || op.Err.Error() != "connect: connection refused" {
			t.Errorf("%s: %v", a, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:1"); err == nil {
		t.Error("dialled with a cancelled context")
	}
}

func TestThousandConnections(t *testing.T) {
	needOverlay(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before := host.Stats().Sockets
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	const n = 1000
	conns := make(chan net.Conn, n)
	var dial sync.WaitGroup
	for i := range n {
		dial.Go(func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			msg := fmt.Appendf(nil, "message %d", i)
			if _, err := c.Write(msg); err != nil {
				t.Error(err)
			}
			got := make([]byte, len(msg))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%q, %v", got, err)
			}
			conns <- c
		})
	}
	dial.Wait()
	close(conns)
	if got := host.Stats().Sockets; got < before+n {
		t.Errorf("%d sockets open", got)
	}
	for c := range conns {
		c.Close()
	}
	l.Close()
	wg.Wait()
	if got := host.Stats().Sockets; got != before-1 {
		t.Errorf("%d sockets left, want %d", got, before-1)
	}
}

func TestUDP(t *testing.T) {
	needOverlay(t)
	for _, network := range []string{"udp4", "udp6", "udp"} {
		a, err := net.ListenPacket(network, ":0")
		if err != nil {
			t.Fatal(network, err)
		}
		defer a.Close()
		to := a.LocalAddr().(*net.UDPAddr)
		to.IP = net.IPv6loopback
		if network == "udp4" {
			to.IP = net.IPv4(127, 0, 0, 1)
		}
		c, err := net.DialUDP(network, nil, to)
		if err != nil {
			t.Fatal(network, err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(network, err)
		}
		buf := make([]byte, 2) // too small: the datagram is cut off
		n, from, err := a.ReadFrom(buf)
		if err != nil || n != 2 || from.String() != c.LocalAddr().String() {
			t.Fatal(network, n, from, err)
		}
		if _, err := a.WriteTo([]byte("pong"), from); err != nil {
			t.Fatal(network, err)
		}
		big := make([]byte, 16)
		if n, err := c.Read(big); err != nil || string(big[:n]) != "pong" {
			t.Fatal(network, n, err)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	needOverlay(b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(c, c)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	msg := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(msg); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, msg); err != nil {
			b.Fatal(err)
		}
	}
}
