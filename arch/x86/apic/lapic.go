package apic

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
)

// MSRs of the local APIC.
const (
	IA32_APIC_BASE    = 0x1b
	IA32_TSC_DEADLINE = 0x6e0
	x2apicMSR         = 0x800
)

// Register offsets in xAPIC mode (SDM Vol. 3A, table 11-1); x2APIC's MSR is
// 0x800 + offset/16.
const (
	regID      = 0x020
	regVersion = 0x030
	regTPR     = 0x080
	regEOI     = 0x0b0
	regSVR     = 0x0f0
	regESR     = 0x280
	regICRLow  = 0x300
	regICRHigh = 0x310
	regTimer   = 0x320
	regLINT0   = 0x350
	regLINT1   = 0x360
	regError   = 0x370
	regInitial = 0x380
	regCurrent = 0x390
	regDivide  = 0x3e0
)

const (
	baseEnable  = 1 << 11
	baseExtd    = 1 << 10
	svrEnable   = 1 << 8
	lvtMasked   = 1 << 16
	timerTSC    = 2 << 17
	icrPending  = 1 << 12
	icrAssert   = 1 << 14
	icrInit     = 5 << 8
	icrStartup  = 6 << 8
	icrAllOther = 3 << 18
	divideBy1   = 0xb
)

// X2 says that x2APIC mode is on; Deadline that the timer is the TSC deadline.
var (
	X2       bool
	Deadline bool
)

var window uintptr

//go:nosplit
func read(reg uintptr) uint32 {
	if X2 {
		return uint32(cpu.RDMSR(x2apicMSR + uint32(reg>>4)))
	}
	return io.Load32(window + reg)
}

//go:nosplit
func write(reg uintptr, v uint32) {
	if X2 {
		cpu.WRMSR(x2apicMSR+uint32(reg>>4), uint64(v))
		return
	}
	io.Store32(window+reg, v)
}

// Base is the physical address of the xAPIC page.
func Base() uint64 { return cpu.RDMSR(IA32_APIC_BASE) & 0x000f_ffff_ffff_f000 }

// Init turns this processor's local APIC on, with every local source masked.
// mapped is where the xAPIC page is seen; it is not used in x2APIC mode. spurious
// is the spurious-interrupt vector.
func Init(mapped uintptr, spurious uint8) {
	window = mapped
	_, _, c, _ := cpu.CPUID(1, 0)
	X2 = c&(1<<21) != 0
	Deadline = c&(1<<24) != 0
	// One step at a time: from off straight to x2APIC is a fault (SDM Vol. 3A,
	// 11.12.5 "x2APIC State Transitions"). Firmware may have gone there already.
	base := cpu.RDMSR(IA32_APIC_BASE)
	if base&baseEnable == 0 {
		base |= baseEnable
		cpu.WRMSR(IA32_APIC_BASE, base)
	}
	if base&baseExtd != 0 {
		X2 = true
	} else if X2 {
		cpu.WRMSR(IA32_APIC_BASE, base|baseExtd)
	}
	write(regTPR, 0)
	write(regLINT0, lvtMasked)
	write(regLINT1, lvtMasked)
	write(regError, lvtMasked)
	write(regTimer, lvtMasked)
	write(regSVR, svrEnable|uint32(spurious))
	write(regDivide, divideBy1)
}

// ID is this processor's APIC ID.
func ID() uint32 {
	v := read(regID)
	if !X2 {
		v >>= 24
	}
	return v
}

// EOI ends the interrupt in service.
func EOI() { write(regEOI, 0) }

// Send sends a fixed interrupt. Interrupts are off: the command has two halves.
//
//go:nosplit
func Send(id uint32, vector uint8) { command(id, uint32(vector)|icrAssert) }

// SendInit and SendStartup start another processor (SDM Vol. 3A, 9.4.4).
func SendInit(id uint32) { command(id, icrInit|icrAssert) }

// SendStartup sends the start-up interrupt for the 4 KiB page at page<<12.
func SendStartup(id uint32, page uint8) { command(id, icrStartup|icrAssert|uint32(page)) }

// BroadcastNMI stops every other processor.
func BroadcastNMI() { command(0, 4<<8|icrAssert|icrAllOther) }

//go:nosplit
func command(id, low uint32) {
	if X2 {
		// This WRMSR waits for no store: the target could be there before what it
		// is to find (SDM Vol. 3A, 11.12.3 "MSR Access in x2APIC Mode").
		cpu.Fence()
		cpu.WRMSR(x2apicMSR+regICRLow>>4, uint64(id)<<32|uint64(low))
		return
	}
	for i := 0; read(regICRLow)&icrPending != 0 && i < 1<<20; i++ {
		cpu.PAUSE()
	}
	write(regICRHigh, id<<24)
	write(regICRLow, low)
}

// TimerVector sets the timer's vector in the mode that the processor has: TSC
// deadline or one-shot.
func TimerVector(vector uint8) {
	v := uint32(vector)
	if Deadline {
		v |= timerTSC
	}
	write(regTimer, v)
}

// ArmDeadline fires at a TSC value (TSC-deadline mode); 0 stops the timer.
//
//go:nosplit
func ArmDeadline(tsc uint64) { cpu.WRMSR(IA32_TSC_DEADLINE, tsc) }

// ArmCount fires after count ticks of the timer's clock (one-shot mode); 0 stops
// the timer.
//
//go:nosplit
func ArmCount(count uint32) { write(regInitial, count) }

// Count is what is left of a one-shot count.
func Count() uint32 { return read(regCurrent) }
