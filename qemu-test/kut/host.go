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

// hosts are the machines that run the suite: an engine each.
var hosts = []struct {
	engine  string
	machine harness.Machine
}{
	// Guests run on two of the three: see package harness, known failures.
	{"amd-v", harness.Machine{Kernel: "build/basalt.elf", CPUs: 3, MemMiB: 2048, Append: "password=" + password}},
	{"vt-x", harness.Machine{Emulator: harness.Bochs, Disk: "build/basalt.img", MIPS: 100, MemMiB: 2048}},
}

const password = "kvm-unit-tests"

// on runs the suite on one host and prints its table. It gives the number of tests
// that failed without a known reason.
func (s *suite) on(ctx context.Context, h struct {
	engine  string
	machine harness.Machine
}) (failed int, err error) {
	m := h.machine
	m.Forward, m.Limit = []int{443}, 2*time.Hour
	if m.Dir, err = filepath.Abs(filepath.Join(s.keep, h.engine)); err != nil {
		return 0, err
	}
	if err := os.RemoveAll(m.Dir); err != nil { // the log of an earlier run is not this host's
		return 0, err
	}
	r, err := m.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer r.Stop()
	c, err := login(ctx, r, m)
	if err != nil {
		return 0, fmt.Errorf("%w\nthe host's log ends with:\n%s", err, harness.Tail(r.Log(), 15))
	}
	defer c.Close()
	fmt.Printf("\n%-26s %-8s %4s  %-8s %s\n", "test on "+h.engine, "verdict", "CPUs", "seconds", "")
	sent := map[string]bool{}
	for _, t := range tests {
		if !s.only.MatchString(t.name) {
			continue
		}
		if t.only != "" && t.only != h.engine {
			fmt.Printf("%-26s %-8s %4s  %-8s %s\n", t.name, "-", "", "", t.why)
			continue
		}
		if !sent[t.image] {
			b, built, err := s.image(t)
			if err != nil {
				return failed, err
			}
			if !built {
				fmt.Printf("%-26s %-8s %4s  %-8s %s\n", t.name, "-", "", "", "no "+t.image+".flat there"+t.build)
				continue
			}
			if _, err := c.PutFile(ctx, t.image, bytes.NewReader(b), int64(len(b)), false); err != nil {
				return failed, err
			}
			sent[t.image] = true
		}
		start := time.Now()
		v, err := s.guest(ctx, c, h.engine, t)
		if err != nil {
			return failed, fmt.Errorf("%s: %w", t.name, err)
		}
		note := v.note
		if v.verdict == fail {
			if t.known != "" {
				note += " (known: " + t.known + ")"
			} else {
				failed++
			}
		}
		fmt.Printf("%-26s %-8s %4d  %-8.1f %s\n", t.name, v.verdict, max(t.cpus, 1), time.Since(start).Seconds(), note)
	}
	return failed, nil
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
