package main

import (
	"context"
	"fmt"
	"strconv"

	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
)

// micro is the guest verify.
type micro struct{ round int }

func (l *micro) create(ctx context.Context, n *node) (vm wire.VM, err error) {
	if err = n.put(ctx, "verify", guests.Build("verify")); err != nil {
		return vm, err
	}
	if vm, err = n.CreateVM(ctx, wire.VMCreate{Name: "m", CPUs: 2, MemoryMiB: 32, Boot: wire.Boot{Kernel: "verify"},
		NICs: []wire.NIC{{Network: "nat"}}}); err != nil {
		return vm, err
	}
	if vm, err = n.Act(ctx, vm.ID, "start"); err != nil {
		return vm, err
	}
	return vm, l.check(ctx, n, vm, false)
}

// check waits for the end of some rounds that are later than those before.
func (l *micro) check(ctx context.Context, n *node, vm wire.VM, clone bool) error {
	c, err := n.console(ctx, vm.ID, 0)
	if err != nil {
		return err
	}
	defer c.close()
	for range 2 {
		m, err := c.expect(ctx, n.step, `(?m)^(round|lost|counter) ([^\r\n]*)\r?\n`)
		if err != nil {
			return err
		}
		at, _ := strconv.Atoi(m[2])
		if m[1] != "round" || at <= l.round {
			return fmt.Errorf("the guest of %s says %q after round %d", vm.Name, m[0], l.round)
		}
		if !clone {
			l.round = at
		}
	}
	return nil
}

func (l *micro) finish(context.Context, *node, wire.VM) (string, error) {
	return fmt.Sprintf("the guest has verified %d MiB of memory in %d rounds, without a step back of its counter", l.round/2, l.round), nil
}
