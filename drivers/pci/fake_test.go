package pci

import (
	"encoding/binary"
	"fmt"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	spec "basalt/drivers/spec/pci"
)

// chip is one function's configuration space with BARs that size.
type chip struct {
	b       [spec.ConfigSize]byte
	size    [6]uint64 // of memory BARs; low bits of the register are kept
	decoded int       // sizing patterns seen while decoding was on
}

func newChip(vendor, device uint16, class uint32) *chip {
	c := new(chip)
	c.put16(spec.VendorID, vendor)
	c.put16(spec.DeviceID, device)
	c.put32(spec.RevisionID, class<<8|1)
	c.put16(spec.Command, spec.CommandMemory|spec.CommandIO)
	return c
}

func (c *chip) put16(off int, v uint16) { binary.LittleEndian.PutUint16(c.b[off:], v) }
func (c *chip) put32(off int, v uint32) { binary.LittleEndian.PutUint32(c.b[off:], v) }

// cap links a capability in at off.
func (c *chip) cap(off int, id uint8, body ...byte) {
	c.b[spec.Status] |= spec.StatusCapabilities
	at := spec.CapabilitiesPtr
	for c.b[at] != 0 {
		at = int(c.b[at]) + 1
	}
	c.b[at] = byte(off)
	c.b[off] = id
	copy(c.b[off+2:], body)
}

func (c *chip) Load(off uintptr, n int) (v uint64) {
	if off >= spec.ConfigSize {
		return 0
	}
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | uint64(c.b[int(off)+i])
	}
	return v
}

func (c *chip) Store(off uintptr, n int, v uint64) {
	if off >= spec.ConfigSize {
		return
	}
	if i := (int(off) - spec.BaseAddress0) / 4; off >= spec.BaseAddress0 && i < 6 && n == 4 {
		if uint32(v) == ^uint32(0) && c.b[spec.Command]&3 != 0 {
			c.decoded++
		}
		keep := uint64(c.b[off] & 0xf)
		if keep&spec.BARIO != 0 {
			keep &= 3
		}
		switch {
		case c.size[i] != 0:
			v = v&^(c.size[i]-1) | keep
		case i > 0 && c.size[i-1] != 0 && c.b[off-4]&spec.BARTypeMask == spec.BARType64:
			v &= ^(c.size[i-1] - 1) >> 32 // upper half
		default:
			v = 0
		}
		c.put32(int(off), uint32(v))
		return
	}
	for i := range n {
		c.b[int(off)+i] = byte(v >> (8 * i))
	}
}

// machine is a Space and a Platform of chips.
type machine struct {
	chips  map[Address]*chip
	mapped []string
	mem    map[uint64]bus.DMA
	limit  int // vectors that can be had
	given  int
}

func (m *machine) Function(a Address) (bus.Registers, error) {
	if c := m.chips[a]; c != nil {
		return bustest.Registers(c, spec.ExtendedConfigSize), nil
	}
	return bustest.Registers(empty{}, spec.ExtendedConfigSize), nil
}

type empty struct{}

func (empty) Load(uintptr, int) uint64   { return ^uint64(0) }
func (empty) Store(uintptr, int, uint64) {}

func (m *machine) MapMemory(pa, size uint64) (bus.Registers, error) {
	m.mapped = append(m.mapped, fmt.Sprintf("mem %#x+%#x", pa, size))
	if m.mem == nil {
		m.mem = map[uint64]bus.DMA{}
	}
	if m.mem[pa] == nil {
		m.mem[pa] = bustest.RAM(int(size))
	}
	return m.mem[pa], nil
}

func (m *machine) MapPorts(port, size uint16) (bus.Registers, error) {
	m.mapped = append(m.mapped, fmt.Sprintf("io %#x+%#x", port, size))
	return bustest.RAM(int(size)), nil
}

func (m *machine) AllocDMA(size int, low32 bool) (bus.DMA, error) {
	return new(bustest.Memory).Alloc(size, low32)
}

func (m *machine) Message(name string) (Message, error) {
	if m.given == m.limit {
		return nil, fmt.Errorf("no vector left")
	}
	m.given++
	return message{m.given, bustest.NewInterrupt(false)}, nil
}

type message struct {
	n int
	*bustest.Interrupt
}

func (m message) Address() uint64 { return 0xfee01000 }
func (m message) Data() uint32    { return uint32(0x40 + m.n) }

func (m *machine) Wire(name string, a Address, pin, line uint8) (bus.Interrupt, error) {
	m.mapped = append(m.mapped, fmt.Sprintf("wire %s pin %d line %d at %v", name, pin, line, a))
	return bustest.NewInterrupt(true), nil
}
