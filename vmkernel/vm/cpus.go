package vm

import (
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
		m.p.event(m.conf.ID, "info", fmt.Sprintf("%d virtual CPUs added, %d now", n, m.conf.CPUs))
		return nil
	})
}
