package lapic

// Register offsets in the xAPIC page (SDM Vol. 3A, table 11-1). The x2APIC MSR
// of a register is 0x800 + offset/16.
const (
	ID      = 0x020
	Version = 0x030
	TPR     = 0x080
	APR     = 0x090
	PPR     = 0x0A0
	EOI     = 0x0B0
	RRD     = 0x0C0
	LDR     = 0x0D0
	DFR     = 0x0E0
	SVR     = 0x0F0
	ISR     = 0x100 // eight registers
	TMR     = 0x180 // eight registers
	IRR     = 0x200 // eight registers
	ESR     = 0x280
	ICRLow  = 0x300
	ICRHigh = 0x310
	LVTT    = 0x320 // timer
	LVTTHMR = 0x330 // thermal sensor
	LVTPC   = 0x340 // performance counters
	LVT0    = 0x350
	LVT1    = 0x360
	LVTERR  = 0x370
	TMICT   = 0x380 // initial count
	TMCCT   = 0x390 // current count
	TDCR    = 0x3E0 // divide configuration
	SelfIPI = 0x3F0 // x2APIC only
)

// PageSize is the size of the xAPIC page in bytes; DefaultBase is where it is.
const (
	PageSize    = 0x1000
	DefaultBase = 0xFEE0_0000
)

// The model-specific registers.
const (
	MSRAPICBase    = 0x01B
	MSRTSCDeadline = 0x6E0
	MSRx2APIC      = 0x800 // first of 256
)

// IA32_APIC_BASE (11.4.4, 11.12.1).
const (
	BaseBSP  = 1 << 8
	BaseEXTD = 1 << 10
	BaseEN   = 1 << 11
)

// versionValue: integrated APIC 0x14, six LVT entries, EOI broadcast can be
// suppressed (11.4.8).
const versionValue = 0x14 | (numLVT-1)<<16 | 1<<24

// Spurious vector register (11.9).
const (
	svrVector   = 0xFF
	svrEnable   = 1 << 8
	svrFocus    = 1 << 9
	svrSuppress = 1 << 12
	svrValid    = svrVector | svrEnable | svrSuppress
)

// Local vector table bits (11.5.1).
const (
	lvtVector     = 0xFF
	lvtModeShift  = 8
	lvtModeMask   = 7 << lvtModeShift
	lvtStatus     = 1 << 12 // delivery status, read-only
	lvtPolarity   = 1 << 13
	lvtRemoteIRR  = 1 << 14 // read-only
	lvtTrigger    = 1 << 15
	lvtMasked     = 1 << 16
	lvtTimerShift = 17
	lvtTimerMask  = 3 << lvtTimerShift
)

// Timer modes (11.5.4).
const (
	timerOneShot  = 0
	timerPeriodic = 1
	timerDeadline = 2
)

// Indices of the LVT entries, in the order of their offsets from LVTT.
const (
	lvtTimer = iota
	lvtThermal
	lvtPerf
	lvtLINT0
	lvtLINT1
	lvtError
	numLVT
)

// lvtValid are the writable bits of each entry.
var lvtValid = [8]uint32{
	lvtTimer:   lvtVector | lvtMasked | lvtTimerMask,
	lvtThermal: lvtVector | lvtModeMask | lvtMasked,
	lvtPerf:    lvtVector | lvtModeMask | lvtMasked,
	lvtLINT0:   lvtVector | lvtModeMask | lvtPolarity | lvtTrigger | lvtMasked,
	lvtLINT1:   lvtVector | lvtModeMask | lvtPolarity | lvtTrigger | lvtMasked,
	lvtError:   lvtVector | lvtMasked,
}

// Mode is a delivery mode (11.5.1, 11.6.1).
type Mode uint8

// The delivery modes.
const (
	Fixed          Mode = 0
	LowestPriority Mode = 1
	SMI            Mode = 2
	NMI            Mode = 4
	INIT           Mode = 5
	StartUp        Mode = 6
	ExtINT         Mode = 7
)

// Interrupt command register (11.6.1).
const (
	icrLogical        = 1 << 11
	icrStatus         = 1 << 12
	icrAssert         = 1 << 14
	icrLevel          = 1 << 15
	icrShorthandShift = 18
	icrValid          = 0xFF | 7<<8 | icrLogical | icrAssert | icrLevel | 3<<icrShorthandShift
)

// Destination shorthands.
const (
	shortNone = iota
	shortSelf
	shortAll
	shortOthers
)

// Error status register (11.5.3).
const (
	esrSendIllegal    = 1 << 5
	esrReceiveIllegal = 1 << 6
	esrRegister       = 1 << 7
)

// Broadcast is the destination of every CPU, in the 32-bit form.
const Broadcast = 0xFFFF_FFFF
