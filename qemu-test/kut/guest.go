package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"basalt/mgmt/wire"
)

// guest runs one test in a machine of its own. The error is that of the host, not of
// the test.
func (s *suite) guest(ctx context.Context, n *node, engine string, t test, image []byte) (result, error) {
	cpus, mem := max(t.cpus, 1), t.memory
	if mem == 0 {
		mem = 256
	}
	env := fmt.Sprintf("BOOTLOADER=1\nTEST_DEVICE=0\nNR_CPUS=%d\nMEMSIZE=%d\n", cpus, mem)
	if _, err := n.api.PutFile(ctx, "env", strings.NewReader(env), int64(len(env)), false); err != nil {
		return result{}, err
	}
	if err := n.send(ctx, t.image, image); err != nil {
		return result{}, err
	}
	vm, err := n.api.CreateVM(ctx, wire.VMCreate{Name: t.name, CPUs: cpus, MemoryMiB: mem,
		TestDevice: true, CPULevel: t.level, XAPICOnly: t.xapic, Boot: wire.Boot{Kernel: t.image, Cmdline: t.args, Modules: []string{"env"}}})
	if err != nil {
		return result{fail, err.Error()}, nil
	}
	if _, err := n.api.Act(ctx, vm.ID, "start"); err != nil {
		return result{fail, err.Error()}, nil
	}
	log, state, err := s.watch(ctx, n, vm.ID, max(t.limit, s.limit))
	if err != nil {
		return result{}, err
	}
	if err := os.WriteFile(filepath.Join(n.dir, t.name+".log"), log, 0o644); err != nil {
		return result{}, err
	}
	_, _ = n.api.Act(ctx, vm.ID, "stop") // an error says that it is off
	if err := n.api.DeleteVM(ctx, vm.ID); err != nil {
		return result{}, err
	}
	return t.judge(engine, log, state), nil
}

// over is the state of a machine whose time is over.
const over = "still running after "

// watch waits until the guest says that it is done, stops or its time is over, and
// gives what it wrote; state is what the machine was then, if it was not running.
func (s *suite) watch(ctx context.Context, n *node, id string, limit time.Duration) (log []byte, state string, err error) {
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		vm, err := n.api.VM(ctx, id)
		if err != nil {
			return log, "", err
		}
		if log, err = n.api.ConsoleLog(ctx, id); err != nil {
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
		case <-end.C:
			return log, over + limit.String(), nil
		case <-ctx.Done():
			return log, "", ctx.Err()
		}
	}
}
