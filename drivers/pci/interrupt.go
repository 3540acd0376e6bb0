package pci

import (
	"fmt"
	"sync/atomic"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/pci"
)

// Interrupts implements bus.Device: MSI-X with up to n vectors, or MSI with one,
// or the wire. All vectors start masked.
func (f *Function) Interrupts(n int) ([]bus.Interrupt, error) {
	if n < 1 {
		return nil, fmt.Errorf("pci: %v: %d interrupts asked for", f.addr, n)
	}
	if off, ok := Capability(f.config, spec.CapMSIX, spec.MSIXLength); ok {
		if v, err := f.msix(off, n); err == nil {
			return v, nil
		}
	}
	if off, ok := Capability(f.config, spec.CapMSI, spec.MSILength); ok {
		if v, err := f.msi(off); err == nil {
			return []bus.Interrupt{v}, nil
		}
	}
	pin := f.config.Read8(spec.InterruptPin)
	if pin < 1 || pin > 4 {
		return nil, fmt.Errorf("pci: %v has no interrupt", f.addr)
	}
	root, rootPin := f.rootPin(pin)
	v, err := f.platform.Wire(f.Name(), root, rootPin, f.config.Read8(spec.InterruptLine))
	if err != nil {
		return nil, fmt.Errorf("pci: %v: INT%c#: %w", f.addr, 'A'+pin-1, err)
	}
	f.setCommand(0, spec.CommandInterruptDisable)
	return []bus.Interrupt{v}, nil
}

// msix programs the first n entries of the table, section 6.8.2.
func (f *Function) msix(off uintptr, n int) ([]bus.Interrupt, error) {
	control := f.config.Read16(off + spec.MSIXControl)
	entries := int(control&spec.MSIXTableSizeMask) + 1
	where := f.config.Read32(off + spec.MSIXTable)
	at := uintptr(where &^ spec.MSIXBIRMask)
	r, err := f.BAR(int(where & spec.MSIXBIRMask))
	if err != nil {
		return nil, err
	}
	if size := uintptr(entries) * spec.MSIXEntrySize; at > r.Size() || size > r.Size()-at {
		return nil, fmt.Errorf("pci: %v: MSI-X table of %d entries at %#x is outside its BAR", f.addr, entries, at)
	}
	table := bus.Window(r, at, uintptr(entries)*spec.MSIXEntrySize)
	// The function mask holds everything back until the entries are right.
	f.config.Write16(off+spec.MSIXControl, control|spec.MSIXEnable|spec.MSIXFunctionMask)
	for i := range entries {
		table.Write32(uintptr(i)*spec.MSIXEntrySize+spec.MSIXEntryControl, spec.MSIXEntryMasked)
	}
	var out []bus.Interrupt
	for i := range min(n, entries) {
		m, err := f.platform.Message(fmt.Sprintf("%v/%d", f.addr, i))
		if err != nil {
			if len(out) > 0 {
				break // fewer than asked for is allowed
			}
			f.config.Write16(off+spec.MSIXControl, control&^spec.MSIXEnable)
			return nil, err
		}
		e := bus.Window(table, uintptr(i)*spec.MSIXEntrySize, spec.MSIXEntrySize)
		e.Write32(spec.MSIXEntryAddr, uint32(m.Address()))
		e.Write32(spec.MSIXEntryAddrHigh, uint32(m.Address()>>32))
		e.Write32(spec.MSIXEntryData, m.Data())
		out = append(out, &msixEntry{Message: m, entry: e})
	}
	f.setCommand(spec.CommandInterruptDisable, 0)
	f.config.Write16(off+spec.MSIXControl, control&^spec.MSIXFunctionMask|spec.MSIXEnable)
	return out, nil
}

// msixEntry is a bus.Interrupt over one table entry. A message that comes up
// while the entry is masked waits in the pending array.
type msixEntry struct {
	Message
	entry bus.Registers
	open  atomic.Bool // drivers enable after every interrupt: spare the write
}

func (m *msixEntry) Enable() {
	if !m.open.Swap(true) {
		m.entry.Write32(spec.MSIXEntryControl, 0)
	}
}

func (m *msixEntry) Disable() {
	if m.open.Swap(false) {
		m.entry.Write32(spec.MSIXEntryControl, spec.MSIXEntryMasked)
	}
}

func (m *msixEntry) Close() error {
	m.Disable()
	return m.Message.Close()
}

// msi programs one message, section 6.8.1. The device sends nothing before
// Enable sets MSI Enable.
func (f *Function) msi(off uintptr) (bus.Interrupt, error) {
	control := f.config.Read16(off + spec.MSIControl)
	data := off + spec.MSIData32
	if control&spec.MSI64 != 0 {
		data = off + spec.MSIData64
	}
	if data+2 > spec.ConfigSize {
		return nil, fmt.Errorf("pci: %v: MSI capability at %#x is cut off", f.addr, off)
	}
	m, err := f.platform.Message(f.Name())
	if err != nil {
		return nil, err
	}
	if m.Address()>>32 != 0 && control&spec.MSI64 == 0 {
		m.Close()
		return nil, fmt.Errorf("pci: %v: MSI cannot reach %#x", f.addr, m.Address())
	}
	f.config.Write32(off+spec.MSIAddress, uint32(m.Address()))
	if control&spec.MSI64 != 0 {
		f.config.Write32(off+spec.MSIAddressHigh, uint32(m.Address()>>32))
	}
	f.config.Write16(data, uint16(m.Data()))
	control &^= spec.MSIEnable | spec.MSIMultipleEnable
	f.config.Write16(off+spec.MSIControl, control)
	f.setCommand(spec.CommandInterruptDisable, 0)
	return &msiVector{Message: m, f: f, control: off + spec.MSIControl, off: control}, nil
}

// msiVector is a bus.Interrupt over the MSI capability. While it is disabled the
// wire is off too (Interrupt Disable), so what a device raises meanwhile is lost:
// drivers mask in the device instead, and use Disable only to fall silent.
type msiVector struct {
	Message
	f       *Function
	control uintptr
	off     uint16 // control word with MSI Enable clear
	open    atomic.Bool
}

func (m *msiVector) Enable() {
	if !m.open.Swap(true) {
		m.f.config.Write16(m.control, m.off|spec.MSIEnable)
	}
}

func (m *msiVector) Disable() {
	if m.open.Swap(false) {
		m.f.config.Write16(m.control, m.off)
	}
}

func (m *msiVector) Close() error {
	m.Disable()
	return m.Message.Close()
}
