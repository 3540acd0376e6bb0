package svmcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
)

// nmiState follows NMIs without the processor's help (virtual NMI is newer than
// what we require): after one is injected IRET is intercepted; NMIs are open again
// when that IRET has run (APM Vol. 2, 15.21.8).
type nmiState struct {
	pending  bool
	again    bool // another waits behind it
	blocked  bool
	stepping bool   // TF is ours until the IRET at rip has run
	guestTF  uint64 // the guest's own TF before
	rip      uint64
}

// SetNMIPending implements vcpu.Engine.
func (e *Engine) SetNMIPending() {
	e.nmi.again = e.nmi.pending && !e.nmi.blocked
	e.nmi.pending = true
}

// nmiTaken says that an NMI is being injected. W1.
func (e *Engine) nmiTaken() {
	e.nmi.blocked = true
	e.vmcb.Control.Intercept1 |= svm.Intercept1IRET
	e.clean &^= svm.CleanIntercepts
}

// nmiReturn is the exit before the IRET. One step further NMIs are open. W1.
func (e *Engine) nmiReturn() {
	e.ask = true
	e.vmcb.Control.Intercept1 &^= svm.Intercept1IRET
	e.clean &^= svm.CleanIntercepts
	if !e.nmi.pending {
		e.nmi.blocked = false
		return
	}
	e.nmi.stepping = true
	e.nmi.rip = e.regs.RIP
	e.nmi.guestTF = e.regs.RFLAGS & reg.RFLAGS_TF
	e.regs.RFLAGS |= reg.RFLAGS_TF
}

// nmiStepped is a #DB while stepping. It is ours unless the guest stepped too. W1.
func (e *Engine) nmiStepped() (ours bool) {
	e.nmi.stepping = false
	e.nmi.blocked = false
	e.ask = true
	if e.nmi.guestTF != 0 {
		return false
	}
	if e.regs.RIP == e.nmi.rip {
		e.regs.RFLAGS &^= reg.RFLAGS_TF // the IRET faulted: our TF is still there
	}
	e.vmcb.Save.DR6 &^= reg.DR6_BS
	e.clean &^= svm.CleanDRx
	return true
}

// unstep takes the step back: the IRET has not run, and is intercepted again.
func (e *Engine) unstep() {
	if !e.nmi.stepping {
		return
	}
	e.nmi.stepping = false
	e.regs.RFLAGS = e.regs.RFLAGS&^reg.RFLAGS_TF | e.nmi.guestTF
	e.vmcb.Control.Intercept1 |= svm.Intercept1IRET
	e.clean &^= svm.CleanIntercepts
}
