package svmcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// kinds maps the exit codes from VMEXIT_INTR on; KindNone stands for a code that
// decodeOther calls unknown. KindInterrupt, KindIRQWindow and KindNMIWindow are
// handled inside the loop.
var kinds = [0x48]vcpu.Kind{
	0:                                  vcpu.KindInterrupt, // VMEXIT_INTR itself
	svm.VMEXIT_NMI - svm.VMEXIT_INTR:   vcpu.KindInterrupt,
	svm.VMEXIT_SMI - svm.VMEXIT_INTR:   vcpu.KindInterrupt,
	svm.VMEXIT_INIT - svm.VMEXIT_INTR:  vcpu.KindInterrupt,
	svm.VMEXIT_VINTR - svm.VMEXIT_INTR: vcpu.KindIRQWindow,
	svm.VMEXIT_CR0_SEL_WRITE - svm.VMEXIT_INTR:     vcpu.KindCR,
	svm.VMEXIT_IDTR_READ - svm.VMEXIT_INTR:         vcpu.KindDescriptor,
	svm.VMEXIT_GDTR_READ - svm.VMEXIT_INTR:         vcpu.KindDescriptor,
	svm.VMEXIT_LDTR_READ - svm.VMEXIT_INTR:         vcpu.KindDescriptor,
	svm.VMEXIT_TR_READ - svm.VMEXIT_INTR:           vcpu.KindDescriptor,
	svm.VMEXIT_IDTR_WRITE - svm.VMEXIT_INTR:        vcpu.KindDescriptor,
	svm.VMEXIT_GDTR_WRITE - svm.VMEXIT_INTR:        vcpu.KindDescriptor,
	svm.VMEXIT_LDTR_WRITE - svm.VMEXIT_INTR:        vcpu.KindDescriptor,
	svm.VMEXIT_TR_WRITE - svm.VMEXIT_INTR:          vcpu.KindDescriptor,
	svm.VMEXIT_RDTSC - svm.VMEXIT_INTR:             vcpu.KindRDTSC,
	svm.VMEXIT_RDPMC - svm.VMEXIT_INTR:             vcpu.KindRDPMC,
	svm.VMEXIT_CPUID - svm.VMEXIT_INTR:             vcpu.KindCPUID,
	svm.VMEXIT_RSM - svm.VMEXIT_INTR:               vcpu.KindSMI,
	svm.VMEXIT_IRET - svm.VMEXIT_INTR:              vcpu.KindNMIWindow,
	svm.VMEXIT_INVD - svm.VMEXIT_INTR:              vcpu.KindINVD,
	svm.VMEXIT_PAUSE - svm.VMEXIT_INTR:             vcpu.KindPause,
	svm.VMEXIT_HLT - svm.VMEXIT_INTR:               vcpu.KindHLT,
	svm.VMEXIT_INVLPG - svm.VMEXIT_INTR:            vcpu.KindINVLPG,
	svm.VMEXIT_INVLPGA - svm.VMEXIT_INTR:           vcpu.KindVirtInst,
	svm.VMEXIT_IOIO - svm.VMEXIT_INTR:              vcpu.KindPIO,
	svm.VMEXIT_MSR - svm.VMEXIT_INTR:               vcpu.KindRDMSR, // or KindWRMSR
	svm.VMEXIT_TASK_SWITCH - svm.VMEXIT_INTR:       vcpu.KindTaskSwitch,
	svm.VMEXIT_SHUTDOWN - svm.VMEXIT_INTR:          vcpu.KindTripleFault,
	svm.VMEXIT_VMRUN - svm.VMEXIT_INTR:             vcpu.KindVirtInst,
	svm.VMEXIT_VMMCALL - svm.VMEXIT_INTR:           vcpu.KindHypercall,
	svm.VMEXIT_VMLOAD - svm.VMEXIT_INTR:            vcpu.KindVirtInst,
	svm.VMEXIT_VMSAVE - svm.VMEXIT_INTR:            vcpu.KindVirtInst,
	svm.VMEXIT_STGI - svm.VMEXIT_INTR:              vcpu.KindVirtInst,
	svm.VMEXIT_CLGI - svm.VMEXIT_INTR:              vcpu.KindVirtInst,
	svm.VMEXIT_SKINIT - svm.VMEXIT_INTR:            vcpu.KindVirtInst,
	svm.VMEXIT_RDTSCP - svm.VMEXIT_INTR:            vcpu.KindRDTSC,
	svm.VMEXIT_WBINVD - svm.VMEXIT_INTR:            vcpu.KindINVD,
	svm.VMEXIT_MONITOR - svm.VMEXIT_INTR:           vcpu.KindMWAIT,
	svm.VMEXIT_MWAIT - svm.VMEXIT_INTR:             vcpu.KindMWAIT,
	svm.VMEXIT_MWAIT_CONDITIONAL - svm.VMEXIT_INTR: vcpu.KindMWAIT,
	svm.VMEXIT_XSETBV - svm.VMEXIT_INTR:            vcpu.KindXSETBV,
	svm.VMEXIT_RDPRU - svm.VMEXIT_INTR:             vcpu.KindVirtInst,
	svm.VMEXIT_INVLPGB - svm.VMEXIT_INTR:           vcpu.KindVirtInst,
	svm.VMEXIT_INVLPGB_ILLEGAL - svm.VMEXIT_INTR:   vcpu.KindVirtInst,
	svm.VMEXIT_TLBSYNC - svm.VMEXIT_INTR:           vcpu.KindVirtInst,
	svm.VMEXIT_MCOMMIT - svm.VMEXIT_INTR:           vcpu.KindVirtInst,
	svm.VMEXIT_IDLE_HLT - svm.VMEXIT_INTR:          vcpu.KindHLT,
}

// decode is for the exits in kinds. W1; no struct is copied.
func (e *Engine) decode(x *vcpu.Exit, kind vcpu.Kind) {
	c := &e.vmcb.Control
	x.Kind = kind
	x.InstLen = 0
	x.RIP = e.regs.RIP
	x.Raw.Code, x.Raw.Info1, x.Raw.Info2 = uint64(c.ExitCode), c.ExitInfo1, c.ExitInfo2
	x.Event.Valid = false
	if c.ExitIntInfo.Valid() {
		fillEvent(x, c.ExitIntInfo)
	}
	switch kind {
	case vcpu.KindPIO:
		e.decodePIO(x)
		return
	case vcpu.KindRDMSR:
		x.MSR.Index = uint32(e.regs.GPR[vcpu.RCX])
		if c.ExitInfo1&1 != 0 {
			x.Kind = vcpu.KindWRMSR
			x.MSR.Value = e.regs.GPR[vcpu.RAX]&0xFFFFFFFF | e.regs.GPR[vcpu.RDX]<<32
		}
	case vcpu.KindHypercall:
		x.CPL = e.vmcb.Save.CPL
	}
	if e.f.nrips {
		x.InstLen = length(e.regs.RIP, c.NRIP)
	}
}

// decodeOther is for the ranges of exit codes, and for those without a kind.
func (e *Engine) decodeOther(x *vcpu.Exit) {
	e.decode(x, vcpu.KindUnknown)
	x.InstLen = 0
	switch code := e.vmcb.Control.ExitCode; {
	case code == svm.VMEXIT_NPF:
		e.decodeNPF(x)
	case code.Invalid():
		x.Kind = vcpu.KindEntryFailed
	case code < svm.VMEXIT_EXCP:
		e.decodeCR(x)
	case code < svm.VMEXIT_INTR:
		e.decodeException(x)
	}
}

// length is how far next-RIP save or EXITINFO2 moved, if that can be.
func length(rip, next uint64) uint8 {
	if n := next - rip; n <= 15 {
		return uint8(n)
	}
	return 0
}

// fillEvent sets x.Event from EXITINTINFO (APM Vol. 2, 15.7.2).
func fillEvent(x *vcpu.Exit, i svm.EventInfo) {
	x.Event.Valid = true
	x.Event.Vector = i.Vector()
	x.Event.HasError = i.HasError()
	x.Event.Error = i.Error()
	x.Event.InstLen = 0
	switch i.Type() {
	case svm.EventINTR:
		x.Event.Type = vcpu.EventExtInt
	case svm.EventNMI:
		x.Event.Type = vcpu.EventNMI
	case svm.EventSoft:
		x.Event.Type = vcpu.EventSoftInt
	default:
		x.Event.Type = vcpu.EventException
		if v := i.Vector(); v == uint8(reg.BP) || v == uint8(reg.OF) {
			x.Event.Type = vcpu.EventSoftInt // INT3 and INTO run again
		}
	}
}

func (e *Engine) decodeNPF(x *vcpu.Exit) {
	c := &e.vmcb.Control
	n := svm.NPFInfo(c.ExitInfo1)
	x.Kind = vcpu.KindMemory
	x.Mem.GPA = c.ExitInfo2
	x.Mem.HasGVA = false
	x.Mem.Write = n.Write()
	x.Mem.Fetch = n.Fetch()
	x.Mem.Read = !n.Write() && !n.Fetch()
	x.Mem.Present = n.Present()
	x.Mem.PageWalk = n.PageWalk()
}

func (e *Engine) decodePIO(x *vcpu.Exit) {
	c := &e.vmcb.Control
	i := svm.IOIOInfo(c.ExitInfo1)
	x.PIO.Port = i.Port()
	x.PIO.Size = i.Size()
	x.PIO.In = i.In()
	x.PIO.String = i.StringOp()
	x.PIO.Rep = i.Rep()
	x.InstLen = length(e.regs.RIP, c.ExitInfo2)
}

// decodeCR is for the control and debug registers. With decode assists (15.33) a
// MOV names its register; CLTS, LMSW and SMSW do not.
func (e *Engine) decodeCR(x *vcpu.Exit) {
	c := &e.vmcb.Control
	code := c.ExitCode
	x.Kind = vcpu.KindCR
	if code >= svm.VMEXIT_DR_READ {
		x.Kind = vcpu.KindDR
	}
	x.CR.Number = uint8(code) & 15
	x.CR.Op = vcpu.OpFromCR
	if code&0x10 != 0 {
		x.CR.Op = vcpu.OpToCR
	}
	info := svm.CRInfo(c.ExitInfo1)
	x.CR.Known = e.f.cfg.Caps.Has(reg.SVM_DecodeAssists) && (info.Mov() || x.Kind == vcpu.KindDR)
	x.CR.GPR = info.GPR()
	if e.f.nrips {
		x.InstLen = length(e.regs.RIP, c.NRIP)
	}
}

func (e *Engine) decodeException(x *vcpu.Exit) {
	c := &e.vmcb.Control
	v := reg.Vector(c.ExitCode - svm.VMEXIT_EXCP)
	x.Kind = vcpu.KindException
	x.Event.Valid = true
	x.Event.Type = vcpu.EventException
	x.Event.Vector = uint8(v)
	x.Event.HasError = v.HasError()
	x.Event.Error = uint32(c.ExitInfo1)
	x.Event.InstLen = 0
	x.Event.CR2 = c.ExitInfo2
}
