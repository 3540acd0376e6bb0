package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

// The verdicts of the suite (its scripts/runtime.bash), and "hangs".
const (
	pass = "PASS"
	fail = "FAIL"
	skip = "SKIP"
)

type result struct{ verdict, note string }

var (
	done    = regexp.MustCompile(`--- DONE: (-?\d+) ---`)
	summary = regexp.MustCompile(`(?m)^SUMMARY: [^\r\n]*`)
	failing = regexp.MustCompile(`(?m)^FAIL: [^\r\n]*`)
)

// guest runs one test in a machine of its own. The error is that of the host, not of
// the test.
func (s *suite) guest(ctx context.Context, c *client.Client, engine string, t test) (result, error) {
	cpus, mem := max(t.cpus, 1), t.memory
	if mem == 0 {
		mem = 256
	}
	env := fmt.Sprintf("BOOTLOADER=1\nTEST_DEVICE=0\nNR_CPUS=%d\nMEMSIZE=%d\n", cpus, mem)
	if _, err := c.PutFile(ctx, "env", strings.NewReader(env), int64(len(env)), false); err != nil {
		return result{}, err
	}
	vm, err := c.CreateVM(ctx, wire.VMCreate{Name: t.name, CPUs: cpus, MemoryMiB: mem,
		TestDevice: true, CPULevel: t.level, Boot: wire.Boot{Kernel: t.image, Cmdline: t.args, Modules: []string{"env"}}})
	if err != nil {
		return result{fail, err.Error()}, nil
	}
	defer func() {
		_, _ = c.Act(context.WithoutCancel(ctx), vm.ID, "stop") // an error says that it is off
		_ = c.DeleteVM(context.WithoutCancel(ctx), vm.ID)
	}()
	if _, err := c.Act(ctx, vm.ID, "start"); err != nil {
		return result{fail, err.Error()}, nil
	}
	log, state, err := s.watch(ctx, c, vm.ID)
	if err != nil {
		return result{}, err
	}
	if err := os.WriteFile(filepath.Join(s.keep, engine, t.name+".log"), log, 0o644); err != nil {
		return result{}, err
	}
	return judge(log, state), nil
}

// watch waits until the guest says that it is done, stops or its time is over, and
// gives what it wrote; state is what the machine was then, if it was not running.
func (s *suite) watch(ctx context.Context, c *client.Client, id string) (log []byte, state string, err error) {
	over := time.NewTimer(s.limit)
	defer over.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		vm, err := c.VM(ctx, id)
		if err != nil {
			return log, "", err
		}
		if log, err = c.ConsoleLog(ctx, id); err != nil {
			return log, "", err
		}
		switch {
		case done.Match(log):
			return log, "", nil
		case vm.State != "running":
			return log, strings.TrimSpace(vm.State + " " + vm.Reason), nil
		}
		select {
		case <-tick.C:
		case <-over.C:
			return log, "still running after " + s.limit.String(), nil
		case <-ctx.Done():
			return log, "", ctx.Err()
		}
	}
}

// judge reads the verdict off the console. The exit code is the suite's: 0 for pass,
// 77 when nothing was tested.
func judge(log []byte, state string) result {
	note := string(summary.Find(log))
	if f := failing.Find(log); f != nil {
		note = strings.TrimSpace(note + " " + string(f))
	}
	m := done.FindSubmatch(log)
	switch {
	case m == nil:
		last := bytes.TrimSpace(log)
		if i := bytes.LastIndexByte(last, '\n'); i >= 0 {
			last = last[i+1:]
		}
		return result{fail, fmt.Sprintf("%s; the last line is %q", state, last)}
	case string(m[1]) == "0":
		return result{pass, note}
	case string(m[1]) == "77":
		return result{skip, note}
	}
	return result{fail, strings.TrimSpace(note + " exit code " + string(m[1]))}
}
