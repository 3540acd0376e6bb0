package e1000test

import (
	"encoding/binary"
	"fmt"
	"sync"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	"basalt/drivers/netio"
	spec "basalt/drivers/spec/e1000"
)

// Faults are switched on by a test; each holds for the next n descriptors.
type Faults struct {
	RxLength    map[int]uint16 // n-th received frame (from 0): length written back
	RxErrors    map[int]byte   // error bits written back
	RxSplit     map[int]bool   // written back without end of packet
	RxAddr      bool           // buffer addresses are overwritten in the ring
	StuckReset  bool           // CTRL.RST never clears
	NoStation   bool           // RAL/RAH stay empty: the EEPROM has to be asked
	BadStation  bool           // the EEPROM holds zeros
	ShortMemory bool           // BAR 0 is too small
}

// Chip is the emulated controller.
type Chip struct {
	Dev    *bustest.Device
	Faults Faults

	// Zeros: once removed, registers read as zeros instead of all ones.
	Zeros bool

	mu         sync.Mutex
	moved      sync.Cond // a tail, an enable bit or gone changed
	wire       netio.Link
	vectors    []*bustest.Interrupt
	mac        [6]byte
	pcie       bool
	regs       [spec.Size / 4]uint32
	gone       bool
	carrier    bool
	rxSeen     int
	complaints []string
}

// New makes a chip with this PCI device ID at the end of a wire, and starts it.
// vectors is how many messages the function can send; 0 means a wire (INTx).
func New(id uint16, wire netio.Link, vectors int) *Chip {
	c := &Chip{wire: wire, mac: [6]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}, carrier: true, pcie: id == spec.ID82574L}
	c.moved.L = &c.mu
	c.Dev = &bustest.Device{
		Addr: "test:00:03.0", Vendor: spec.Vendor, DeviceID: id, ClassCode: 0x020000,
		ConfigRegs: bustest.RAM(256), Mem: new(bustest.Memory),
		BARs: map[int]bus.Registers{0: bustest.Registers(c, spec.Size)},
	}
	for range max(vectors, 1) {
		c.Dev.Vectors = append(c.Dev.Vectors, bustest.NewInterrupt(vectors == 0))
	}
	c.vectors = c.Dev.Vectors
	c.reset()
	go c.receive()
	go c.transmit()
	return c
}

// Shrink makes BAR 0 smaller than the chip's registers.
func (c *Chip) Shrink() { c.Dev.BARs[0] = bustest.Registers(c, 0x1000) }

// Remove pulls the card out: registers read as all ones, DMA and messages stop.
func (c *Chip) Remove() {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	c.Dev.Removed()
	c.moved.Broadcast()
	c.wire.Close()
}

// SetCarrier plugs the cable in or out.
func (c *Chip) SetCarrier(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carrier = up
	c.regs[spec.STATUS/4] &^= spec.StatusLU
	if up {
		c.regs[spec.STATUS/4] |= spec.StatusLU
	}
	c.cause(spec.IntLSC | spec.IntOther)
}

// Complaints is what the driver did against the manual.
func (c *Chip) Complaints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.complaints
	if n := c.Dev.Mem.Faults(); n > 0 {
		out = append(out, fmt.Sprintf("%d DMA accesses outside of memory", n))
	}
	return out
}

func (c *Chip) complain(format string, args ...any) {
	c.complaints = append(c.complaints, fmt.Sprintf(format, args...))
}

func (c *Chip) reset() {
	var ral, rah uint32
	c.regs = [spec.Size / 4]uint32{}
	if !c.Faults.NoStation {
		m := c.mac
		ral = binary.LittleEndian.Uint32(m[:4])
		rah = uint32(m[4]) | uint32(m[5])<<8 | spec.RAHAddressValid
	}
	c.regs[spec.RAL/4], c.regs[spec.RAH/4] = ral, rah
	c.regs[spec.STATUS/4] = spec.StatusFD
	if c.carrier {
		c.regs[spec.STATUS/4] |= spec.StatusLU
	}
	c.moved.Broadcast()
}

// Load implements bustest.Handler.
func (c *Chip) Load(off uintptr, width int) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone && c.Zeros {
		return 0
	}
	if c.gone {
		return ^uint64(0)
	}
	if width != 4 {
		c.complain("%d-byte read at %#x", width, off)
	}
	v := c.regs[off/4]
	switch off {
	case spec.ICR:
		c.regs[spec.ICR/4] = 0
		c.pin()
	case spec.IMC, spec.ICS:
		return 0
	case spec.MPC:
		c.regs[spec.MPC/4] = 0
	}
	return uint64(v)
}

// Store implements bustest.Handler.
func (c *Chip) Store(off uintptr, width int, v64 uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	if width != 4 {
		c.complain("%d-byte write at %#x", width, off)
	}
	v := uint32(v64)
	switch off {
	case spec.CTRL:
		if v&spec.CtrlRST != 0 && !c.Faults.StuckReset {
			c.reset()
			return
		}
	case spec.STATUS:
		return
	case spec.ICR:
		c.regs[spec.ICR/4] &^= v
		c.pin()
		return
	case spec.IMS:
		c.regs[spec.IMS/4] |= v
		c.fire()
		return
	case spec.IMC:
		c.regs[spec.IMS/4] &^= v
		c.pin()
		return
	case spec.EERD:
		v = c.eeprom(v)
	case spec.RDLEN, spec.TDLEN:
		if v%128 != 0 {
			c.complain("ring length %d", v)
		}
	case spec.RDBAL, spec.TDBAL:
		if v%16 != 0 {
			c.complain("ring at %#x", v)
		}
	}
	c.regs[off/4] = v
	switch off {
	case spec.RDT, spec.TDT, spec.RCTL, spec.TCTL:
		c.moved.Broadcast()
	}
}

func (c *Chip) eeprom(v uint32) uint32 {
	shift, done := spec.EERDShift8254x, uint32(spec.EERDDone8254x)
	if c.pcie {
		shift, done = spec.EERDShift82574, spec.EERDDone82574
	}
	if v&spec.EERDStart == 0 {
		return v
	}
	word := uint32(0xffff)
	if a := v & 0xffff >> shift; a < 3 {
		word = uint32(c.mac[2*a]) | uint32(c.mac[2*a+1])<<8
		if c.Faults.BadStation {
			word = 0
		}
	}
	return v&0xffff | done | word<<spec.EERDDataShift
}
