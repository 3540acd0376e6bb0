package mgmt_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coder/websocket"

	"basalt/mgmt"
	"basalt/mgmt/client"
	"basalt/mgmt/mgmttest"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// spaces is an endless JSON body.
type spaces struct{ n *atomic.Int64 }

func (s spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	s.n.Add(int64(len(p)))
	return len(p), nil
}

// dial opens a TLS connection that speaks HTTP/1.1.
func dial(t *testing.T, f *mgmttest.Fixture) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", f.Addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestHugeJSON(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	const huge = 100 << 20
	for _, path := range []string{"/api/v1/vms", "/api/v1/tokens"} {
		// HTTP/2
		var sent atomic.Int64
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+f.Addr+path, io.LimitReader(spaces{&sent}, huge))
		r.ContentLength = huge
		r.SetBasicAuth("root", mgmttest.Password)
		res, err := f.Client.HTTP().Do(r)
		if err != nil || res.StatusCode != 413 {
			t.Errorf("%s over HTTP/2: %v, %v", path, res, err)
		} else {
			res.Body.Close()
		}
		if n := sent.Load(); n > 8<<20 {
			t.Errorf("%s: %d bytes were taken", path, n)
		}
		// HTTP/1.1 in chunks, without a declared size
		c := dial(t, f)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nTransfer-Encoding: chunked\r\n\r\n", path, basic())
		go func() {
			block := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat(" ", 1<<20))
			for range 100 {
				if _, err := io.WriteString(c, block); err != nil {
					return
				}
			}
		}()
		h1, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || h1.StatusCode != 413 {
			t.Errorf("%s over HTTP/1.1: %v, %v", path, h1, err)
		}
	}
	if _, err := f.Client.Host(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestHugeHeader(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	c := dial(t, f)
	go fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 1<<20))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 431 {
		t.Errorf("%v, %v", res, err)
	}
}

// TestThousandConnections: a thousand connections that never speak do not keep
// others out, and the host holds only a bounded number of them.
func TestThousandConnections(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{MaxConnections: 64})
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range 1000 {
		c, err := net.Dial("tcp", f.Addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	fresh := f.As(t, client.Options{User: "root", Password: mgmttest.Password})
	if _, err := fresh.Host(t.Context()); err != nil {
		t.Errorf("a client among a thousand: %v", err)
	}
	_, m := raw(t, f, "GET", "/metrics", "")
	var open, evicted float64
	for line := range strings.Lines(m) {
		fmt.Sscanf(line, "basalt_api_connections %g", &open)
		fmt.Sscanf(line, "basalt_api_connections_evicted_total %g", &evicted)
	}
	if open > 64 || evicted < 900 {
		t.Errorf("%g connections are open, %g were evicted", open, evicted)
	}
}

// TestParallelRequests: a thousand requests at once over a client that shares its
// connections are all answered; a client that opens a connection for each is
// refused some. None hangs, and the host carries on.
func TestParallelRequests(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{MaxConnections: 64})
	thousand := func(do func() error) int64 {
		var wg sync.WaitGroup
		var ok atomic.Int64
		for range 1000 {
			wg.Go(func() {
				if do() == nil {
					ok.Add(1)
				}
			})
		}
		wg.Wait()
		return ok.Load()
	}
	shared := func() error { _, err := f.Client.VMs(t.Context()); return err }
	if n := thousand(shared); n != 1000 {
		t.Errorf("%d of 1000 requests on shared connections were answered", n)
	}
	tls13 := &tls.Config{InsecureSkipVerify: true}
	if n := thousand(func() error {
		c := http.Client{Transport: &http.Transport{TLSClientConfig: tls13, DisableKeepAlives: true}}
		res, err := c.Get("https://" + f.Addr + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err
	}); n == 0 {
		t.Error("none of 1000 parallel connections was answered")
	}
	if err := shared(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestThousandWrongPasswords(t *testing.T) {
	var now atomic.Int64
	now.Store(1_800_000_000)
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	anon := f.As(t, client.Options{})
	count := map[int]int{}
	for i := range 1000 {
		_, err := anon.Login(t.Context(), "root", fmt.Sprint("wrong", i), 0)
		count[status(err)]++
		var e *client.Error
		if errors.As(err, &e) && e.Status == 429 && (e.RetryAfter == "" || e.Instance == "") {
			t.Fatalf("no Retry-After: %+v", e)
		}
	}
	if count[401] != 4 || count[429] != 996 {
		t.Errorf("answers: %v", count)
	}
	if _, err := anon.Login(t.Context(), "root", mgmttest.Password, 0); status(err) != 429 {
		t.Errorf("right password at once: %v", err)
	}
	h, err := f.Client.Host(t.Context())
	if err != nil || h.FailedLogins != 4 {
		t.Errorf("the token while its address is closed: %+v, %v", h, err)
	}
	now.Add(31)
	if _, err := anon.Login(t.Context(), "root", mgmttest.Password, 0); err != nil {
		t.Errorf("right password after the wait: %v", err)
	}
}

func TestCutUpload(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	f.Put(t, "keep", "old")
	before := f.Host.Info().MemoryFree
	boom := errors.New("the cable was pulled")
	for _, path := range []string{"new", "keep"} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", 5<<20)), iotest.ErrReader(boom))
		if _, err := f.Client.PutFile(t.Context(), path, body, 20<<20, false); err == nil {
			t.Error("a cut upload succeeded")
		}
		c := dial(t, f)
		fmt.Fprintf(c, "PUT /api/v1/files/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 20000000\r\n\r\n%s", path, basic(), strings.Repeat("x", 1<<20))
		c.Close()
	}
	for f.Host.Info().MemoryFree != before {
		runtime.Gosched() // until the server has noticed
	}
	l, err := f.Client.Files(t.Context(), "")
	if err != nil || len(l.Files) != 1 || l.Files[0].Bytes != 3 {
		t.Errorf("files after cut uploads: %+v, %v", l, err)
	}
	// What does not fit is refused before it is sent.
	var sent atomic.Int64
	if _, err := f.Client.PutFile(t.Context(), "big", spaces{&sent}, 1<<40, false); status(err) != 507 || sent.Load() > 1<<20 {
		t.Errorf("1 TiB: %v after %d bytes", err, sent.Load())
	}
	c := dial(t, f)
	fmt.Fprintf(c, "PUT /api/v1/files/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", basic())
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 411 {
		t.Errorf("no size: %v, %v", res, err)
	}
}

func TestRanges(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	f.Put(t, "d/x", "0123456789")
	auth := []string{"Authorization", "Basic " + basic()}
	res, b := raw(t, f, "GET", "/api/v1/files/d/x", "", append(auth, "Range", "bytes=2-4")...)
	if res.StatusCode != 206 || b != "234" {
		t.Errorf("range: %d %q", res.StatusCode, b)
	}
	tag := res.Header.Get("ETag")
	if res, _ = raw(t, f, "GET", "/api/v1/files/d/x", "", append(auth, "If-None-Match", tag)...); res.StatusCode != 304 {
		t.Errorf("unchanged: %d", res.StatusCode)
	}
	if res, _ = raw(t, f, "GET", "/api/v1/files/d/x", "", append(auth, "Range", "bytes=20-")...); res.StatusCode != 416 {
		t.Errorf("beyond: %d", res.StatusCode)
	}
	if res, b = raw(t, f, "HEAD", "/api/v1/files/d/x", "", auth...); res.StatusCode != 200 || res.ContentLength != 10 || b != "" {
		t.Errorf("head: %d %d", res.StatusCode, res.ContentLength)
	}
}

// TestConsoleReaders: two readers see the same, a stalled one holds nobody up and
// is told what it missed, input comes from both.
func TestConsoleReaders(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	ctx := t.Context()
	f.Put(t, "k/vmlinuz", mgmttest.BzImage)
	vm, _ := f.Client.CreateVM(ctx, create())
	one, err := f.Client.Console(ctx, vm.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer one.CloseNow()
	two, err := f.Client.Console(ctx, "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer two.CloseNow()
	if _, err := f.Client.Act(ctx, vm.ID, "start"); err != nil {
		t.Fatal(err)
	}
	one.Write(ctx, websocket.MessageBinary, []byte("from one\r"))
	two.Write(ctx, websocket.MessageBinary, []byte("from two\r"))
	for i, ws := range []*websocket.Conn{one, two} {
		var got string
		for !strings.Contains(got, "from one") || !strings.Contains(got, "from two") {
			_, p, err := ws.Read(ctx)
			if err != nil {
				t.Fatalf("reader %d: %v after %q", i, err, got)
			}
			got += string(p)
		}
	}
	// Nobody reads two any more; the guest writes more than all buffers hold.
	fvm, _ := f.Host.VMs().Get(vm.ID)
	block := []byte(strings.Repeat("y", 64<<10))
	done := make(chan int)
	go func() {
		n := 0
		for n < 64<<20 {
			_, p, err := one.Read(ctx)
			if err != nil {
				break
			}
			n += len(p)
			if strings.Contains(string(p), "END") {
				break
			}
		}
		done <- n
	}()
	for range 1024 {
		fvm.Console().Write(block)
	}
	fvm.Console().Write([]byte("END"))
	<-done
	var told bool
	for !told {
		_, p, err := two.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		told = strings.Contains(string(p), "bytes were skipped")
	}
	// Deleting the machine ends its readers.
	if _, err := f.Client.Act(ctx, vm.ID, "stop"); err != nil {
		t.Fatal(err)
	}
	if err := f.Client.DeleteVM(ctx, vm.ID); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := two.Read(ctx); err != nil {
			break
		}
	}
	if vm, err = f.Client.CreateVM(ctx, create()); err != nil {
		t.Fatal(err)
	}
	for range host.MaxConsoleReaders {
		ws, err := f.Client.Console(ctx, vm.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
	}
	if _, err := f.Client.Console(ctx, vm.ID, 0); status(err) != 503 {
		t.Errorf("one reader too many: %v", err)
	}
}

func TestForeignSite(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	auth := []string{"Authorization", "Basic " + basic()}
	if res, _ := raw(t, f, "POST", "/api/v1/vms", "{}", append(auth, "Sec-Fetch-Site", "cross-site")...); res.StatusCode != 403 {
		t.Errorf("cross-site POST: %d", res.StatusCode)
	}
	if res, _ := raw(t, f, "DELETE", "/api/v1/vms/x", "", append(auth, "Origin", "https://evil.example")...); res.StatusCode != 403 {
		t.Errorf("foreign origin: %d", res.StatusCode)
	}
	res, _ := raw(t, f, "GET", "/healthz", "", "X", "y")
	for _, h := range []string{"Strict-Transport-Security", "X-Content-Type-Options", "Content-Security-Policy", "X-Request-Id", "Cache-Control"} {
		if res.Header.Get(h) == "" {
			t.Errorf("no %s", h)
		}
	}
	if res, b := raw(t, f, "GET", "/debug/pprof/goroutine?debug=1", ""); res.StatusCode != 200 || !strings.Contains(b, "goroutine profile") {
		t.Errorf("pprof: %d", res.StatusCode)
	}
	if res, _ := raw(t, f, "GET", "/debug/pprof/profile?seconds=9999", ""); res.StatusCode != 422 {
		t.Errorf("long profile: %d", res.StatusCode)
	}
}

func TestOnlyTLS13(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{})
	_, err := tls.Dial("tcp", f.Addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

// TestSlowLoginsKeepNobodyOut: requests without a login that never end do not hold
// the connections that others need.
func TestSlowLoginsKeepNobodyOut(t *testing.T) {
	const most = 32
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{MaxConnections: most})
	for range most - most/4 { // all that one address may have
		c := dial(t, f)
		// The server asks for the body when the request is under way.
		fmt.Fprint(c, "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	fresh := f.As(t, client.Options{User: "root", Password: mgmttest.Password})
	if _, err := fresh.Host(t.Context()); err != nil {
		t.Errorf("root, beside logins that never end: %v", err)
	}
}
