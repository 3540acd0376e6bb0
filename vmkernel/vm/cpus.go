package vm

import (
	"cmp"
	"context"
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/cpuhp"
)

// Hot-plug of processors. A board has all that the machine can ever have, each with
// its thread, waiting for a start-up IPI as every processor but the first does after
// power-on. Those that the machine does not have yet hear nothing (localAPIC.present),
// so a guest cannot start them; adding one lets it hear and tells the guest.

// addHotplug makes the register block, if more processors can come.
func (b *board) addHotplug(w *wiring, c host.Config) {
	if c.MaxCPUs == 0 {
		return
	}
	b.hotplug = cpuhp.New(c.CPUs)
	w.plug(b.hotplug.Plug(b.bus))
}

// maxPluggable is what the ACPI tables say of it.
func (b *board) maxPluggable() int {
	if b.hotplug == nil {
		return 0
	}
	return len(b.cpus)
}

// addCPUs makes the next n processors present.
func (b *board) addCPUs(n int) {
	for range n {
		b.ports[b.numCPUs].a.TakeEvents() // what was sent to nobody stays unheard
		b.ports[b.numCPUs].present.Store(true)
		b.hotplug.Add(b.numCPUs)
		b.numCPUs++
	}
	b.says.CPUs = b.numCPUs // after the next reset
	b.pm.Event(acpipm.GPEProcessor)
}

// SetCPU implements host.VM.
func (m *Machine) SetCPU(ctx context.Context, s host.CPUSpec) error {
	if err := s.Check(); err != nil {
		return err
	}
	return m.alter(ctx, "change the entitlement of", func(on bool) error {
		if m.p.CPUs == nil {
			return fmt.Errorf("sharing out processors is %w", host.ErrUnsupported)
		}
		c := m.conf.Clone()
		c.CPU = s
		var err error
		if on {
			err = m.share.Set(entitled(c))
		} else {
			err = m.p.CPUs.Check(label(c), c.AllCPUs(), entitled(c))
		}
		if err != nil {
			return err
		}
		m.configure(func(now *host.Config) { now.CPU = s })
		m.p.event(m.conf.ID, "info", fmt.Sprintf("it has %d shares, %d thousandths of a CPU reserved, a limit of %d, and is in pool %q",
			entitled(c).Shares, s.Reservation, s.Limit, cmp.Or(s.Pool, host.PoolHost)))
		return nil
	})
}

// AddCPUs implements host.VM.
func (m *Machine) AddCPUs(ctx context.Context, n int) error {
	return m.alter(ctx, "add CPUs to", func(on bool) error {
		c := m.Config()
		if err := c.CheckAddCPUs(n); err != nil {
			return err
		}
		if on {
			m.b.addCPUs(n)
		}
		m.configure(func(c *host.Config) { c.CPUs += n })
		if on && m.share != nil && m.conf.CPU.Shares == 0 {
			if err := m.share.Set(entitled(m.conf)); err != nil { // it asks for no more than before
				m.p.log("vm %s: shares of %d CPUs: %v", m.conf.ID, m.conf.CPUs, err)
			}
		}
		m.p.event(m.conf.ID, "info", fmt.Sprintf("%d virtual CPUs added, %d now", n, m.conf.CPUs))
		return nil
	})
}
