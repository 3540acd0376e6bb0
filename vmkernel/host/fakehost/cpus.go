package fakehost

import (
	"context"

	"basalt/vmkernel/host"
)

// AddCPUs implements host.VM: the guest takes them at once.
func (v *VM) AddCPUs(ctx context.Context, n int) error {
	if err := v.begin("add CPUs to", host.StateOff, host.StateRunning, host.StatePaused); err != nil {
		return err
	}
	defer v.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.cfg.CheckAddCPUs(n); err != nil {
		return err
	}
	v.cfg.CPUs += n
	return nil
}
