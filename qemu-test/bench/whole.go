package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// whole is what the host as a whole needs.
type whole struct {
	firstAnswer  float64 // instructions, entry to the first HTTPS answer
	elf, image   int64   // bytes
	noVM, idleVM float64 // MiB in use on top of the machine's reserve
	guestMiB     float64 // of idleVM, the guest's own
	boots128     bool
	perMachine   float64 // bytes for each of many machines, besides its own
	running      int     // of machines, while the API answered
}

// secret is the password of hosts that live for a second on the loopback device.
const secret = "bench-bench"

// answer asks /healthz until it is answered.
func answer(ctx context.Context, port int) error {
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/healthz", port), nil)
		if err != nil {
			return err
		}
		if resp, err := c.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from the API: %w", context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// answered is the log line of the first request; t is the time since the clock was
// started, a few milliseconds after the entry.
const answered = `t=(\S+) level=DEBUG msg=api .*path=/healthz status=200`

// first boots the host in QEMU with -icount, where a nanosecond is an instruction.
// Waiting for the network takes real time here (sleep=on), because clients live in
// it: with sleep=off an idle processor would jump ahead, over every time-out. So
// what it gives is instructions and the time that the processor stood still. The
// address is fixed: how long a DHCP server takes is not ours.
func (b *bench) first(ctx context.Context, memMiB int) (float64, error) {
	r, err := harness.Machine{MemMiB: memMiB, Forward: []int{443}, Limit: 3 * time.Minute, Dir: b.folder(fmt.Sprintf("first-%d", memMiB)),
		Extra:  []string{"-icount", "shift=0,sleep=on", "-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm"},
		Kernel: filepath.Join(b.build, "basalt.elf"), Append: "loglevel=debug ip=10.0.2.15/24,10.0.2.2,10.0.2.3 password=" + secret}.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer r.Stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// A connection made before the host has its address would be repeated by
	// QEMU's network after 6 seconds.
	if _, err := r.WaitFor(ctx, `msg=ready`); err != nil {
		return 0, err
	}
	if err := answer(ctx, r.Ports[0]); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, harness.Tail(r.Log(), 10))
	}
	m, err := r.WaitFor(ctx, answered)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(m[1])
	return float64(d.Nanoseconds()), err
}

// client runs the client program against a host.
type client func(args ...string) ([]byte, error)

// host boots a host with a guest that only waits, halt.elf, in its file store.
func (b *bench) host(ctx context.Context, name string, memMiB int, limit time.Duration) (*harness.Running, client, error) {
	r, err := harness.Machine{MemMiB: memMiB, Forward: []int{443}, Limit: limit, Dir: b.folder(name),
		Kernel: filepath.Join(b.build, "basalt.elf"), Append: "password=" + secret}.Start(ctx)
	if err != nil {
		return nil, nil, err
	}
	run := client(func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(b.build, "basalt"), args...)
		cmd.Env = append(os.Environ(), "BASALT_CONFIG="+b.folder(name+".json"), "BASALT_PASSWORD="+secret)
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("basalt %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return out, nil
	})
	guest := b.folder("halt.elf")
	m, err := r.WaitFor(ctx, `certificate SHA-256 ([0-9A-F:]{95})`)
	if err == nil {
		err = answer(ctx, r.Ports[0])
	}
	if err == nil {
		err = os.WriteFile(guest, guests.Build("halt"), 0o644)
	}
	if err == nil {
		_, err = run("login", fmt.Sprintf("127.0.0.1:%d", r.Ports[0]), "--fingerprint", m[1])
	}
	if err == nil {
		_, err = run("file", "put", guest, "halt.elf", "--quiet")
	}
	if err != nil {
		r.Stop()
		return nil, nil, err
	}
	return r, run, nil
}

// machines is how many idle ones run on one host, of machineMiB each.
const machines, machineMiB, manyMiB = 200, 64, 20 << 10

// many starts machines and asks the host while they run: all of them have to be
// there, running, and the answers have to come.
func (b *bench) many(ctx context.Context, w *whole) error {
	ctx, cancel := context.WithTimeout(ctx, 12*time.Minute)
	defer cancel()
	r, client, err := b.host(ctx, "many", manyMiB, 12*time.Minute)
	if err != nil {
		return err
	}
	defer r.Stop()
	for i := range machines {
		name := fmt.Sprintf("idle%d", i)
		if _, err := client("vm", "create", name, "--memory", fmt.Sprint(machineMiB), "--kernel", "halt.elf", "--start", "--quiet"); err != nil {
			return err
		}
		if _, err := client("vm", "console", name, "--until", "halting", "--wait", "30s"); err != nil {
			return err
		}
	}
	if err := answer(ctx, r.Ports[0]); err != nil {
		return err
	}
	out, err := client("vm", "ls", "--json")
	if err != nil {
		return err
	}
	var list []struct{ State string }
	if err := json.Unmarshal(out, &list); err != nil {
		return err
	}
	for _, v := range list {
		if v.State == "running" {
			w.running++
		}
	}
	return nil
}

// each is the memory in bytes that each of the machines takes of the host besides its
// own, measured without management.
func (b *bench) each(ctx context.Context) (float64, error) {
	log, err := b.run(ctx, harness.Machine{Icount: true, NIC: "none", MemMiB: manyMiB, Limit: 5 * time.Minute, Dir: b.folder("machines"),
		Kernel: filepath.Join(b.build, "bench.elf"), Append: fmt.Sprintf("machines=%d", machines)}, `bench (done|failed.*)`)
	if err != nil {
		return 0, err
	}
	r, err := parse(log)
	return r.perOp["machine_bytes"], err
}

// memory boots the host and runs one guest that only waits.
func (b *bench) memory(ctx context.Context, w *whole) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	r, client, err := b.host(ctx, "memory", 512, 4*time.Minute)
	if err != nil {
		return err
	}
	defer r.Stop()
	used := func() (float64, error) {
		out, err := client("host", "--json")
		if err != nil {
			return 0, err
		}
		var h struct{ MemoryTotalBytes, MemoryFreeBytes uint64 }
		if err := json.Unmarshal(out, &h); err != nil {
			return 0, err
		}
		return float64(h.MemoryTotalBytes-h.MemoryFreeBytes)/(1<<20) - reserveMiB, nil
	}
	if w.noVM, err = used(); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"vm", "create", "idle", "--memory", "64", "--kernel", "halt.elf", "--start", "--quiet"},
		{"vm", "console", "idle", "--until", "halting", "--wait", "30s"},
	} {
		if _, err := client(args...); err != nil {
			return err
		}
	}
	if w.idleVM, err = used(); err != nil {
		return err
	}
	out, err := client("vm", "show", "idle", "--json")
	if err != nil {
		return err
	}
	var v struct{ MemoryUsedBytes uint64 }
	if err := json.Unmarshal(out, &v); err != nil {
		return err
	}
	w.guestMiB = float64(v.MemoryUsedBytes) / (1 << 20)
	return nil
}

// reserveMiB is what the kernel keeps for itself and does not report as free
// (cmd/vmkernel, reserve).
const reserveMiB = 48

func (b *bench) whole(ctx context.Context) (w whole, err error) {
	for _, f := range []struct {
		name string
		size *int64
	}{{"basalt.elf", &w.elf}, {"basalt.img", &w.image}} {
		st, err := os.Stat(filepath.Join(b.build, f.name))
		if err != nil {
			return w, err
		}
		*f.size = st.Size()
	}
	b.note("boot to the first HTTPS answer (QEMU)")
	if w.firstAnswer, err = b.first(ctx, 512); err != nil {
		return w, err
	}
	b.note("boot in %d MiB (QEMU)", limitHostMiB)
	if _, err := b.first(ctx, limitHostMiB); err != nil {
		b.note("  %v", err)
	} else {
		w.boots128 = true
	}
	b.note("memory without and with an idle machine (QEMU)")
	if err := b.memory(ctx, &w); err != nil {
		return w, err
	}
	b.note("memory of each of %d machines (QEMU)", machines)
	if w.perMachine, err = b.each(ctx); err != nil {
		return w, err
	}
	b.note("%d idle machines and the API (QEMU)", machines)
	return w, b.many(ctx, &w)
}
