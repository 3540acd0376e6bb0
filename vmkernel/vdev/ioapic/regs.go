package ioapic

// NumPins is the number of inputs and redirection entries.
const NumPins = 24

// DefaultBase is where the registers are; Size is how far they reach, in bytes.
const (
	DefaultBase = 0xFEC0_0000
	Size        = 0x1000
)

// Offsets of the direct registers.
const (
	IOREGSEL = 0x00
	IOWIN    = 0x10
	IOEOI    = 0x40
)

// Indices of the indirect registers.
const (
	IOAPICID  = 0x00
	IOAPICVER = 0x01
	IOAPICARB = 0x02
	IOREDTBL  = 0x10 // two for each pin, low half first
)

// version 0x20 has the EOI register.
const version = 0x20 | (NumPins-1)<<16

// The redirection entry.
const (
	rteVector    entry = 0xFF
	rteModeShift       = 8
	rteMode      entry = 7 << rteModeShift
	rteLogical   entry = 1 << 11
	rteStatus    entry = 1 << 12
	rtePolarity  entry = 1 << 13
	rteRemoteIRR entry = 1 << 14
	rteLevel     entry = 1 << 15
	rteMasked    entry = 1 << 16
	rtePin       entry = 1 << 17 // ours: the pin is asserted
	rteDestShift       = 56
	rteExtShift        = 49
	rteDest      entry = 0xFF<<rteDestShift | 0x7F<<rteExtShift

	rteWritable = rteVector | rteMode | rteLogical | rtePolarity | rteLevel | rteMasked | rteDest
	rteVisible  = rteWritable | rteRemoteIRR
)
