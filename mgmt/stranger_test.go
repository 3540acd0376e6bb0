package mgmt_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/client"
	"basalt/mgmt/mgmttest"
	"basalt/vmkernel/host/fakehost"
)

// frame writes one HTTP/2 frame (RFC 9113, 4.1).
func frame(b *bytes.Buffer, kind, flags byte, stream uint32, payload []byte) {
	b.Write([]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags})
	b.Write(binary.BigEndian.AppendUint32(nil, stream))
	b.Write(payload)
}

// TestStrangersWithoutWindow: clients that ask a lot without a login and take no
// answer keep a bounded number of requests, and others can log in and go on.
func TestStrangersWithoutWindow(t *testing.T) {
	const conns, streams, bound = 8, 64, 256
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	var reset atomic.Int64
	var wg sync.WaitGroup
	enough := make(chan struct{})
	defer wg.Wait() // after all are closed
	for range conns {
		c, err := tls.Dial("tcp", f.Addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		frame(&b, 4, 0, 0, []byte{0, 4, 0, 0, 0, 0}) // SETTINGS: an initial window of 0
		for i := range uint32(streams) {
			frame(&b, 1, 4|1, 2*i+1, append([]byte{0x82, 0x87, 0x04, 8}, "/healthz"...)) // HEADERS: GET https /healthz
		}
		if _, err := c.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for {
				var h [9]byte
				if _, err := io.ReadFull(c, h[:]); err != nil {
					return
				}
				if _, err := io.CopyN(io.Discard, c, int64(h[0])<<16|int64(h[1])<<8|int64(h[2])); err != nil {
					return
				}
				if h[3] == 3 && reset.Add(1) == conns*streams-bound {
					close(enough)
				}
			}
		})
		defer c.Close()
	}
	<-enough // every request beyond the bound is dropped
	if n := reset.Load(); n > conns*streams-bound {
		t.Errorf("%d of %d streams were dropped, want those beyond %d", n, conns*streams, bound)
	}
	if _, err := f.Client.Host(t.Context()); err != nil {
		t.Errorf("who is logged in: %v", err)
	}
	if _, err := f.As(t, client.Options{}).Login(t.Context(), "root", mgmttest.Password, 0); err != nil {
		t.Errorf("who wants to log in: %v", err)
	}
}

// TestStrangersBodyIsDropped: what a client without a login sends beside its request
// is not kept while it takes no answer; a MiB for each connection would be more than
// the host has.
func TestStrangersBodyIsDropped(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	for name, request := range map[string][]byte{
		"refused":        append([]byte{0x83, 0x87, 0x04, 11}, "/api/v1/vms"...), // POST https
		"without a body": append([]byte{0x82, 0x87, 0x04, 8}, "/healthz"...),     // GET https
	} {
		c, err := tls.Dial("tcp", f.Addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second)) // before the host gives its answer up
		data := make([]byte, 16<<10)
		var b bytes.Buffer
		b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		frame(&b, 4, 0, 0, []byte{0, 4, 0, 0, 0, 0}) // SETTINGS: an initial window of 0
		frame(&b, 1, 4, 1, request)                  // HEADERS, a body follows
		if _, err := c.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		for answered := false; ; {
			var h [9]byte
			if _, err := io.ReadFull(c, h[:]); err != nil {
				t.Fatalf("%s: the body is kept: %v", name, err)
			}
			if _, err := io.CopyN(io.Discard, c, int64(h[0])<<16|int64(h[1])<<8|int64(h[2])); err != nil {
				t.Fatal(err)
			}
			if h[3] == 1 { // the answer's HEADERS; its DATA wait for our window
				answered = true
				b.Reset()
				frame(&b, 0, 0, 1, data)
				c.Write(b.Bytes())
			}
			if answered && h[3] == 8 && h[8] == 0 { // WINDOW_UPDATE of the connection
				break
			}
		}
	}
}

func TestLoginBodyIsSmall(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	res, err := f.As(t, client.Options{}).HTTP().Post("https://"+f.Addr+"/api/v1/tokens", "application/json", bytes.NewReader(make([]byte, 8<<10)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a login of 8 KiB: %s", res.Status)
	}
}
