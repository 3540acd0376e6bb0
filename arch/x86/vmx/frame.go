package vmx

// Frame is what Enter works on: the guest's general registers, the few fields
// that every exit needs, and what the VMCS is known to hold so that unchanged
// fields are not written again. enter_amd64.s uses its offsets by name.
//
// GPR, RIP and RFLAGS are laid out like vcpu.Regs.
type Frame struct {
	GPR    [16]uint64 // in the encoding's order; GPR[4] is RSP
	RIP    uint64
	RFLAGS uint64

	// What the last exit said. InstLen is only defined where
	// ExitReason.HasInstructionLength says so.
	Reason        uint64
	Qualification uint64
	InstLen       uint64
	IDTVectoring  uint64
	// Interruptible is the guest interruptibility state at the exit. Whoever
	// writes the field in the VMCS keeps this in step.
	Interruptible uint64

	// What the current VMCS holds.
	vmcsRIP, vmcsRSP, vmcsRFLAGS, vmcsHostRSP uint64
	// launched is 0 until the VMCS has been entered once since VMCLEAR.
	launched uint64

	// X15 is the low half of the guest's X15. Go's assembly wrappers clear the
	// register on the way back to Go, so it travels apart from the rest of
	// the SIMD state, which stays in the processor over a fast exit.
	X15 [2]uint64
	// Mitigate has Mitigate bits.
	Mitigate uint64
}

// Bits of Frame.Mitigate; the first two are those of the twin.
const (
	// MitigateRSB covers the one return of an exit that has no call of ours
	// before it. Before more returns than calls are made, FillRSB is due.
	MitigateRSB uint64 = 1 << 0
	// MitigateIBPB raises an indirect-branch barrier before the next entry.
	MitigateIBPB uint64 = 1 << 1
	// MitigateFlushL1D empties the level 1 data cache before the next entry.
	MitigateFlushL1D uint64 = 1 << 2
	// MitigateVERW clears the processor's buffers before every entry.
	MitigateVERW uint64 = 1 << 3
	// MitigateIBRS turns IBRS off for the guest and on again at the exit. Needs
	// MitigateRSB.
	MitigateIBRS uint64 = 1 << 4
	// MitigateBHB replaces the branch history after every exit. Needs
	// MitigateRSB.
	MitigateBHB uint64 = 1 << 5

	// MitigateOnce are the bits that the owner clears after the entry.
	MitigateOnce = MitigateIBPB | MitigateFlushL1D

	mitigateEntry = MitigateIBPB | MitigateFlushL1D | MitigateVERW | MitigateIBRS
	mitigateExit  = MitigateIBRS | MitigateBHB
)

// Forget says that the VMCS was cleared: the next Enter launches and writes
// everything.
func (f *Frame) Forget() {
	f.launched = 0
	f.vmcsHostRSP = 0
	f.vmcsRIP, f.vmcsRSP, f.vmcsRFLAGS = ^f.RIP, ^f.GPR[4], ^f.RFLAGS
}

// Launched reports whether the VMCS was entered since Forget.
func (f *Frame) Launched() bool { return f.launched != 0 }

// ExitReason is the basic reason of the last exit.
func (f *Frame) ExitReason() ExitReason { return ExitReason(f.Reason) }

// EntryFailed reports that the last exit was a failed VM entry.
func (f *Frame) EntryFailed() bool { return f.Reason&ExitEntryFailure != 0 }
