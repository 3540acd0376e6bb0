package vmx

import (
	"fmt"
	"strings"
)

// Pin-based VM-execution controls (SDM Vol. 3C, table 25-5).
const (
	PinExternalInterruptExiting = 1 << 0
	PinNMIExiting               = 1 << 3
	PinVirtualNMIs              = 1 << 5
	PinPreemptionTimer          = 1 << 6
	PinPostedInterrupts         = 1 << 7
)

// Primary processor-based VM-execution controls (table 25-6).
const (
	ProcInterruptWindowExiting = 1 << 2
	ProcUseTSCOffsetting       = 1 << 3
	ProcHLTExiting             = 1 << 7
	ProcINVLPGExiting          = 1 << 9
	ProcMWAITExiting           = 1 << 10
	ProcRDPMCExiting           = 1 << 11
	ProcRDTSCExiting           = 1 << 12
	ProcCR3LoadExiting         = 1 << 15
	ProcCR3StoreExiting        = 1 << 16
	ProcActivateTertiary       = 1 << 17
	ProcCR8LoadExiting         = 1 << 19
	ProcCR8StoreExiting        = 1 << 20
	ProcUseTPRShadow           = 1 << 21
	ProcNMIWindowExiting       = 1 << 22
	ProcMOVDRExiting           = 1 << 23
	ProcUnconditionalIOExiting = 1 << 24
	ProcUseIOBitmaps           = 1 << 25
	ProcMonitorTrapFlag        = 1 << 27
	ProcUseMSRBitmaps          = 1 << 28
	ProcMONITORExiting         = 1 << 29
	ProcPAUSEExiting           = 1 << 30
	ProcActivateSecondary      = 1 << 31
)

// Secondary processor-based VM-execution controls (table 25-7).
const (
	Proc2VirtualizeAPICAccesses   = 1 << 0
	Proc2EnableEPT                = 1 << 1
	Proc2DescriptorTableExiting   = 1 << 2
	Proc2EnableRDTSCP             = 1 << 3
	Proc2VirtualizeX2APIC         = 1 << 4
	Proc2EnableVPID               = 1 << 5
	Proc2WBINVDExiting            = 1 << 6
	Proc2UnrestrictedGuest        = 1 << 7
	Proc2APICRegisterVirtual      = 1 << 8
	Proc2VirtualInterruptDelivery = 1 << 9
	Proc2PAUSELoopExiting         = 1 << 10
	Proc2RDRANDExiting            = 1 << 11
	Proc2EnableINVPCID            = 1 << 12
	Proc2EnableVMFunctions        = 1 << 13
	Proc2VMCSShadowing            = 1 << 14
	Proc2EnableENCLSExiting       = 1 << 15
	Proc2RDSEEDExiting            = 1 << 16
	Proc2EnablePML                = 1 << 17
	Proc2EPTViolationVE           = 1 << 18
	Proc2ConcealVMXFromPT         = 1 << 19
	Proc2EnableXSAVES             = 1 << 20
	Proc2ModeBasedExecute         = 1 << 22
	Proc2SubPageWritePermissions  = 1 << 23
	Proc2ProcessorTraceUsesGPA    = 1 << 24
	Proc2UseTSCScaling            = 1 << 25
	Proc2EnableUserWaitPause      = 1 << 26
	Proc2EnablePCONFIG            = 1 << 27
	Proc2EnableENCLVExiting       = 1 << 28
	Proc2VMMBusLockDetection      = 1 << 30
	Proc2InstructionTimeout       = 1 << 31
)

// Primary VM-exit controls (table 25-13).
const (
	ExitSaveDebugControls    = 1 << 2
	ExitHostAddressSpaceSize = 1 << 9
	ExitLoadPerfGlobalCtrl   = 1 << 12
	ExitAcknowledgeInterrupt = 1 << 15
	ExitSavePAT              = 1 << 18
	ExitLoadPAT              = 1 << 19
	ExitSaveEFER             = 1 << 20
	ExitLoadEFER             = 1 << 21
	ExitSavePreemptionTimer  = 1 << 22
	ExitClearBNDCFGS         = 1 << 23
	ExitConcealVMXFromPT     = 1 << 24
	ExitClearRTIT            = 1 << 25
	ExitClearLBR             = 1 << 26
	ExitClearUINV            = 1 << 27
	ExitLoadCET              = 1 << 28
	ExitLoadPKRS             = 1 << 29
	ExitSavePerfGlobalCtrl   = 1 << 30
	ExitActivateSecondary    = 1 << 31
)

// VM-entry controls (table 25-15).
const (
	EntryLoadDebugControls  = 1 << 2
	EntryIA32eGuest         = 1 << 9
	EntryToSMM              = 1 << 10
	EntryDeactivateDualMon  = 1 << 11
	EntryLoadPerfGlobalCtrl = 1 << 13
	EntryLoadPAT            = 1 << 14
	EntryLoadEFER           = 1 << 15
	EntryLoadBNDCFGS        = 1 << 16
	EntryConcealVMXFromPT   = 1 << 17
	EntryLoadRTIT           = 1 << 18
	EntryLoadUINV           = 1 << 19
	EntryLoadCET            = 1 << 20
	EntryLoadLBR            = 1 << 21
	EntryLoadPKRS           = 1 << 22
)

// Controls are the five control words of a VMCS.
type Controls struct {
	Pin, Proc, Proc2, Exit, Entry uint32
}

// ControlCap says which bits of one control word may be 0 and which may be 1
// (SDM Vol. 3C, Appendix A.2): a bit that is 1 in Must is forced; a bit that is
// 0 in May is not available.
type ControlCap struct{ Must, May uint32 }

// capFromMSR splits a capability MSR: bits 31:0 allowed 0, 63:32 allowed 1.
func capFromMSR(v uint64) ControlCap { return ControlCap{uint32(v), uint32(v >> 32)} }

// Allows reports whether all bits may be set.
func (c ControlCap) Allows(bits uint32) bool { return c.May&bits == bits }

// Adjust gives the control word that has every required bit, every optional bit
// that the processor offers, every bit that it forces, and no other. missing are
// the required bits that it lacks.
func (c ControlCap) Adjust(required, optional uint32) (value, missing uint32) {
	return (required|optional)&c.May | c.Must, required &^ c.May
}

// want is one row of the table of controls: what this hypervisor asks for.
type want struct {
	word     string
	cap      func(*Caps) ControlCap
	required []named
	optional []named
	set      func(*Controls, uint32)
}

type named struct {
	bit  uint32
	name string
}

// wanted is the policy. Required: without it the guest would not run as the
// manual says, or would hold the host. Optional: a fallback exists and is named
// in vmxcpu. Bits that a processor forces are accepted whatever they are except
// where refuse lists them.
var wanted = []want{
	{
		word: "pin-based", cap: func(c *Caps) ControlCap { return c.Pin },
		required: []named{
			{PinExternalInterruptExiting, "external-interrupt exiting"},
			{PinNMIExiting, "NMI exiting"},
		},
		optional: []named{
			{PinVirtualNMIs, "virtual NMIs"},
			{PinPreemptionTimer, "VMX-preemption timer"},
		},
		set: func(c *Controls, v uint32) { c.Pin = v },
	},
	{
		word: "primary processor-based", cap: func(c *Caps) ControlCap { return c.Proc },
		required: []named{
			{ProcUseTSCOffsetting, "TSC offsetting"},
			{ProcHLTExiting, "HLT exiting"},
			{ProcMWAITExiting, "MWAIT exiting"},
			{ProcMONITORExiting, "MONITOR exiting"},
			{ProcRDPMCExiting, "RDPMC exiting"},
			{ProcMOVDRExiting, "MOV-DR exiting"},
			{ProcUnconditionalIOExiting, "unconditional I/O exiting"},
			{ProcUseMSRBitmaps, "MSR bitmaps"},
			{ProcActivateSecondary, "secondary controls"},
		},
		// CR8 exits are the fallback of the TPR shadow: choose() drops one
		// of the two.
		optional: []named{
			{ProcCR8LoadExiting, "CR8-load exiting"},
			{ProcCR8StoreExiting, "CR8-store exiting"},
			{ProcUseTPRShadow, "TPR shadow"},
		},
		set: func(c *Controls, v uint32) { c.Proc = v },
	},
	{
		word: "secondary processor-based", cap: func(c *Caps) ControlCap { return c.Proc2 },
		required: []named{
			{Proc2EnableEPT, "EPT"},
			{Proc2UnrestrictedGuest, "unrestricted guest"},
		},
		optional: []named{
			{Proc2EnableVPID, "VPID"},
			{Proc2EnableRDTSCP, "RDTSCP"},
			{Proc2EnableINVPCID, "INVPCID"},
			{Proc2WBINVDExiting, "WBINVD exiting"},
			// Without these two a guest could use the host's SGX. Other
			// instructions need no control of ours: PCONFIG, UMWAIT, TPAUSE,
			// UMONITOR, XSAVES, RDTSCP, INVPCID, VMFUNC are #UD while theirs
			// is off.
			{Proc2EnableENCLSExiting, "ENCLS exiting"},
			{Proc2EnableENCLVExiting, "ENCLV exiting"},
			{Proc2PAUSELoopExiting, "PAUSE-loop exiting"},
			{Proc2VirtualizeX2APIC, "x2APIC virtualization"},
			{Proc2VirtualInterruptDelivery, "virtual-interrupt delivery"},
		},
		set: func(c *Controls, v uint32) { c.Proc2 = v },
	},
	{
		word: "VM-exit", cap: func(c *Caps) ControlCap { return c.Exit },
		required: []named{
			{ExitHostAddressSpaceSize, "64-bit host"},
			{ExitSaveDebugControls, "save debug controls"},
			{ExitSaveEFER, "save EFER"},
			{ExitLoadEFER, "load EFER"},
			{ExitSavePAT, "save PAT"},
			{ExitLoadPAT, "load PAT"},
		},
		set: func(c *Controls, v uint32) { c.Exit = v },
	},
	{
		word: "VM-entry", cap: func(c *Caps) ControlCap { return c.Entry },
		required: []named{
			{EntryLoadDebugControls, "load debug controls"},
			{EntryLoadEFER, "load EFER"},
			{EntryLoadPAT, "load PAT"},
		},
		set: func(c *Controls, v uint32) { c.Entry = v },
	},
}

// Choose gives the controls for a virtual CPU on a processor with these
// capabilities. The error names every required control that is missing.
func (c *Caps) Choose() (Controls, error) {
	var out Controls
	var lacks []string
	for _, w := range wanted {
		var req, opt uint32
		for _, n := range w.required {
			req |= n.bit
		}
		for _, n := range w.optional {
			opt |= n.bit
		}
		v, missing := w.cap(c).Adjust(req, opt)
		for _, n := range w.required {
			if missing&n.bit != 0 {
				lacks = append(lacks, w.word+" control: "+n.name)
			}
		}
		w.set(&out, v)
	}
	// Virtual-interrupt delivery needs the TPR shadow (SDM Vol. 3C, 27.2.1.1), and is
	// worth its while where the guest's EOI does not exit either; otherwise neither.
	apic := uint32(Proc2VirtualInterruptDelivery | Proc2VirtualizeX2APIC)
	if out.Proc2&apic != apic || out.Proc&ProcUseTPRShadow == 0 {
		out.Proc2 &^= apic &^ c.Proc2.Must
	}
	if out.Proc&ProcUseTPRShadow != 0 {
		out.Proc &^= (ProcCR8LoadExiting | ProcCR8StoreExiting) &^ c.Proc.Must
	} else if out.Proc&ProcCR8LoadExiting == 0 || out.Proc&ProcCR8StoreExiting == 0 {
		lacks = append(lacks, "primary processor-based control: TPR shadow or CR8 exiting")
	}
	// Virtual NMIs are what NMI-window exiting needs; without them an NMI for
	// the guest waits for the next exit at which NMIs are open.
	if lacks != nil {
		return Controls{}, fmt.Errorf("vmx: %w: %s", ErrControls, strings.Join(lacks, "; "))
	}
	return out, nil
}
