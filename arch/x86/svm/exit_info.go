package svm

// IOIOInfo is EXITINFO1 of VMEXIT_IOIO (15.10.2, Figure 15-2). The address-size
// bits are absent in QEMU 7.2 : decode string instructions there.
type IOIOInfo uint64

// In is true for IN and INS.
func (i IOIOInfo) In() bool { return i&1 != 0 }

// StringOp is true for INS and OUTS.
func (i IOIOInfo) StringOp() bool { return i&(1<<2) != 0 }

// Rep is true with a REP prefix.
func (i IOIOInfo) Rep() bool { return i&(1<<3) != 0 }

// Size is the operand size in bytes: 1, 2 or 4.
func (i IOIOInfo) Size() uint8 { return uint8(i>>4) & 7 }

// AddrSize is the address size in bytes, or 0 when the processor does not say.
func (i IOIOInfo) AddrSize() uint8 { return uint8(i>>7) & 7 << 1 }

// Port is the I/O port.
func (i IOIOInfo) Port() uint16 { return uint16(i >> 16) }

// NPFInfo is EXITINFO1 of VMEXIT_NPF (15.25.6); EXITINFO2 is the guest-physical
// address.
type NPFInfo uint64

// Present is true for a violation of rights, false for an absent entry.
func (n NPFInfo) Present() bool { return n&1 != 0 }

// Write is true for a write. The guest's page walk writes accessed bits too.
func (n NPFInfo) Write() bool { return n&2 != 0 }

// Reserved is true when a nested entry had a reserved bit set: our bug.
func (n NPFInfo) Reserved() bool { return n&8 != 0 }

// Fetch is true for an instruction fetch.
func (n NPFInfo) Fetch() bool { return n&16 != 0 }

// Final is true when the guest's final address faulted.
func (n NPFInfo) Final() bool { return n&(1<<32) != 0 }

// PageWalk is true when the guest's own page tables faulted.
func (n NPFInfo) PageWalk() bool { return n&(1<<33) != 0 }

// EventInfo is EXITINTINFO or EVENTINJ: an event being delivered or to deliver
// (15.7.2, 15.20).
type EventInfo uint64

// Types of an event.
const (
	EventINTR      = 0 // external or virtual interrupt
	EventNMI       = 2
	EventException = 3
	EventSoft      = 4 // INTn

	eventEV    = 1 << 11
	eventValid = 1 << 31
)

// MakeEvent builds a valid EVENTINJ.
func MakeEvent(vector uint8, typ uint8, hasError bool, code uint32) EventInfo {
	e := EventInfo(vector) | EventInfo(typ&7)<<8 | eventValid
	if hasError {
		e |= eventEV | EventInfo(code)<<32
	}
	return e
}

// Valid says whether there is an event.
func (e EventInfo) Valid() bool { return e&eventValid != 0 }

// Vector is the IDT vector.
func (e EventInfo) Vector() uint8 { return uint8(e) }

// Type is Event*.
func (e EventInfo) Type() uint8 { return uint8(e>>8) & 7 }

// HasError says whether Error counts.
func (e EventInfo) HasError() bool { return e&eventEV != 0 }

// Error is the error code.
func (e EventInfo) Error() uint32 { return uint32(e >> 32) }

// CRInfo is EXITINFO1 of a MOV CRx or DRx exit with decode assists (15.33.1).
// Without them it is zero.
type CRInfo uint64

// Mov is true for MOV, false for CLTS, LMSW and SMSW; valid with decode assists.
func (c CRInfo) Mov() bool { return c>>63 == 1 }

// GPR is the number of the general register.
func (c CRInfo) GPR() uint8 { return uint8(c) & 15 }
