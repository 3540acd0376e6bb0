package svm

// Frame is what Enter needs besides the general registers. Its layout is known to
// enter_amd64.s and state_amd64.s.
type Frame struct {
	VMCB     uint64    // 00h physical address of the guest's VMCB
	Host     uint64    // 08h physical address of the frame that SaveHost filled
	X15      [2]uint64 // 10h the guest's XMM15 while Go code runs
	Mitigate uint64    // 20h Mitigate* bits
}

// Bits of Frame.Mitigate.
const (
	// MitigateRSB covers the returns of Enter after each exit; whoever returns
	// further calls FillRSB first.
	MitigateRSB uint64 = 1 << 0
	// MitigateIBPB raises an indirect-branch barrier before the next entry;
	// Enter clears the bit.
	MitigateIBPB uint64 = 1 << 1
	// MitigateVERW clears the processor's buffers before every entry.
	MitigateVERW uint64 = 1 << 2
)

// Enter runs the guest until the next #VMEXIT (15.5 "VMRUN instruction"). gpr is in
// the order of the encoding; RAX and RSP live in the VMCB and are neither read nor
// written here. Interrupts are off before and after; while the guest runs a host
// interrupt is an exit (INTR intercept with V_INTR_MASKING). The guest's extended
// state stays in the processor, except XMM15, which is kept in f because Go code
// needs it to be zero.
//
//go:noescape
func Enter(gpr *[16]uint64, f *Frame)

// SaveHost stores the host's FS, GS, TR, LDTR and system-call registers into the
// frame at pa (VMSAVE, 15.5.2). Enter loads them back after every exit.
func SaveHost(pa uint64)

// TakeInterrupts turns interrupts on for long enough to take what is pending.
func TakeInterrupts()

// FillRSB fills the return stack with harmless predictions.
func FillRSB()
