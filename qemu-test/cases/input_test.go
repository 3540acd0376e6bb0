package cases

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// inputRows are what a person or an enemy may send. Each runs against one host,
// which has to say what is wrong and carry on.
var inputRows = []struct {
	name string
	run  func(t *testing.T, n *node)
}{
	{"not-a-kernel", notAKernel},
	{"truncated-bzimage", truncatedKernel},
	{"initrd-larger-than-memory", bigInitrd},
	{"memory-larger-than-free", bigMemory},
	{"cpus", cpuNumbers},
	{"unknown-fields", unknownFields},
	{"100-MB-of-JSON", hugeJSON},
	{"upload-larger-than-memory", hugeUpload},
	{"upload-cut", cutUpload},
	{"connections", manyConnections},
	{"slow-loris", slowLoris},
	{"start-while-starting", startTwice},
	{"delete-while-running", deleteRunning},
	// Last: this computer's address has to wait after it.
	{"wrong-password", wrongPassword},
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	n := boot(t, harness.Machine{CPUs: 2, MemMiB: 512, Limit: 5 * time.Minute})
	n.put(t, "hello", guests.Build("hello"))
	before := n.alive(t)
	for _, c := range inputRows {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, n)
			if c.name == "wrong-password" {
				return
			}
			n.alive(t)
		})
	}
	if h, err := n.api.Health(n.ctx); err != nil || h.Status != "ok" {
		t.Errorf("%+v, %v", h, err)
	}
	h := before
	if c, err := client.New(client.Options{Address: n.address, Fingerprint: n.fingerprint, Token: n.token}); err == nil {
		defer c.Close()
		if h, err = c.Host(n.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if lost := int64(before.MemoryFreeBytes) - int64(h.MemoryFreeBytes); lost > 48<<20 || h.VMs != 0 {
		t.Errorf("%d MiB did not come back, %d machines are left", lost>>20, h.VMs)
	}
	if matches(`level=ERROR|PANIC|http: panic`, n.Log()) {
		t.Error("the host's log has errors")
	}
}

// machine creates a machine that the host should refuse.
func (n *node) refuses(t *testing.T, in wire.VMCreate, status int, words ...string) {
	t.Helper()
	vm, err := n.api.CreateVM(n.ctx, in)
	if err == nil {
		t.Errorf("machine %+v was created", in)
		_ = n.api.DeleteVM(n.ctx, vm.ID)
		return
	}
	refused(t, err, status, words...)
}

func notAKernel(t *testing.T, n *node) {
	n.put(t, "text", []byte("#!/bin/sh\necho no kernel\n"))
	n.put(t, "empty", nil)
	in := wire.VMCreate{Name: "bad", CPUs: 1, MemoryMiB: 32, Boot: wire.Boot{Kernel: "text"}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "not a bzImage, a PVH ELF file or a Multiboot image")
	in.Boot.Kernel = "empty"
	n.refuses(t, in, http.StatusUnprocessableEntity, "the kernel is empty")
	in.Boot.Kernel = "none"
	n.refuses(t, in, http.StatusUnprocessableEntity, "none", "not found")
}

// truncatedKernel has the header of a Debian kernel and a part of the rest.
func truncatedKernel(t *testing.T, n *node) {
	k, err := os.ReadFile(built("guests/vmlinuz"))
	if err != nil {
		t.Fatalf("%v (make guests)", err)
	}
	n.put(t, "cut", k[:len(k)/3])
	vm, err := n.api.CreateVM(n.ctx, wire.VMCreate{Name: "cut", CPUs: 1, MemoryMiB: 128, Boot: wire.Boot{Kernel: "cut"}})
	if err != nil {
		refused(t, err, http.StatusUnprocessableEntity, "truncated")
		return
	}
	defer n.api.DeleteVM(n.ctx, vm.ID)
	_, err = n.api.Act(n.ctx, vm.ID, "start")
	refused(t, err, http.StatusUnprocessableEntity, "truncated")
	if vm, err := n.api.VM(n.ctx, vm.ID); err != nil || vm.State != "off" {
		t.Errorf("%+v, %v", vm, err)
	}
}

func bigInitrd(t *testing.T, n *node) {
	n.put(t, "initrd", make([]byte, 40<<20))
	defer n.api.RemoveFile(n.ctx, "initrd")
	n.refuses(t, wire.VMCreate{Name: "bad", CPUs: 1, MemoryMiB: 32, Boot: wire.Boot{Kernel: "hello", Initrd: "initrd"}},
		http.StatusUnprocessableEntity, "the images have 41 MiB, the machine has 32")
}

func bigMemory(t *testing.T, n *node) {
	in := wire.VMCreate{Name: "bad", CPUs: 1, MemoryMiB: 4096, Boot: wire.Boot{Kernel: "hello"}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "memoryMiB", "4096")
	in.MemoryMiB = 1 << 30
	n.refuses(t, in, http.StatusUnprocessableEntity, "memoryMiB")
	in.MemoryMiB = 0
	n.refuses(t, in, http.StatusUnprocessableEntity, "memoryMiB")
	// Two that fit alone, and not together.
	in.MemoryMiB = 250
	in.Name = "first"
	n.put(t, "spin", guests.Build("spin"))
	in.Boot.Kernel = "spin"
	g := n.create(t, in)
	g.act("start")
	in.Name = "second"
	vm, err := n.api.CreateVM(n.ctx, in)
	if err == nil {
		_, err = n.api.Act(n.ctx, vm.ID, "start")
		defer n.api.DeleteVM(n.ctx, vm.ID)
	}
	var e *client.Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "free") {
		t.Errorf("the second machine: %v", err)
	}
	g.act("stop")
}

func cpuNumbers(t *testing.T, n *node) {
	for _, cpus := range []int{0, -1, 65, 10000} {
		n.refuses(t, wire.VMCreate{Name: "bad", CPUs: cpus, MemoryMiB: 32, Boot: wire.Boot{Kernel: "hello"}}, http.StatusUnprocessableEntity, "cpus")
	}
}

// post sends a body as JSON and gives the answer's status and text.
func (n *node) post(t *testing.T, path string, body io.Reader, size int64) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(n.ctx, http.MethodPost, "https://"+n.address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	r.SetBasicAuth("root", n.password)
	r.Header.Set("Content-Type", "application/json")
	res, err := n.api.HTTP().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	return res.StatusCode, string(b)
}

func unknownFields(t *testing.T, n *node) {
	for body, words := range map[string]string{
		`{"name":"bad","cpus":1,"memoryMiB":32,"boot":{"kernel":"hello"},"colour":"red"}`: "colour",
		`{"name":"bad","cpus":1,"memoryMiB":32,"boot":{"kernel":"hello","disk":"x"}}`:     "disk",
		`{"name":"bad","cpus":"one","memoryMiB":32,"boot":{"kernel":"hello"}}`:            "cpus",
		`{"name":"../bad","cpus":1,"memoryMiB":32,"boot":{"kernel":"hello"}}`:             "name",
		`{"name":`: "",
		`[]`:       "",
	} {
		status, text := n.post(t, "/api/v1/vms", strings.NewReader(body), int64(len(body)))
		if status != http.StatusUnprocessableEntity && status != http.StatusBadRequest || !strings.Contains(text, words) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

// hugeJSON is refused long before its end.
func hugeJSON(t *testing.T, n *node) {
	const huge = 100 << 20
	body := &counted{}
	if status, text := n.post(t, "/api/v1/vms", body, huge); status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", status, text)
	}
	if body.sent() > huge/4 {
		t.Errorf("%d bytes were taken", body.sent())
	}
}

// counted is a body of blanks that counts what was taken of it.
type counted struct {
	mu sync.Mutex
	n  int64
}

func (c *counted) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += int64(len(p))
	copy(p, bytes.Repeat([]byte{' '}, len(p)))
	return len(p), nil
}

func (c *counted) sent() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// hugeUpload does not fit and is refused before its first byte.
func hugeUpload(t *testing.T, n *node) {
	body := &counted{}
	_, err := n.api.PutFile(n.ctx, "huge", body, 8<<30, false)
	refused(t, err, http.StatusInsufficientStorage, "does not fit", "free")
	if body.sent() > 1<<20 {
		t.Errorf("%d bytes were sent", body.sent())
	}
}

// tls1 is a connection that speaks HTTP/1.1, after ctx's own time.
func (n *node) tls1(ctx context.Context) (*tls.Conn, error) {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}
	c, err := d.DialContext(ctx, "tcp", n.address)
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}

// cutUpload ends in the middle: nothing of it stays.
func cutUpload(t *testing.T, n *node) {
	c, err := n.tls1(n.ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest(http.MethodPut, "https://"+n.address+"/", nil)
	r.SetBasicAuth("root", n.password)
	fmt.Fprintf(c, "PUT /api/v1/files/half HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 20000000\r\n\r\n", r.Header.Get("Authorization"))
	if _, err := c.Write(make([]byte, 5<<20)); err != nil {
		t.Error(err)
	}
	c.Close()
	files, err := n.api.Files(n.ctx, "half")
	if err != nil || len(files.Files) != 0 {
		t.Errorf("%+v, %v", files, err)
	}
	// The same name can be used again.
	n.put(t, "half", []byte("whole"))
	if err := n.api.RemoveFile(n.ctx, "half"); err != nil {
		t.Error(err)
	}
}

// manyConnections opens one after the other, because the emulator's network
// queues few, and leaves them open: the host drops the ones that wait the longest.
func manyConnections(t *testing.T, n *node) {
	const many = 1000
	var conns []*tls.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range many {
		ctx, cancel := context.WithTimeout(n.ctx, time.Minute)
		c, err := n.tls1(ctx)
		cancel()
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
	}
	last := conns[len(conns)-1]
	fmt.Fprintf(last, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(last), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the last connection: %v, %v", res, err)
	}
}

// slowLoris: connections that send a header without end take no place from others.
func slowLoris(t *testing.T, n *node) {
	for i := range 50 {
		c, err := n.tls1(n.ctx)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	}
	n.alive(t)
}

func startTwice(t *testing.T, n *node) {
	n.put(t, "spin", guests.Build("spin"))
	g := n.create(t, wire.VMCreate{Name: "twice", MemoryMiB: 64, Boot: wire.Boot{Kernel: "spin"}})
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			_, err := n.api.Act(n.ctx, g.id, "start")
			errs <- err
		}()
	}
	good := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			good++
		} else {
			refused(t, err, http.StatusConflict)
		}
	}
	if vm := g.show(); good != 1 || vm.State != "running" {
		t.Errorf("%d of the starts succeeded, the machine is %s", good, vm.State)
	}
}

func deleteRunning(t *testing.T, n *node) {
	g := n.micro(t, "loop-cpuid")
	refused(t, n.api.DeleteVM(n.ctx, g.id), http.StatusConflict, "running")
	if vm := g.show(); vm.State != "running" {
		t.Errorf("state %s", vm.State)
	}
}

// wrongPassword is tried a thousand times: all are refused and counted, soon only
// with the advice to wait; a session that is open goes on.
func wrongPassword(t *testing.T, n *node) {
	tok, err := n.api.Login(n.ctx, "root", n.password, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	n.token = tok.Token
	bad, err := client.New(client.Options{Address: n.address, Fingerprint: n.fingerprint, User: "root", Password: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	denied, delayed := 0, 0
	for range 1000 {
		_, err := bad.Host(n.ctx)
		var e *client.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		switch e.Status {
		case http.StatusUnauthorized:
			denied++
		case http.StatusTooManyRequests:
			delayed++
			if e.RetryAfter == "" {
				t.Fatal("no Retry-After")
			}
		default:
			t.Fatal(err)
		}
	}
	if denied == 0 || delayed < 900 {
		t.Errorf("%d were denied, %d had to wait", denied, delayed)
	}
	open, err := client.New(client.Options{Address: n.address, Fingerprint: n.fingerprint, Token: n.token})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	h, err := open.Host(n.ctx)
	if err != nil || h.FailedLogins < uint64(denied) {
		t.Errorf("%d failed logins are counted: %v", h.FailedLogins, err)
	}
}

// TestNICGoesAway pulls the cable of the host's only NIC and puts it back: nobody
// can ask the host in between, its guest runs on, and then it answers again.
func TestNICGoesAway(t *testing.T) {
	t.Parallel()
	for _, nic := range []string{"virtio-net-pci", "e1000e"} {
		t.Run(nic, func(t *testing.T) {
			t.Parallel()
			n := boot(t, harness.Machine{CPUs: 2, NIC: nic + ",id=nic"})
			n.put(t, "micro/loop-cpuid", guests.Build("loop-cpuid"))
			g := n.micro(t, "loop-cpuid")
			exits := g.show().ExitsTotal
			link := func(up bool) {
				t.Helper()
				if _, err := n.QMP("set_link", map[string]any{"name": "nic", "up": up}); err != nil {
					t.Fatal(err)
				}
			}
			link(false)
			n.api.Close()
			ctx, cancel := context.WithTimeout(n.ctx, 3*time.Second)
			if _, err := n.api.Health(ctx); err == nil {
				t.Error("the host answered without a link")
			}
			cancel()
			link(true)
			n.api.Close()
			n.alive(t)
			g.progress(exits)
			n.quiet(t)
		})
	}
}
