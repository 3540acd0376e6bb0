package fakehost

import (
	"context"
	"errors"

	"basalt/vmkernel/host"
)

// SetMemoryTarget implements host.VM: the guest obeys at once.
func (v *VM) SetMemoryTarget(ctx context.Context, bytes uint64) error {
	if err := v.begin("set the memory of", host.StateRunning, host.StatePaused); err != nil {
		return err
	}
	defer v.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	if bytes < 1<<20 {
		return &host.ConfigError{Field: "memoryTarget", Err: errors.New("too little")}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	size := uint64(v.cfg.MemoryMiB) << 20
	v.balloon = size - min(bytes, size)
	return nil
}
