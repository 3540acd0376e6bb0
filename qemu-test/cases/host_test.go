package cases

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
	"basalt/qemu-test/harness"
)

// password is root's on hosts that are started with a command line; a host from
// the disk image makes one and says it on its console.
const password = "basalt-cases"

// node is a host that answers its API.
type node struct {
	*harness.Running
	t           *testing.T
	ctx         context.Context
	api         *client.Client
	address     string
	fingerprint string
	password    string
	token       string // of a session, where a test needs one
}

// boot starts a host and waits until its API is ready; what the serial line says
// is then the only trust that the client needs.
func boot(t *testing.T, m harness.Machine) *node {
	t.Helper()
	m.Forward = []int{443}
	if m.Kernel == "" && m.Disk == "" {
		m.Kernel = built("basalt.elf")
	}
	n := &node{t: t}
	if m.Kernel != "" {
		n.password = password
		// What follows "--" are the program's own arguments.
		settings, args, _ := strings.Cut(m.Append, "-- ")
		m.Append = strings.TrimSpace(settings + " password=" + password)
		if args != "" {
			m.Append += " -- " + args
		}
	}
	n.Running, n.ctx = start(t, m)
	n.fingerprint = n.line(`certificate SHA-256 ([0-9A-F:]{95})`)[1]
	if n.password == "" {
		n.password = n.line(`password of root for this boot: ([^" ]+)"`)[1]
	}
	n.line(`msg=ready`)
	n.address = fmt.Sprintf("127.0.0.1:%d", n.Ports[0])
	c, err := client.New(client.Options{Address: n.address, Fingerprint: n.fingerprint, User: "root", Password: n.password})
	if err != nil {
		t.Fatal(err)
	}
	n.api = c
	t.Cleanup(c.Close)
	return n
}

// line waits for a pattern on the host's serial line.
func (n *node) line(pattern string) []string {
	n.t.Helper()
	m, err := n.WaitFor(n.ctx, pattern)
	if err != nil {
		n.t.Fatal(err)
	}
	return m
}

// alive asks for the host's health and facts, which have to be those of a host
// that can work.
func (n *node) alive(t *testing.T) wire.Host {
	t.Helper()
	ctx, cancel := context.WithTimeout(n.ctx, 2*time.Minute)
	defer cancel()
	if h, err := n.api.Health(ctx); err != nil || h.Status != "ok" {
		t.Fatalf("health: %+v, %v", h, err)
	}
	h, err := n.api.Host(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// quiet says that nothing went wrong on the host so far.
func (n *node) quiet(t *testing.T) {
	t.Helper()
	if bad := regexp.MustCompile(`(?m)^.*(PANIC|panic:|fatal error|level=ERROR|http: panic).*$`).Find(n.Log()); bad != nil {
		t.Errorf("the host's log has %q", bad)
	}
}

// facts checks what every host says of itself.
func (n *node) facts(t *testing.T, m harness.Machine) wire.Host {
	t.Helper()
	h := n.alive(t)
	engine := "amd-v"
	if m.Emulator == harness.Bochs {
		engine = "vt-x"
	}
	cpus, mem := max(m.CPUs, 1), m.MemMiB
	if mem == 0 {
		mem = 512
	}
	if h.Product != "Basalt" || h.Engine != engine || !h.CanRunVMs || h.Reason != "" || h.CPUs != cpus {
		t.Errorf("want %d CPUs, engine %s; the host says %+v", cpus, engine, h)
	}
	if got := int(h.MemoryTotalBytes >> 20); got < mem-8 || got > mem {
		t.Errorf("%d MiB of memory, want about %d", got, mem)
	}
	if h.MemoryFreeBytes == 0 || h.MemoryFreeBytes >= h.MemoryTotalBytes {
		t.Errorf("%d of %d bytes are free", h.MemoryFreeBytes, h.MemoryTotalBytes)
	}
	if len(h.Addresses) == 0 || !strings.HasPrefix(h.Addresses[0], "10.0.2.15/24") {
		t.Errorf("addresses %v", h.Addresses)
	}
	if h.Fingerprint != n.fingerprint {
		t.Errorf("fingerprint %s, the console says %s", h.Fingerprint, n.fingerprint)
	}
	if h.TimeToReadySeconds <= 0 || h.UptimeSeconds < h.TimeToReadySeconds || h.Version == "" || h.CPUModel == "" || len(h.Leaks) < 4 {
		t.Errorf("%+v", h)
	}
	if age := time.Since(h.BootTime); age < 0 && age < -time.Hour || age > 48*time.Hour {
		t.Errorf("boot time %v", h.BootTime)
	}
	return h
}

// refused is a request's error that has to be the host's refusal with this status
// and with words in its text.
func refused(t *testing.T, err error, status int, words ...string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a refusal with status %d", err, status)
		return
	}
	if e.Status != status {
		t.Errorf("status %d (%v), want %d", e.Status, err, status)
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			t.Errorf("%q does not say %q", e.Error(), w)
		}
	}
}
