package apic

import (
	"sync/atomic"

	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
)

// The I/O APIC (82093AA datasheet, section 3; ICH9 datasheet, section 13.5): an
// index and a data register in front of a redirection entry of 64 bits for each
// pin. Pins are named by their global number (GSI), as ACPI does.
//
// Index and data are a pair, so each I/O APIC has a lock. Top halves take it to
// mask a level-triggered line, so it is held with interrupts off, for four
// accesses, by functions that cannot be preempted or grow the stack.
//
// TamaGo's soc/intel/ioapic is not used: it has neither level triggering, polarity,
// masking, a choice of processor nor a lock.

const (
	ioSelect = 0x00
	ioData   = 0x10

	ioVersion  = 1
	ioRedirect = 0x10 // two for each pin

	entryMasked    = 1 << 16
	entryLevel     = 1 << 15
	entryActiveLow = 1 << 13

	maxIOAPICs = 16
	maxPins    = 240
)

type ioapic struct {
	lock   uint32
	pins   uint32
	base   uint32 // GSI of pin 0
	window uintptr
}

var (
	ioapics  [maxIOAPICs]ioapic
	nIOAPICs uint32
	// lineGSI holds, for each vector of a level-triggered line, its GSI plus one.
	lineGSI [256]uint32
)

// AddIOAPIC takes an I/O APIC whose registers are mapped at window, masks all of
// its pins, and says how many there are; 0 means that there is none.
func AddIOAPIC(window uintptr, gsiBase uint32) (pins int) {
	n := atomic.LoadUint32(&nIOAPICs)
	if n == maxIOAPICs {
		return 0
	}
	a := &ioapics[n]
	a.window, a.base = window, gsiBase
	v := a.access(ioVersion, 0, false)
	if v == ^uint32(0) {
		return 0
	}
	a.pins = min(v>>16&0xff+1, maxPins)
	for p := uint32(0); p < a.pins; p++ {
		a.access(ioRedirect+2*p, entryMasked, true)
	}
	atomic.StoreUint32(&nIOAPICs, n+1)
	return int(a.pins)
}

// access is one indexed read or write under the lock.
//
//go:nosplit
func (a *ioapic) access(index, v uint32, write bool) uint32 {
	on := cpu.RFLAGS()&(1<<9) != 0
	cpu.CLI()
	for !atomic.CompareAndSwapUint32(&a.lock, 0, 1) {
		cpu.PAUSE()
	}
	io.Store32(a.window+ioSelect, index)
	if write {
		io.Store32(a.window+ioData, v)
	} else {
		v = io.Load32(a.window + ioData)
	}
	atomic.StoreUint32(&a.lock, 0)
	if on {
		cpu.STI()
	}
	return v
}

// mask sets or clears the mask bit of a pin.
//
//go:nosplit
func (a *ioapic) mask(pin uint32, masked bool) {
	on := cpu.RFLAGS()&(1<<9) != 0
	cpu.CLI()
	for !atomic.CompareAndSwapUint32(&a.lock, 0, 1) {
		cpu.PAUSE()
	}
	io.Store32(a.window+ioSelect, ioRedirect+2*pin)
	v := io.Load32(a.window+ioData) &^ entryMasked
	if masked {
		v |= entryMasked
	}
	io.Store32(a.window+ioData, v)
	atomic.StoreUint32(&a.lock, 0)
	if on {
		cpu.STI()
	}
}

//go:nosplit
func byGSI(gsi uint32) (a *ioapic, pin uint32) {
	n := atomic.LoadUint32(&nIOAPICs)
	for i := uint32(0); i < n && i < maxIOAPICs; i++ {
		if a = &ioapics[i]; gsi-a.base < a.pins {
			return a, gsi - a.base
		}
	}
	return nil, 0
}

// Route sends a GSI to a processor as a fixed interrupt, masked for now. A
// level-triggered line is masked again by each interrupt. False means that no I/O
// APIC has this GSI, or that id does not fit its 8 bits.
func Route(gsi uint32, vector uint8, id uint32, level, activeLow bool) bool {
	a, pin := byGSI(gsi)
	if a == nil || id > 0xff {
		return false
	}
	low := uint32(vector) | entryMasked
	if level {
		low |= entryLevel
		atomic.StoreUint32(&lineGSI[vector], gsi+1)
	}
	if activeLow {
		low |= entryActiveLow
	}
	a.access(ioRedirect+2*pin, low, true)
	a.access(ioRedirect+2*pin+1, id<<24, true)
	return true
}

// Unroute masks a GSI and forgets that vector was its.
func Unroute(gsi uint32, vector uint8) {
	Mask(gsi, true)
	atomic.StoreUint32(&lineGSI[vector], 0)
}

// Mask masks or unmasks a GSI.
func Mask(gsi uint32, masked bool) {
	if a, pin := byGSI(gsi); a != nil {
		a.mask(pin, masked)
	}
}

// MaskLine masks the level-triggered line that raised vector, if one did. The top
// half calls it before EOI, because the line stays asserted until a driver has
// silenced its device.
//
//go:nosplit
func MaskLine(vector uint8) {
	if g := atomic.LoadUint32(&lineGSI[vector]); g != 0 {
		if a, pin := byGSI(g - 1); a != nil {
			a.mask(pin, true)
		}
	}
}
