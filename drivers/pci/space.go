package pci

import (
	"fmt"
	"sync"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/pci"
)

// Address names a function.
type Address struct {
	Segment uint16
	Bus     uint8
	Device  uint8 // 0-31
	Func    uint8 // 0-7
}

// String is the usual form, such as "0000:00:03.0".
func (a Address) String() string {
	return fmt.Sprintf("%04x:%02x:%02x.%x", a.Segment, a.Bus, a.Device, a.Func)
}

// Space reaches configuration space. Reads of a function that is not there give
// all ones.
type Space interface {
	Function(a Address) (bus.Registers, error)
}

// ECAM is memory-mapped configuration space. Buses are mapped when first asked
// for, 1 MiB each.
type ECAM struct {
	Segment    uint16
	Base       uint64 // physical address of bus 0 (also if Start is larger)
	Start, End uint8
	Map        func(pa, size uint64) (bus.Registers, error)

	mu    sync.Mutex
	buses map[uint8]bus.Registers
}

// Function implements Space.
func (e *ECAM) Function(a Address) (bus.Registers, error) {
	if a.Segment != e.Segment || a.Bus < e.Start || a.Bus > e.End {
		return nil, fmt.Errorf("pci: %v is outside the ECAM window of buses %d-%d", a, e.Start, e.End)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.buses[a.Bus]
	if r == nil {
		var err error
		if r, err = e.Map(e.Base+uint64(a.Bus)<<20, 1<<20); err != nil {
			return nil, fmt.Errorf("pci: map bus %d: %w", a.Bus, err)
		}
		if e.buses == nil {
			e.buses = make(map[uint8]bus.Registers)
		}
		e.buses[a.Bus] = r
	}
	off := uintptr(a.Device&31)<<15 | uintptr(a.Func&7)<<12
	return bus.Window(r, off, spec.ExtendedConfigSize), nil
}

// Ports is configuration mechanism #1: an address port and a data port shared by
// all functions, so one lock covers each access.
type Ports struct {
	// IO is the port window 0xcf8-0xcff.
	IO bus.Registers

	mu sync.Mutex
}

// Function implements Space.
func (p *Ports) Function(a Address) (bus.Registers, error) {
	if a.Segment != 0 {
		return nil, fmt.Errorf("pci: %v is out of reach of the configuration ports", a)
	}
	addr := uint32(spec.ConfigAddressValid) | uint32(a.Bus)<<16 | uint32(a.Device&31)<<11 | uint32(a.Func&7)<<8
	return &portFunction{p, addr}, nil
}

type portFunction struct {
	p    *Ports
	addr uint32
}

const dataPort = spec.ConfigDataPort - spec.ConfigAddressPort

// set programs the address and gives the data port for off; the lock is held.
func (f *portFunction) set(off, n uintptr) uintptr {
	if off%n != 0 || off > spec.ConfigSize || n > spec.ConfigSize-off {
		panic(fmt.Sprintf("pci: configuration access of %d bytes at %#x", n, off))
	}
	f.p.mu.Lock()
	f.p.IO.Write32(0, f.addr|uint32(off&^3))
	return dataPort + off&3
}

func (f *portFunction) Size() uintptr { return spec.ConfigSize }

func (f *portFunction) Read8(off uintptr) uint8 {
	port := f.set(off, 1)
	defer f.p.mu.Unlock()
	return f.p.IO.Read8(port)
}

func (f *portFunction) Read16(off uintptr) uint16 {
	port := f.set(off, 2)
	defer f.p.mu.Unlock()
	return f.p.IO.Read16(port)
}

func (f *portFunction) Read32(off uintptr) uint32 {
	port := f.set(off, 4)
	defer f.p.mu.Unlock()
	return f.p.IO.Read32(port)
}

// Read64 is two reads: the ports carry no more than 32 bits.
func (f *portFunction) Read64(off uintptr) uint64 {
	return uint64(f.Read32(off)) | uint64(f.Read32(off+4))<<32
}

func (f *portFunction) Write8(off uintptr, v uint8) {
	port := f.set(off, 1)
	defer f.p.mu.Unlock()
	f.p.IO.Write8(port, v)
}

func (f *portFunction) Write16(off uintptr, v uint16) {
	port := f.set(off, 2)
	defer f.p.mu.Unlock()
	f.p.IO.Write16(port, v)
}

func (f *portFunction) Write32(off uintptr, v uint32) {
	port := f.set(off, 4)
	defer f.p.mu.Unlock()
	f.p.IO.Write32(port, v)
}

// Write64 is two writes, low half first.
func (f *portFunction) Write64(off uintptr, v uint64) {
	f.Write32(off, uint32(v))
	f.Write32(off+4, uint32(v>>32))
}
