package hw

import (
	"fmt"
	"sync"

	"basalt/arch/x86/apic"
	"basalt/drivers/acpi"
	"basalt/drivers/bus"
	"basalt/drivers/pci"
	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/linux"
)

const ioapicSize = 0x20

// Machine is the host's hardware as firmware describes it. It implements
// pci.Platform.
type Machine struct {
	FADT acpi.FADT
	HPET acpi.HPET
	MCFG acpi.MCFG
	// Functions are all PCI functions; Notes say what was left out and why.
	Functions []*pci.Function
	Notes     []string

	madt    *acpi.MADT
	ioapics []acpi.IOAPIC
	bridge  uint32 // vendor and device of the host bridge

	mu     sync.Mutex
	mapped map[region]bus.Registers
	wires  map[uint32]*wire // by GSI
}

type region struct{ pa, size uint64 }

var _ pci.Platform = (*Machine)(nil)

// Discover reads the tables and lists the PCI functions. A machine without usable
// tables still has what the configuration ports show.
func Discover(mem acpi.Memory, tables *acpi.Tables, madt *acpi.MADT) (*Machine, error) {
	m := &Machine{madt: madt, mapped: map[region]bus.Registers{}, wires: map[uint32]*wire{}}
	for _, t := range []struct {
		sig   string
		parse func([]byte) error
	}{{"FACP", m.FADT.Parse}, {"HPET", m.HPET.Parse}, {"MCFG", m.MCFG.Parse}} {
		b, err := tables.Find(mem, t.sig)
		if err == nil {
			err = t.parse(b)
		}
		if err != nil && err != acpi.ErrAbsent {
			m.note("table %s: %v", t.sig, err)
		}
	}
	if tables.Dropped > 0 {
		m.note("%d unreadable ACPI tables", tables.Dropped)
	}
	for _, a := range madt.IOAPICs[:madt.NIOAPICs] {
		r, err := m.mapDevice(uint64(a.Addr), ioapicSize)
		if err != nil {
			m.note("I/O APIC %d: %v", a.ID, err)
			continue
		}
		if apic.AddIOAPIC(r.base, a.GSIBase) == 0 {
			m.note("I/O APIC %d at %#x does not answer", a.ID, a.Addr)
			continue
		}
		m.ioapics = append(m.ioapics, a)
	}
	if err := m.enumerate(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Machine) note(format string, args ...any) {
	m.Notes = append(m.Notes, fmt.Sprintf(format, args...))
}

// enumerate lists the functions of every segment that MCFG describes, or of segment
// 0 through the ports.
func (m *Machine) enumerate() error {
	var spaces []pci.Space
	var roots []pci.Address
	for _, s := range m.MCFG.Segments[:m.MCFG.N] {
		spaces = append(spaces, &pci.ECAM{Segment: s.Group, Base: s.Base, Start: s.Start, End: s.End, Map: m.MapMemory})
		roots = append(roots, pci.Address{Segment: s.Group, Bus: s.Start})
	}
	if len(spaces) == 0 {
		spaces = append(spaces, &pci.Ports{IO: Ports(spec.ConfigAddressPort, 8)})
		roots = append(roots, pci.Address{})
	}
	// The host bridge decides how wires run, so it is read before anything else.
	c, err := spaces[0].Function(roots[0])
	if err != nil {
		return fmt.Errorf("hw: host bridge: %w", err)
	}
	m.bridge = uint32(c.Read16(spec.VendorID))<<16 | uint32(c.Read16(spec.DeviceID))
	for i, s := range spaces {
		b, err := pci.Enumerate(s, m, roots[i].Segment, roots[i].Bus)
		if err != nil {
			return fmt.Errorf("hw: enumerate segment %d: %w", roots[i].Segment, err)
		}
		m.Functions = append(m.Functions, b.Functions...)
		m.Notes = append(m.Notes, b.Skipped...)
	}
	return nil
}

// MapMemory implements pci.Platform. A range is mapped once.
func (m *Machine) MapMemory(pa, size uint64) (bus.Registers, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.mapped[region{pa, size}]; r != nil {
		return r, nil
	}
	r, err := m.mapDevice(pa, size)
	if err != nil {
		return nil, err
	}
	m.mapped[region{pa, size}] = r
	return r, nil
}

// maxWindow bounds one mapping: the largest BARs that a driver of ours touches are
// far below it, and frame buffers do not come this way.
const maxWindow = 1 << 30

func (m *Machine) mapDevice(pa, size uint64) (*window, error) {
	if size == 0 || size > maxWindow || pa+size < pa {
		return nil, fmt.Errorf("hw: device memory %#x+%#x", pa, size)
	}
	va := linux.MapDevice(pa, size)
	if va == 0 {
		return nil, fmt.Errorf("hw: no page tables for device memory %#x+%#x", pa, size)
	}
	return &window{va, uintptr(size)}, nil
}

// MapPorts implements pci.Platform.
func (m *Machine) MapPorts(port, size uint16) (bus.Registers, error) {
	return Ports(port, size), nil
}
