package pci

import (
	"fmt"
	"sync"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/pci"
)

// Function is one function found by Enumerate. It implements bus.Device.
type Function struct {
	addr           Address
	vendor, device uint16
	class          uint32 // base class, subclass, interface: 24 bits
	bridge         bool
	secondary      uint8
	parent         *Function // the bridge in front of its bus; nil on a root bus
	config         bus.Registers
	platform       Platform

	mu sync.Mutex // command register, BAR sizing, MSI state
}

var _ bus.Device = (*Function)(nil)

// Name implements bus.Device.
func (f *Function) Name() string { return f.addr.String() }

// Address is the function's place.
func (f *Function) Address() Address { return f.addr }

// ID implements bus.Device.
func (f *Function) ID() (vendor, device uint16) { return f.vendor, f.device }

// Class implements bus.Device: base class in bits 23:16, subclass in 15:8,
// programming interface in 7:0.
func (f *Function) Class() uint32 { return f.class }

// Config implements bus.Device.
func (f *Function) Config() bus.Registers { return f.config }

// String is one line of a bus listing.
func (f *Function) String() string {
	return fmt.Sprintf("%v %04x:%04x class %06x", f.addr, f.vendor, f.device, f.class)
}

// BAR implements bus.Device.
func (f *Function) BAR(i int) (bus.Registers, error) {
	b, err := f.SizeBAR(i)
	if err != nil {
		return nil, err
	}
	if b.Addr == 0 {
		return nil, fmt.Errorf("pci: %v: firmware assigned no address to BAR %d", f.addr, i)
	}
	if b.IO {
		if b.Addr+b.Size > 1<<16 {
			return nil, fmt.Errorf("pci: %v: BAR %d at ports %#x+%#x", f.addr, i, b.Addr, b.Size)
		}
		f.setCommand(spec.CommandIO, 0)
		return f.platform.MapPorts(uint16(b.Addr), uint16(b.Size))
	}
	if b.Addr+b.Size < b.Addr || b.Addr+b.Size > 1<<52 {
		return nil, fmt.Errorf("pci: %v: BAR %d at %#x+%#x", f.addr, i, b.Addr, b.Size)
	}
	f.setCommand(spec.CommandMemory, 0)
	r, err := f.platform.MapMemory(b.Addr, b.Size)
	if err != nil {
		return nil, fmt.Errorf("pci: %v: map BAR %d: %w", f.addr, i, err)
	}
	return r, nil
}

// AllocDMA implements bus.Device.
func (f *Function) AllocDMA(size int, low32 bool) (bus.DMA, error) {
	return f.platform.AllocDMA(size, low32)
}

// EnableBusMaster implements bus.Device.
func (f *Function) EnableBusMaster() {
	f.setCommand(spec.CommandIO|spec.CommandMemory|spec.CommandBusMaster, 0)
}

func (f *Function) setCommand(set, clear uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config.Write16(spec.Command, f.config.Read16(spec.Command)&^clear|set)
}

// rootPin follows an interrupt pin (1 to 4) up to the root bus: each bridge turns
// it by the device number below (PCI-to-PCI Bridge Architecture Specification 1.2,
// table 9-1).
func (f *Function) rootPin(pin uint8) (Address, uint8) {
	for ; f.parent != nil; f = f.parent {
		pin = (pin-1+f.addr.Device)%4 + 1
	}
	return f.addr, pin
}
