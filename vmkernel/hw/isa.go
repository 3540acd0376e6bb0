package hw

import (
	"fmt"

	"basalt/arch/x86/apic"
	"basalt/drivers/bus"
	"basalt/vmkernel/irq"
)

// edge is an edge-triggered line of the I/O APIC, as ISA devices have.
type edge struct{ gsiPin }

var _ bus.Interrupt = (*edge)(nil)

func (e *edge) Enable()  { e.Unmask() }
func (e *edge) Disable() { e.Mask() }

// ISA gives the interrupt with that ISA number (4 is COM1), wired as MADT says.
func (m *Machine) ISA(name string, number uint8) (bus.Interrupt, error) {
	if number > 15 || len(m.ioapics) == 0 {
		return nil, fmt.Errorf("hw: %s: no ISA interrupt %d", name, number)
	}
	n, level, low := m.madt.GSI(number)
	m.mu.Lock()
	defer m.mu.Unlock()
	if level {
		if m.wires[n] == nil {
			p, err := m.line(n, true, low)
			if err != nil {
				return nil, err
			}
			m.wires[n] = newWire(p)
		}
		return m.wires[n].share(), nil
	}
	p, err := m.line(n, false, low)
	if err != nil {
		return nil, fmt.Errorf("hw: %s: %w", name, err)
	}
	return &edge{*p}, nil
}

// line takes a vector and routes a GSI to it, masked.
func (m *Machine) line(gsi uint32, level, low bool) (*gsiPin, error) {
	l, err := irq.New(fmt.Sprintf("gsi %d", gsi), -1)
	if err != nil {
		return nil, err
	}
	if !apic.Route(gsi, l.Vector(), l.APICID(), level, low) {
		l.Close()
		return nil, fmt.Errorf("hw: no I/O APIC has interrupt %d", gsi)
	}
	return &gsiPin{l, gsi}, nil
}
