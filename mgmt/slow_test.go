package mgmt_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// pipes is a listener whose connections are pipes, so that the whole server runs
// on synctest's clock and minutes take no time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// dial gives the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	a, b := net.Pipe()
	p.conns <- a
	return b
}

// hello is dial with TLS.
func (p *pipes) hello(t *testing.T) *tls.Conn {
	c := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// inBubble runs f with an agent inside a synctest bubble.
func inBubble(t *testing.T, f func(*testing.T, *pipes, *fakehost.Host)) {
	synctest.Test(t, func(t *testing.T) {
		h := fakehost.New(fakehost.Options{MemoryTotal: 128 << 20})
		a, err := mgmt.New(h, mgmt.Config{Password: mgmttest.Password})
		if err != nil {
			t.Fatal(err)
		}
		ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		served := make(chan error)
		go func() { served <- a.Serve(ln) }()
		f(t, ln, h)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// ends reads until the server closes the connection, and says after how long.
func ends(c net.Conn, since time.Time) time.Duration {
	io.Copy(io.Discard, c)
	c.Close()
	return time.Since(since)
}

// drip writes one byte a second until the other side has had enough.
func drip(w io.Writer) {
	for {
		time.Sleep(time.Second)
		if _, err := w.Write([]byte("x")); err != nil {
			return
		}
	}
}

func TestSlowLoris(t *testing.T) {
	for name, tc := range map[string]struct {
		run    func(*testing.T, *pipes) net.Conn
		within time.Duration
	}{
		"silence before TLS": {func(_ *testing.T, p *pipes) net.Conn { return p.dial() }, 11 * time.Second},
		"silence after TLS":  {func(t *testing.T, p *pipes) net.Conn { return p.hello(t) }, 11 * time.Second},
		"dripping header": {func(t *testing.T, p *pipes) net.Conn {
			c := p.hello(t)
			io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
			go drip(c)
			return c
		}, 11 * time.Second},
		"dripping JSON": {func(t *testing.T, p *pipes) net.Conn {
			c := p.hello(t)
			io.WriteString(c, "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
			go drip(c)
			return c
		}, 61 * time.Second},
		"stalled upload": {func(t *testing.T, p *pipes) net.Conn {
			c := p.hello(t)
			fmt.Fprintf(c, "PUT /api/v1/files/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 50000000\r\n\r\nabc", basic())
			return c
		}, 31 * time.Second},
		"idle after a request": {func(t *testing.T, p *pipes) net.Conn {
			c := p.hello(t)
			io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 200 {
				t.Errorf("healthz: %v %v", res, err)
			}
			return c
		}, 76 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, p *pipes, h *fakehost.Host) {
				start := time.Now()
				c := tc.run(t, p)
				if took := ends(c, start); took > tc.within || took < time.Second {
					t.Errorf("the connection ended after %v", took)
				}
				time.Sleep(2 * time.Second) // the dripping ends too
				synctest.Wait()
				if in := h.Info(); in.MemoryFree != in.MemoryTotal {
					t.Errorf("%d bytes are still taken", in.MemoryTotal-in.MemoryFree)
				}
			})
		})
	}
}

// TestStalledUploadIsTold: the client learns why its upload ended.
func TestStalledUploadIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, _ *fakehost.Host) {
		c := p.hello(t)
		fmt.Fprintf(c, "PUT /api/v1/files/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 1000\r\n\r\nabc", basic())
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != 408 || !contains(string(b), "stood still") {
			t.Errorf("%s: %s", res.Status, b)
		}
		c.Close()
	})
}

// TestSlowButSteadyUpload: an upload that moves may take as long as it likes.
func TestSlowButSteadyUpload(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, _ *fakehost.Host) {
		c := p.hello(t)
		const n = 100
		fmt.Fprintf(c, "PUT /api/v1/files/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n", basic(), n)
		for range n {
			time.Sleep(20 * time.Second)
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 201 {
			t.Errorf("after half an hour: %v, %v", res, err)
		}
		c.Close()
	})
}

// TestReaderThatStops: a follower of events that reads no more is dropped; it does
// not hold the host up.
func TestReaderThatStops(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, h *fakehost.Host) {
		c := p.hello(t)
		fmt.Fprintf(c, "GET /api/v1/events?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n\r\n", basic())
		br := bufio.NewReader(c)
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("%v, %v", res, err)
		}
		time.Sleep(10 * time.Minute) // quiet, but alive
		h.Events().Append(hostEvent("one"))
		line, err := br.ReadString('}')
		for err == nil && !contains(line, `"one"`) {
			line, err = br.ReadString('}')
		}
		if err != nil {
			t.Fatalf("after ten quiet minutes: %v", err)
		}
		for range 1000 {
			h.Events().Append(hostEvent("more"))
		}
		time.Sleep(time.Minute)
		io.Copy(io.Discard, br) // comes to an end, because the server has closed the connection
		c.Close()
	})
}

// TestInputThatNobodyTakes: a reader of the console that is gone while its input
// waits for the guest does not keep its place.
func TestInputThatNobodyTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, h *fakehost.Host) {
		c := p.hello(t)
		br := bufio.NewReader(c)
		ask := func(method, path, header, body string) {
			t.Helper()
			fmt.Fprintf(c, "%s /api/v1/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n%sContent-Length: %d\r\n\r\n%s", method, path, basic(), header, len(body), body)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode >= 300 {
				t.Fatalf("%s %s: %v, %v", method, path, res, err)
			}
			if res.ContentLength > 0 {
				io.Copy(io.Discard, res.Body)
			}
		}
		ask("PUT", "files/k", "", mgmttest.BzImage)
		ask("POST", "vms", "Content-Type: application/json\r\n", `{"name":"web","cpus":1,"memoryMiB":64,"boot":{"kernel":"k"}}`)
		ask("GET", "vms/web/console", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "")
		con := h.VMs().List()[0].Console()
		const n = 2 * host.ConsoleInputSize // more than the machine, which is off, will ever take
		c.Write(append([]byte{0x82, 0x80 | 126, n >> 8, 0, 0, 0, 0, 0}, make([]byte, n)...))
		synctest.Wait()
		if con.Readers() != 1 || con.Pending() != host.ConsoleInputSize {
			t.Fatalf("%d readers, %d bytes wait", con.Readers(), con.Pending())
		}
		c.NetConn().Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		if con.Readers() != 0 {
			t.Error("the reader that is gone keeps its place")
		}
	})
}

func hostEvent(kind string) host.Event { return host.Event{Kind: kind} }

func contains(s, sub string) bool { return strings.Contains(s, sub) }
