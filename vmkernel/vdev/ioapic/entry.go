package ioapic

// entry is one pin: its redirection entry and its level. All methods are pure.
type entry uint64

// fixed: delivery modes fixed and lowest priority; only they can be
// level-triggered.
func (e entry) fixed() bool { return e>>rteModeShift&7 <= 1 }

func (e entry) level() bool { return e&rteLevel != 0 && e.fixed() }

// due says whether an asserted level must be sent.
func (e entry) due() bool {
	return e.level() && e&rtePin != 0 && e&(rteMasked|rteRemoteIRR) == 0
}

// message is the entry in the form of an MSI.
func (e entry) message() (addr uint64, data uint32) {
	dest := uint64(e >> rteDestShift)
	ext := uint64(e>>rteExtShift) & 0x7F
	addr = 0xFEE0_0000 | dest<<12 | ext<<5 | uint64(e&rteLogical)>>11<<2
	data = uint32(e & (rteVector | rteMode))
	if e.level() {
		data |= 1<<15 | 1<<14
	}
	return addr, data
}

// writeHalf puts v into the low or the high half.
func (e entry) writeHalf(high bool, v uint32) entry {
	if high {
		mask := rteWritable >> 32 << 32
		return e&^mask | entry(v)<<32&mask
	}
	mask := rteWritable & 0xFFFF_FFFF
	e = e&^mask | entry(v)&mask
	if e&rteLevel == 0 {
		e &^= rteRemoteIRR
	}
	return e
}
