package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"basalt/qemu-test/harness"
)

// result is what one run of the kernel said.
type result struct {
	perOp         map[string]float64 // instructions an operation
	allocs, exits int
	onExits       bool // the two above were measured
}

var (
	rowLine   = regexp.MustCompile(`(?m)^row (\S+) (\d+) (\d+)\r?$`)
	allocLine = regexp.MustCompile(`(?m)^allocs (\d+) (\d+) own (\d+)\r?$`)
)

// summed are the rows that add up differences of the counter inside the loop; the
// others are timed from outside, with the empty loop in them.
var summed = map[string]bool{"nothing": true, "self_ipi": true, "ipi_running": true, "ipi_halted": true, "ipi_switch": true, "hlt_late": true, "linux_poweroff": true, "machine_bytes": true}

func parse(log []byte) (result, error) {
	r := result{perOp: map[string]float64{}}
	for _, m := range rowLine.FindAllSubmatch(log, -1) {
		n, _ := strconv.ParseFloat(string(m[2]), 64)
		ticks, _ := strconv.ParseFloat(string(m[3]), 64)
		if n > 0 {
			r.perOp[string(m[1])] = ticks / n
		}
	}
	for k := range r.perOp {
		if !summed[k] {
			r.perOp[k] -= r.perOp["nothing"]
		}
	}
	if m := allocLine.FindSubmatch(log); m != nil {
		all, _ := strconv.Atoi(string(m[1]))
		own, _ := strconv.Atoi(string(m[3]))
		r.allocs, r.onExits = max(0, all-own), true
		r.exits, _ = strconv.Atoi(string(m[2]))
	}
	if len(r.perOp) == 0 {
		return r, fmt.Errorf("no rows in the kernel's output")
	}
	return r, nil
}

// exits runs every operation on one emulator, with or without mitigations. With more
// than one processor, which QEMU cannot count instructions for, only interrupts between
// virtual processors are timed.
func (b *bench) exits(ctx context.Context, on harness.Emulator, mitigations bool, cpus int) (result, error) {
	conf := "mitigations=on"
	if !mitigations {
		conf = "mitigations=off"
	}
	m := harness.Machine{Emulator: on, CPUs: cpus, NIC: "none", Limit: 5 * time.Minute, Dir: b.folder(fmt.Sprintf("%s-%s-%d", on, conf, cpus))}
	if cpus > 1 {
		// The counter counts instructions at any rate; waits of the host's start
		// take a tenth of them.
		m.MIPS = 100
	}
	if on == harness.QEMU {
		m.Icount, m.Kernel, m.Append = true, filepath.Join(b.build, "bench.elf"), conf
	} else {
		disk, err := b.disk(ctx, conf)
		if err != nil {
			return result{}, err
		}
		m.Disk = disk
	}
	log, err := b.run(ctx, m, `bench (done|failed.*)`)
	if err != nil {
		return result{}, err
	}
	return parse(log)
}

// disk makes a boot image of the kernel with its settings.
func (b *bench) disk(ctx context.Context, conf string) (string, error) {
	file, out := b.folder(conf)+".conf", b.folder(conf)+".img"
	if err := os.WriteFile(file, []byte(conf+"\n"), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./cmd/mkimage", "image", "-conf", file, "-o", out, filepath.Join(b.build, "bench.elf"))
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mkimage: %w: %s", err, msg)
	}
	return out, nil
}

// run starts a machine, waits for the last line that matters and gives the log.
func (b *bench) run(ctx context.Context, m harness.Machine, last string) ([]byte, error) {
	r, err := m.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Stop()
	if _, err := r.WaitFor(ctx, last); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, harness.Tail(r.Log(), 10))
	}
	return r.Log(), nil
}
