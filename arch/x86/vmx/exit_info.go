package vmx

// The typed values that an exit leaves in the VMCS (SDM Vol. 3C, 28.2).

// Qualification is the exit qualification; its methods are the readings that
// belong to one exit reason each (SDM Vol. 3C, 28.2.1, tables 28-1 to 28-8).
type Qualification uint64

// IOSize is the operand size of an I/O instruction in bytes: 1, 2 or 4.
func (q Qualification) IOSize() uint8 { return uint8(q&7) + 1 }

// IOIn reports whether the I/O instruction reads from the port.
func (q Qualification) IOIn() bool { return q>>3&1 != 0 }

// IOString reports INS or OUTS.
func (q Qualification) IOString() bool { return q>>4&1 != 0 }

// IORep reports a REP prefix.
func (q Qualification) IORep() bool { return q>>5&1 != 0 }

// IOPort is the port number.
func (q Qualification) IOPort() uint16 { return uint16(q >> 16) }

// CRAccessType is what an access to a control register does.
type CRAccessType uint8

// The access types, with the values of bits 5:4 of the qualification.
const (
	MovToCR   CRAccessType = 0
	MovFromCR CRAccessType = 1
	CLTS      CRAccessType = 2
	LMSW      CRAccessType = 3
)

// CRNumber is the control register accessed (0 for CLTS and LMSW).
func (q Qualification) CRNumber() uint8 { return uint8(q & 15) }

// CRType is the kind of access.
func (q Qualification) CRType() CRAccessType { return CRAccessType(q >> 4 & 3) }

// CRRegister is the general register of a MOV, in the encoding's order.
func (q Qualification) CRRegister() uint8 { return uint8(q >> 8 & 15) }

// LMSWSource is the 16-bit source operand of LMSW.
func (q Qualification) LMSWSource() uint16 { return uint16(q >> 16) }

// DRNumber is the debug register accessed by MOV DR.
func (q Qualification) DRNumber() uint8 { return uint8(q & 7) }

// DRFrom reports a MOV from (not to) the debug register.
func (q Qualification) DRFrom() bool { return q>>4&1 != 0 }

// DRRegister is the general register of MOV DR.
func (q Qualification) DRRegister() uint8 { return uint8(q >> 8 & 15) }

// EPTRead reports that the EPT violation was a data read.
func (q Qualification) EPTRead() bool { return q&1 != 0 }

// EPTWrite reports a data write.
func (q Qualification) EPTWrite() bool { return q>>1&1 != 0 }

// EPTFetch reports an instruction fetch.
func (q Qualification) EPTFetch() bool { return q>>2&1 != 0 }

// EPTPresent reports that the translation had some right (bits 5:3).
func (q Qualification) EPTPresent() bool { return q>>3&7 != 0 }

// EPTLinearValid reports that the guest-linear address field is valid.
func (q Qualification) EPTLinearValid() bool { return q>>7&1 != 0 }

// EPTFinal reports that the access was to the translation of the linear
// address, not to a paging-structure entry. Meaningful when EPTLinearValid.
func (q Qualification) EPTFinal() bool { return q>>8&1 != 0 }

// NMIUnblocking reports that the exit interrupted an IRET that had unblocked
// NMIs: the blocking must be restored (SDM Vol. 3C, 28.2.3). It is bit 12 of the
// EPT qualification and of the interruption information alike.
func (q Qualification) NMIUnblocking() bool { return q>>12&1 != 0 }

// APICOffset is the offset into the APIC page of an APIC access or APIC write.
func (q Qualification) APICOffset() uint16 { return uint16(q & 0xfff) }

// APICAccessType tells how the APIC-access page was used (0 linear read, 1
// linear write, 2 fetch, 3 during event delivery, 10 and 15 guest-physical).
func (q Qualification) APICAccessType() uint8 { return uint8(q >> 12 & 15) }

// TaskSelector is the selector of the new task.
func (q Qualification) TaskSelector() uint16 { return uint16(q) }

// TaskSource tells what switched: 0 CALL, 1 IRET, 2 JMP, 3 a task gate.
func (q Qualification) TaskSource() uint8 { return uint8(q >> 30 & 3) }

// EventType is bits 10:8 of an interruption information (SDM Vol. 3C, 25.8.3).
type EventType uint8

// The event types.
const (
	ExternalInterrupt   EventType = 0
	NMI                 EventType = 2
	HardwareException   EventType = 3
	SoftwareInterrupt   EventType = 4
	PrivilegedException EventType = 5 // INT1
	SoftwareException   EventType = 6 // INT3, INTO
	OtherEvent          EventType = 7
)

// InterruptionInfo is the format shared by the VM-entry interruption
// information, the VM-exit interruption information and the IDT-vectoring
// information (SDM Vol. 3C, 25.8.3, 25.9.2, 25.9.3).
type InterruptionInfo uint32

const (
	infoError = 1 << 11
	infoNMI   = 1 << 12
	infoValid = 1 << 31
)

// MakeInfo builds a valid interruption information.
func MakeInfo(vector uint8, t EventType, hasError bool) InterruptionInfo {
	i := InterruptionInfo(vector) | InterruptionInfo(t)<<8 | infoValid
	if hasError {
		i |= infoError
	}
	return i
}

// Valid reports whether the field says anything.
func (i InterruptionInfo) Valid() bool { return i&infoValid != 0 }

// Vector is the event's vector.
func (i InterruptionInfo) Vector() uint8 { return uint8(i) }

// Type is the event's type.
func (i InterruptionInfo) Type() EventType { return EventType(i >> 8 & 7) }

// HasError reports whether an error code goes with the event.
func (i InterruptionInfo) HasError() bool { return i&infoError != 0 }

// NMIUnblocking is bit 12 of the VM-exit interruption information.
func (i InterruptionInfo) NMIUnblocking() bool { return i&infoNMI != 0 }

// Interruptibility is the guest interruptibility state (SDM Vol. 3C, 25.4.2).
type Interruptibility uint32

// The bits of the interruptibility state.
const (
	BlockingBySTI   Interruptibility = 1 << 0
	BlockingByMOVSS Interruptibility = 1 << 1
	BlockingBySMI   Interruptibility = 1 << 2
	BlockingByNMI   Interruptibility = 1 << 3
	EnclaveExit     Interruptibility = 1 << 4
)

// ActivityState is the guest activity state (SDM Vol. 3C, 25.4.2).
type ActivityState uint32

// The activity states.
const (
	Active   ActivityState = 0
	Halted   ActivityState = 1
	Shutdown ActivityState = 2
	WaitSIPI ActivityState = 3
)

// AccessUnusable marks a segment register that holds nothing (SDM Vol. 3C,
// 25.4.1, table 25-2). The other bits are the descriptor's.
const AccessUnusable = 1 << 16
