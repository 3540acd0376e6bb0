package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"basalt/mgmt/client"
	"basalt/qemu-test/harness"
)

// host is a machine that runs the suite: an engine each.
type host struct {
	engine  string
	machine harness.Machine
}

var hosts = []host{
	// Guests run on two of the three: see package harness, known failures.
	{"amd-v", harness.Machine{Kernel: "build/basalt.elf", CPUs: 3, MemMiB: 2048, Append: "password=" + password}},
	// Of the models of Bochs without AVX-512 this is the one with SMAP.
	{"vt-x", harness.Machine{Emulator: harness.Bochs, CPUModel: "broadwell_ult", Disk: "build/basalt.img", MIPS: 100, MemMiB: 2048}},
}

const password = "kvm-unit-tests"

// on runs the suite on one host and gives each row to report. A host that does not
// answer any more is that test's failure; the next test gets a new one.
func (s *suite) on(ctx context.Context, h host, report func(row)) error {
	dir, err := filepath.Abs(filepath.Join(s.keep, h.engine))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // the logs of an earlier run are not this one's
		return err
	}
	var n *node
	defer func() { n.stop() }()
	for _, t := range tests {
		if !s.only.MatchString(t.name) {
			continue
		}
		if t.only != "" && t.only != h.engine {
			report(row{t, h.engine, result{none, t.why}, 0})
			continue
		}
		b, built, err := s.image(t)
		if err != nil {
			return err
		}
		if !built {
			report(row{t, h.engine, result{none, "no " + t.image + ".flat there" + t.build}, 0})
			continue
		}
		if n == nil {
			if n, err = s.start(ctx, h, dir); err != nil {
				return err
			}
		}
		start := time.Now()
		r, err := s.guest(ctx, n, h.engine, t, b)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r = result{fail, fmt.Sprintf("the host: %v; its log ends with:\n%s", err, harness.Tail(n.machine.Log(), 15))}
			n.stop()
			n = nil
		}
		report(row{t, h.engine, r, time.Since(start)})
	}
	return nil
}

// node is a host that runs.
type node struct {
	api     *client.Client
	machine *harness.Running
	dir     string
	sent    map[string]bool
}

func (n *node) stop() {
	if n != nil {
		n.api.Close()
		n.machine.Stop()
	}
}

// start starts a host; its logs go to a folder in dir.
func (s *suite) start(ctx context.Context, h host, dir string) (*node, error) {
	m := h.machine
	m.Forward, m.Limit = []int{443}, 12*time.Hour // each test has a limit of its own
	s.mu.Lock()
	s.started++
	m.Dir = filepath.Join(dir, fmt.Sprintf("host-%d", s.started))
	s.mu.Unlock()
	r, err := m.Start(ctx)
	if err != nil {
		return nil, err
	}
	c, err := login(ctx, r, m)
	if err != nil {
		r.Stop()
		return nil, fmt.Errorf("%w\nthe host's log ends with:\n%s", err, harness.Tail(r.Log(), 15))
	}
	return &node{c, r, dir, map[string]bool{}}, nil
}

// send puts an image on the host, once.
func (n *node) send(ctx context.Context, name string, b []byte) error {
	if n.sent[name] {
		return nil
	}
	_, err := n.api.PutFile(ctx, name, bytes.NewReader(b), int64(len(b)), false)
	n.sent[name] = err == nil
	return err
}

// login waits for the host's API.
func login(ctx context.Context, r *harness.Running, m harness.Machine) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	f, err := r.WaitFor(ctx, `certificate SHA-256 ([0-9A-F:]{95})`)
	if err != nil {
		return nil, err
	}
	pass := password
	if m.Kernel == "" {
		p, err := r.WaitFor(ctx, `password of root for this boot: ([^" ]+)"`)
		if err != nil {
			return nil, err
		}
		pass = p[1]
	}
	if _, err := r.WaitFor(ctx, `msg=ready`); err != nil {
		return nil, err
	}
	return client.New(client.Options{Address: fmt.Sprintf("127.0.0.1:%d", r.Ports[0]), Fingerprint: f[1], User: "root", Password: pass})
}
