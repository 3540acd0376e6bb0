package hpet

import "basalt/vmkernel/vdev/acpitables"

// NumTimers is the number of comparators.
const NumTimers = 3

// PeriodNS is one tick of the main counter, in nanoseconds.
const PeriodNS = 10

// RouteCap has a bit for each pin of the I/O APIC that a comparator can be routed to:
// ISA pins that no device of the board has.
const RouteCap = 1<<10 | 1<<11

// Registers, from the start of the block (table 2).
const (
	regCapability = 0x000
	regConfig     = 0x010
	regStatus     = 0x020
	regCounter    = 0x0F0
	regTimers     = 0x100
	timerStride   = 0x20

	// In the block of a comparator.
	timerConfig  = 0x00
	timerCompare = 0x08
	timerFSB     = 0x10
)

// capability is GCAP_ID: the low half is what the ACPI table repeats, the high half a
// tick in femtoseconds.
const capability = acpitables.HPETBlockID | PeriodNS*1_000_000<<32

// General configuration.
const (
	cfgEnable = 1 << 0
	cfgLegacy = 1 << 1
	cfgMask   = cfgEnable | cfgLegacy
)

// Timer configuration and capabilities (2.3.8).
const (
	tnLevel     = 1 << 1
	tnEnable    = 1 << 2
	tnPeriodic  = 1 << 3
	tnPerCap    = 1 << 4
	tnSizeCap   = 1 << 5
	tnValueSet  = 1 << 6
	tn32        = 1 << 8
	tnRoutePos  = 9
	tnRoute     = 0x1F << tnRoutePos
	tnWritable  = tnLevel | tnEnable | tnPeriodic | tnValueSet | tn32 | tnRoute
	tnReadOnly  = tnPerCap | tnSizeCap | RouteCap<<32
	never       = int64(-1)
	maxDistance = 1 << 59 // ticks: 182 years, and no overflow of nanoseconds
)
