package hw

import (
	"fmt"

	"basalt/arch/x86/apic"
	"basalt/drivers/acpi"
	"basalt/drivers/bus"
	"basalt/drivers/pci"
	"basalt/vmkernel/irq"
)

// Host bridges whose wiring is known.
const (
	bridgeI440FX = 0x8086_1237
	bridgeQ35    = 0x8086_29c0
)

// gsi says which global interrupt the pin of a function on bus 0 reaches, and how
// it is wired; see doc.go. pin counts from 1.
func gsi(bridge uint32, madt *acpi.MADT, device, pin, line uint8) (n uint32, activeLow bool, err error) {
	if bridge == bridgeQ35 {
		p := uint32(pin - 1)
		if device >= 25 && device != 30 {
			return 16 + p, true, nil
		}
		return 16 + 4 + (uint32(device)+p)%4, true, nil
	}
	if line == 0 || line > 15 {
		return 0, false, fmt.Errorf("hw: firmware routed it nowhere (interrupt line %d)", line)
	}
	// An override that says edge cannot be meant for a PCI line.
	for _, o := range madt.Overrides[:madt.NOverrides] {
		if o.ISA == line && o.Level() {
			return o.GSI, o.ActiveLow(), nil
		}
	}
	return uint32(line), true, nil
}

// Wire implements pci.Platform.
func (m *Machine) Wire(name string, a pci.Address, pin, line uint8) (bus.Interrupt, error) {
	if len(m.ioapics) == 0 {
		return nil, fmt.Errorf("hw: there is no I/O APIC")
	}
	n, low, err := gsi(m.bridge, m.madt, a.Device, pin, line)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.wires[n]
	if w == nil {
		p, err := m.line(n, true, low)
		if err != nil {
			return nil, err
		}
		w = newWire(p)
		m.wires[n] = w
	}
	return w.share(), nil
}

// gsiPin is a pin of an I/O APIC.
type gsiPin struct {
	*irq.Line
	gsi uint32
}

func (p *gsiPin) Unmask() { apic.Mask(p.gsi, false) }
func (p *gsiPin) Mask()   { apic.Mask(p.gsi, true) }

func (p *gsiPin) Close() error {
	apic.Unroute(p.gsi, p.Vector())
	return p.Line.Close()
}
