package fakehost

import (
	"context"
	"time"

	"basalt/vmkernel/cpusched"
	"basalt/vmkernel/cpusched/groups"
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

// SetCPU implements host.VM.
func (v *VM) SetCPU(ctx context.Context, s host.CPUSpec) error {
	if err := s.Check(); err != nil {
		return err
	}
	return v.change("change the entitlement of", func(powered bool) error {
		c := v.cfg.Clone()
		c.CPU = s
		var err error
		if powered {
			err = v.share.Set(entitled(c))
		} else {
			err = v.h.pools.Check(c.Name, entitled(c))
		}
		if err == nil {
			v.cfg = c
		}
		return err
	})
}

// Pools implements host.Host: the real policy, whose virtual CPUs do nothing.
func (h *Host) Pools() host.Pools { return h.pools }

func newPools(o Options) *groups.Table {
	s, err := cpusched.New(cpusched.Config{CPUs: o.CPUs, Nodes: 3072, Agent: cpusched.Spec{Reservation: 250}})
	if err != nil {
		panic("fakehost: " + err.Error())
	}
	return groups.New(groups.Config{Scheduler: s, CPUs: o.CPUs, Now: func() int64 { return o.Now().UnixNano() },
		Duration: func(d int64) time.Duration { return time.Duration(d) }})
}

func entitled(c host.Config) host.CPUSpec {
	if c.CPU.Shares == 0 {
		c.CPU.Shares = 1000 * c.CPUs
	}
	return c.CPU
}

func (h *Host) admit(c host.Config) (*groups.Machine, error) {
	return h.pools.Admit(c.Name, c.AllCPUs(), entitled(c))
}
