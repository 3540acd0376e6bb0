package fakehost

import (
	"context"
	"errors"

	"basalt/vmkernel/host"
)

// AddMemory implements host.VM: the guest takes it at once.
func (v *VM) AddMemory(ctx context.Context, mib int) error {
	return v.change("add memory to", func(powered bool) error {
		if err := errors.Join(ctx.Err(), v.cfg.CheckAddMemory(mib)); err != nil {
			return err
		}
		if powered {
			if err := v.h.take(uint64(mib) << 20); err != nil {
				return err
			}
			v.held += uint64(mib) << 20
		}
		v.cfg.MemoryMiB += mib
		return nil
	})
}

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
