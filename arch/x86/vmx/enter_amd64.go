package vmx

// Enter runs the guest of the current VMCS until it exits. Interrupts must be
// off; they are off when it returns. The guest's SIMD state, debug registers,
// CR2 and the MSRs that VMX does not switch must already be in the processor.
// Flags other than Succeed mean that VMLAUNCH or VMRESUME itself failed: the
// guest did not run and f's exit fields are stale.
//
// Equivalent: write RSP, RIP, RFLAGS and HOST_RSP where they changed; load the
// registers; VMLAUNCH or VMRESUME; store the registers; read RSP, RIP, RFLAGS,
// the exit reason, the qualification, the instruction length, the IDT-vectoring
// information and the interruptibility.
//
//go:noescape
func Enter(f *Frame) Flags

// FillRSB overwrites the processor's return-stack buffer, so that no return of ours
// is predicted by what a guest left. Call it before code that was called before
// the guest ran returns.
func FillRSB()

// ExitPC is the address for HOST_RIP: where the processor continues at an exit.
func ExitPC() uint64
