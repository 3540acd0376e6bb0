package bustest

import (
	"fmt"
	"sync/atomic"

	"basalt/drivers/bus"
)

// Device is one function on the fake bus.
type Device struct {
	Addr       string
	Vendor     uint16
	DeviceID   uint16
	ClassCode  uint32
	ConfigRegs bus.DMA // see RAM
	BARs       map[int]bus.Registers
	Mem        *Memory
	Vectors    []*Interrupt // what Interrupts hands out, in order

	BusMaster bool
	FailDMA   int // the allocation that fails, counted from 1; 0: none
	allocs    int

	removed atomic.Bool
}

var _ bus.Device = (*Device)(nil)

// Name implements bus.Device.
func (d *Device) Name() string { return d.Addr }

// ID implements bus.Device.
func (d *Device) ID() (vendor, device uint16) { return d.Vendor, d.DeviceID }

// Class implements bus.Device.
func (d *Device) Class() uint32 { return d.ClassCode }

// Config implements bus.Device.
func (d *Device) Config() bus.Registers {
	if d.removed.Load() {
		return nothing
	}
	return d.ConfigRegs
}

// Removed makes configuration space answer as an empty slot does.
func (d *Device) Removed() { d.removed.Store(true) }

// nothing is an empty slot: all ones.
var nothing = Registers(emptySlot{}, 4096)

type emptySlot struct{}

func (emptySlot) Load(uintptr, int) uint64   { return ^uint64(0) }
func (emptySlot) Store(uintptr, int, uint64) {}

// BAR implements bus.Device.
func (d *Device) BAR(i int) (bus.Registers, error) {
	if r := d.BARs[i]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("bustest: %s has no BAR %d", d.Addr, i)
}

// AllocDMA implements bus.Device.
func (d *Device) AllocDMA(size int, low32 bool) (bus.DMA, error) {
	if d.allocs++; d.allocs == d.FailDMA {
		return nil, fmt.Errorf("bustest: no memory (injected)")
	}
	return d.Mem.Alloc(size, low32)
}

// Interrupts implements bus.Device.
func (d *Device) Interrupts(n int) ([]bus.Interrupt, error) {
	if len(d.Vectors) == 0 {
		return nil, fmt.Errorf("bustest: %s has no interrupt", d.Addr)
	}
	var out []bus.Interrupt
	for _, v := range d.Vectors[:min(n, len(d.Vectors))] {
		out = append(out, v)
	}
	return out, nil
}

// EnableBusMaster implements bus.Device.
func (d *Device) EnableBusMaster() { d.BusMaster = true }
