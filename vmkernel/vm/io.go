package vm

import (
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/lapic"
	"basalt/vmkernel/vdev/pic"
	"basalt/vmkernel/vdev/postcode"
)

// cpuIO is the machine as one virtual CPU sees it: the bus, its own local APIC
// page and its memory.
type cpuIO struct {
	b    *board
	apic *localAPIC
	maps []gmem.Mapping // reused by Backed
}

func (c *cpuIO) ReadPort(port uint16, data []byte)  { c.b.bus.ReadPort(port, data) }
func (c *cpuIO) WritePort(port uint16, data []byte) { c.b.bus.WritePort(port, data) }

// local says whether an access goes to this CPU's APIC page, and where in it. The page
// is where the base MSR says; memory that is there hides it.
func (c *cpuIO) local(gpa uint64) (off uint64, ok bool) {
	base := c.apic.a.Base()
	off = gpa - base&^(lapic.PageSize-1)
	return off, off < lapic.PageSize && base&(lapic.BaseEN|lapic.BaseEXTD) == lapic.BaseEN
}

func (c *cpuIO) ReadMMIO(gpa uint64, data []byte) {
	if off, ok := c.local(gpa); ok {
		c.apic.a.ReadBytes(off, data, c.apic.cpu.TSC())
		return
	}
	c.b.bus.ReadMMIO(gpa, data)
}

func (c *cpuIO) WriteMMIO(gpa uint64, data []byte) {
	if off, ok := c.local(gpa); ok {
		c.apic.a.WriteBytes(off, data, c.apic.cpu.TSC())
		return
	}
	c.b.bus.WriteMMIO(gpa, data)
}

// FastWritePort takes the writes by which guests wait (Linux io_delay), and
// doorbells. W1.
func (c *cpuIO) FastWritePort(port uint16, size uint8, value uint32) bool {
	if port != postcode.Port {
		return c.b.bus.FastWritePort(port, size, value)
	}
	c.b.post.Set(uint8(value))
	return true
}

// own says whether an access goes to a register of this CPU's APIC page where it is after
// a reset. Elsewhere memory may hide it.
func (c *cpuIO) own(gpa uint64, size uint8) bool {
	return gpa&^(lapic.PageSize-1) == lapic.DefaultBase && size == 4 && gpa&15 == 0 &&
		c.apic.a.Base()&^lapic.BaseBSP == lapic.DefaultBase|lapic.BaseEN
}

// FastReadMMIO answers reads of the APIC's registers, of devices that can, and where there
// is neither a device nor memory. A register of the APIC that there is not raises an error
// interrupt, and is for ordinary Go. W1.
func (c *cpuIO) FastReadMMIO(gpa uint64, size uint8) (uint64, bool) {
	if c.own(gpa, size) {
		v, ok := c.apic.a.ReadSilent(uint32(gpa-lapic.DefaultBase), c.apic.cpu.TSC())
		return uint64(v), ok
	}
	if _, ok := c.local(gpa); ok {
		return 0, false
	}
	if v, ok := c.b.bus.FastReadMMIO(gpa, size); ok {
		return v, true
	}
	if c.b.mem.Contains(gpa, 1) {
		return 0, false
	}
	return c.b.bus.FastReadNobody(gpa, size)
}

// FastWriteMMIO takes writes of them, and doorbells. W1.
func (c *cpuIO) FastWriteMMIO(gpa uint64, size uint8, value uint64) (silent, ok bool) {
	if c.own(gpa, size) {
		c.apic.a.Write(uint32(gpa-lapic.DefaultBase), uint32(value), c.apic.cpu.TSC())
		return false, true
	}
	return true, c.b.bus.FastWriteMMIO(gpa, size, value)
}

// FastReadPort answers reads of the PIC's masks. W1.
func (c *cpuIO) FastReadPort(port uint16, size uint8) (uint32, bool) {
	if size != 1 || port != pic.MasterData && port != pic.SlaveData {
		return 0, false
	}
	m, ok := c.b.pic.ReadMask(port)
	return uint32(m), ok
}
