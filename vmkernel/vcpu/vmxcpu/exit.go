package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// kinds maps the basic exit reasons; zero is KindUnknown.
var kinds = [vmx.NumExitReasons]vcpu.Kind{
	vmx.Exit_EXCEPTION_OR_NMI:            vcpu.KindException,
	vmx.Exit_EXTERNAL_INTERRUPT:          vcpu.KindInterrupt,
	vmx.Exit_TRIPLE_FAULT:                vcpu.KindTripleFault,
	vmx.Exit_INIT_SIGNAL:                 vcpu.KindInit,
	vmx.Exit_STARTUP_IPI:                 vcpu.KindSIPI,
	vmx.Exit_IO_SMI:                      vcpu.KindSMI,
	vmx.Exit_OTHER_SMI:                   vcpu.KindSMI,
	vmx.Exit_INTERRUPT_WINDOW:            vcpu.KindIRQWindow,
	vmx.Exit_NMI_WINDOW:                  vcpu.KindNMIWindow,
	vmx.Exit_TASK_SWITCH:                 vcpu.KindTaskSwitch,
	vmx.Exit_CPUID:                       vcpu.KindCPUID,
	vmx.Exit_GETSEC:                      vcpu.KindVirtInst,
	vmx.Exit_HLT:                         vcpu.KindHLT,
	vmx.Exit_INVD:                        vcpu.KindINVD,
	vmx.Exit_INVLPG:                      vcpu.KindINVLPG,
	vmx.Exit_RDPMC:                       vcpu.KindRDPMC,
	vmx.Exit_RDTSC:                       vcpu.KindRDTSC,
	vmx.Exit_RSM:                         vcpu.KindSMI,
	vmx.Exit_VMCALL:                      vcpu.KindHypercall,
	vmx.Exit_VMCLEAR:                     vcpu.KindVirtInst,
	vmx.Exit_VMLAUNCH:                    vcpu.KindVirtInst,
	vmx.Exit_VMPTRLD:                     vcpu.KindVirtInst,
	vmx.Exit_VMPTRST:                     vcpu.KindVirtInst,
	vmx.Exit_VMREAD:                      vcpu.KindVirtInst,
	vmx.Exit_VMRESUME:                    vcpu.KindVirtInst,
	vmx.Exit_VMWRITE:                     vcpu.KindVirtInst,
	vmx.Exit_VMXOFF:                      vcpu.KindVirtInst,
	vmx.Exit_VMXON:                       vcpu.KindVirtInst,
	vmx.Exit_CR_ACCESS:                   vcpu.KindCR,
	vmx.Exit_MOV_DR:                      vcpu.KindDR,
	vmx.Exit_IO_INSTRUCTION:              vcpu.KindPIO,
	vmx.Exit_RDMSR:                       vcpu.KindRDMSR,
	vmx.Exit_WRMSR:                       vcpu.KindWRMSR,
	vmx.Exit_ENTRY_FAILURE_GUEST_STATE:   vcpu.KindEntryFailed,
	vmx.Exit_ENTRY_FAILURE_MSR_LOADING:   vcpu.KindEntryFailed,
	vmx.Exit_MWAIT:                       vcpu.KindMWAIT,
	vmx.Exit_MONITOR_TRAP_FLAG:           vcpu.KindUnknown, // never asked for
	vmx.Exit_MONITOR:                     vcpu.KindMWAIT,
	vmx.Exit_PAUSE:                       vcpu.KindPause,
	vmx.Exit_ENTRY_FAILURE_MACHINE_CHECK: vcpu.KindEntryFailed,
	vmx.Exit_TPR_BELOW_THRESHOLD:         vcpu.KindIRQWindow,
	vmx.Exit_APIC_ACCESS:                 vcpu.KindUnknown, // control is off
	vmx.Exit_VIRTUALIZED_EOI:             vcpu.KindUnknown, // the loop's own
	vmx.Exit_ACCESS_TO_GDTR_OR_IDTR:      vcpu.KindDescriptor,
	vmx.Exit_ACCESS_TO_LDTR_OR_TR:        vcpu.KindDescriptor,
	vmx.Exit_EPT_VIOLATION:               vcpu.KindMemory,
	vmx.Exit_EPT_MISCONFIGURATION:        vcpu.KindUnknown, // our own bug
	vmx.Exit_INVEPT:                      vcpu.KindVirtInst,
	vmx.Exit_RDTSCP:                      vcpu.KindRDTSC,
	vmx.Exit_PREEMPTION_TIMER:            vcpu.KindInterrupt,
	vmx.Exit_INVVPID:                     vcpu.KindVirtInst,
	vmx.Exit_WBINVD:                      vcpu.KindINVD,
	vmx.Exit_XSETBV:                      vcpu.KindXSETBV,
	vmx.Exit_APIC_WRITE:                  vcpu.KindUnknown, // SELF IPI exits as WRMSR
	vmx.Exit_RDRAND:                      vcpu.KindUnknown, // control is off
	vmx.Exit_INVPCID:                     vcpu.KindINVLPG,
	vmx.Exit_VMFUNC:                      vcpu.KindVirtInst,
	vmx.Exit_ENCLS:                       vcpu.KindVirtInst,
	vmx.Exit_RDSEED:                      vcpu.KindUnknown, // control is off
	vmx.Exit_PML_FULL:                    vcpu.KindUnknown, // control is off
	vmx.Exit_XSAVES:                      vcpu.KindUnknown, // control is off
	vmx.Exit_XRSTORS:                     vcpu.KindUnknown, // control is off
	vmx.Exit_PCONFIG:                     vcpu.KindVirtInst,
	vmx.Exit_SPP_EVENT:                   vcpu.KindUnknown, // control is off
	vmx.Exit_UMWAIT:                      vcpu.KindVirtInst,
	vmx.Exit_TPAUSE:                      vcpu.KindVirtInst,
	vmx.Exit_LOADIWKEY:                   vcpu.KindVirtInst,
	vmx.Exit_ENCLV:                       vcpu.KindVirtInst,
	vmx.Exit_ENQCMD_PASID:                vcpu.KindUnknown, // control is off
	vmx.Exit_ENQCMDS_PASID:               vcpu.KindUnknown, // control is off
	vmx.Exit_BUS_LOCK:                    vcpu.KindUnknown, // control is off
	vmx.Exit_INSTRUCTION_TIMEOUT:         vcpu.KindUnknown, // control is off
	vmx.Exit_SEAMCALL:                    vcpu.KindVirtInst,
	vmx.Exit_TDCALL:                      vcpu.KindVirtInst,
	vmx.Exit_RDMSRLIST:                   vcpu.KindUnknown, // control is off
	vmx.Exit_WRMSRLIST:                   vcpu.KindUnknown, // control is off
}

// decode fills x from the frame and, for some reasons, from the VMCS. W1; no
// struct is copied.
func (e *Engine) decode(x *vcpu.Exit) {
	f := &e.frame
	reason, q := f.ExitReason(), vmx.Qualification(f.Qualification)
	x.RIP = f.RIP
	x.InstLen = 0
	x.Raw.Code, x.Raw.Info1, x.Raw.Info2 = f.Reason, f.Qualification, 0
	x.Kind = vcpu.KindUnknown
	if reason < vmx.NumExitReasons && kinds[reason] != vcpu.KindNone {
		x.Kind = kinds[reason]
	}
	x.Event.Valid = false
	if vmx.InterruptionInfo(f.IDTVectoring).Valid() {
		e.decodeVectoring(x)
	}
	switch reason {
	case vmx.Exit_EPT_VIOLATION:
		e.decodeMemory(x, q)
		return
	case vmx.Exit_EPT_MISCONFIGURATION:
		x.Raw.Info2 = e.rd(vmx.GUEST_PHYSICAL_ADDRESS)
		return
	case vmx.Exit_EXCEPTION_OR_NMI:
		e.decodeException(x, q)
		return
	case vmx.Exit_IO_INSTRUCTION:
		x.PIO.Port, x.PIO.Size = q.IOPort(), q.IOSize()
		x.PIO.In, x.PIO.String, x.PIO.Rep = q.IOIn(), q.IOString(), q.IORep()
	case vmx.Exit_RDMSR:
		x.MSR.Index = uint32(f.GPR[vcpu.RCX])
	case vmx.Exit_WRMSR:
		x.MSR.Index = uint32(f.GPR[vcpu.RCX])
		x.MSR.Value = f.GPR[vcpu.RAX]&0xffffffff | f.GPR[vcpu.RDX]<<32
	case vmx.Exit_VMCALL:
		x.CPL = uint8(e.rd(vmx.GuestSegment(vmx.SegSS).Access) >> 5 & 3)
	case vmx.Exit_CR_ACCESS:
		decodeCR(x, q)
	case vmx.Exit_TASK_SWITCH:
		x.Task.Selector, x.Task.Source = q.TaskSelector(), vcpu.TaskSource(q.TaskSource())
	case vmx.Exit_MOV_DR:
		x.CR.Number, x.CR.GPR, x.CR.Known = q.DRNumber(), q.DRRegister(), true
		x.CR.Op = vcpu.OpToCR
		if q.DRFrom() {
			x.CR.Op = vcpu.OpFromCR
		}
	}
	if reason.HasInstructionLength() {
		x.InstLen = uint8(f.InstLen)
	}
}

// decodeVectoring sets x.Event to what was being delivered.
func (e *Engine) decodeVectoring(x *vcpu.Exit) {
	i := vmx.InterruptionInfo(e.frame.IDTVectoring)
	x.Event.Valid = true
	x.Event.Vector, x.Event.HasError = i.Vector(), i.HasError()
	x.Event.Error, x.Event.InstLen = 0, 0
	if i.HasError() {
		x.Event.Error = uint32(e.rd(vmx.IDT_VECTORING_ERROR_CODE))
	}
	switch i.Type() {
	case vmx.ExternalInterrupt:
		x.Event.Type = vcpu.EventExtInt
	case vmx.NMI:
		x.Event.Type = vcpu.EventNMI
		e.openNMI()
	case vmx.HardwareException:
		x.Event.Type = vcpu.EventException
		x.Event.CR2 = e.cr2
	default:
		x.Event.Type = vcpu.EventSoftInt // runs again
		x.Event.InstLen = uint8(e.frame.InstLen)
	}
}

func (e *Engine) decodeMemory(x *vcpu.Exit, q vmx.Qualification) {
	x.Mem.GPA = e.rd(vmx.GUEST_PHYSICAL_ADDRESS)
	x.Raw.Info2 = x.Mem.GPA
	x.Mem.HasGVA = false // nobody asks: a VMREAD saved
	x.Mem.Read, x.Mem.Write, x.Mem.Fetch = q.EPTRead(), q.EPTWrite(), q.EPTFetch()
	x.Mem.Present = q.EPTPresent()
	x.Mem.PageWalk = q.EPTLinearValid() && !q.EPTFinal()
	if q.NMIUnblocking() && !x.Event.Valid {
		// The access was of an IRET that had opened NMIs (28.2.3).
		e.blockNMI()
	}
}

func (e *Engine) blockNMI() {
	e.setInterruptible(e.frame.Interruptible | uint64(vmx.BlockingByNMI))
}

// isNMI says that an exit of reason 0 is an NMI of the host.
func (e *Engine) isNMI() bool {
	return vmx.InterruptionInfo(e.rd(vmx.EXIT_INTERRUPTION_INFO)).Type() == vmx.NMI
}

// decodeException is for what the exception bitmap intercepts. The processor has
// not changed DR6 and DR7 for #DB: the qualification has what belongs into DR6
// (28.2.1).
func (e *Engine) decodeException(x *vcpu.Exit, q vmx.Qualification) {
	i := vmx.InterruptionInfo(e.rd(vmx.EXIT_INTERRUPTION_INFO))
	if i.NMIUnblocking() && !x.Event.Valid && i.Vector() != uint8(reg.DF) {
		e.blockNMI()
	}
	x.Event.Valid = true
	x.Event.Type = vcpu.EventException
	x.Event.Vector, x.Event.HasError = i.Vector(), i.HasError()
	x.Event.Error, x.Event.InstLen = 0, 0
	if i.HasError() {
		x.Event.Error = uint32(e.rd(vmx.EXIT_INTERRUPTION_ERROR_CODE))
	}
	x.Event.CR2 = e.frame.Qualification
	if i.Vector() != uint8(reg.DB) {
		return
	}
	if i.Type() == vmx.PrivilegedException {
		// INT1 is a trap: the handler returns behind it.
		e.frame.RIP += e.frame.InstLen
	}
	if e.frame.RFLAGS&reg.RFLAGS_TF != 0 && e.frame.Interruptible&uint64(vmx.BlockingBySTI|vmx.BlockingByMOVSS) != 0 {
		// In the shadow with TF set the entry demands that a single step is
		// pending (27.3.1.5), and this exit has dropped it.
		e.wr(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS, e.rd(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS)|reg.DR6_BS)
	}
	const causes = 0xf | reg.DR6_BD | reg.DR6_BS
	if e.drUsed {
		e.ops.saveDR(&e.dr)
	}
	e.dr.DR6 = e.dr.DR6&^0xf | uint64(q)&causes | reg.DR6_Reset
	if e.drUsed {
		e.ops.loadDR(&e.dr)
	}
	e.wr(vmx.GUEST_DR7, e.rd(vmx.GUEST_DR7)&^reg.DR7_GD)
}

func decodeCR(x *vcpu.Exit, q vmx.Qualification) {
	x.CR.Number, x.CR.GPR, x.CR.Known = q.CRNumber(), q.CRRegister(), true
	switch q.CRType() {
	case vmx.MovToCR:
		x.CR.Op = vcpu.OpToCR
	case vmx.MovFromCR:
		x.CR.Op = vcpu.OpFromCR
	case vmx.CLTS:
		x.CR.Op = vcpu.OpCLTS
	default:
		x.CR.Op = vcpu.OpLMSW
		x.CR.Value = uint64(q.LMSWSource())
	}
}
