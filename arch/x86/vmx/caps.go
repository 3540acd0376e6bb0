package vmx

import (
	"errors"
	"fmt"

	"basalt/arch/x86/reg"
)

// Why a processor cannot run guests. Each is a sentence for the console page;
// Detect wraps them.
var (
	ErrNoVMX               = errors.New("this processor has no VT-x")
	ErrLockedOff           = errors.New("VT-x is locked off by the firmware (IA32_FEATURE_CONTROL)")
	ErrNoSecondaryControls = errors.New("VT-x without secondary controls, so without EPT")
	ErrNoEPT               = errors.New("VT-x without EPT")
	ErrNoUnrestrictedGuest = errors.New("VT-x without unrestricted guest")
	ErrNoEPTWalk4          = errors.New("EPT without 4-level tables")
	ErrNoEPTWriteBack      = errors.New("EPT without write-back memory type for its tables")
	ErrNoEPT2M             = errors.New("EPT without 2 MiB pages")
	ErrNoINVEPT            = errors.New("EPT without INVEPT")
	ErrNoMemoryTypeWB      = errors.New("VMCS not in write-back memory")
	ErrControls            = errors.New("a required VMX control is missing")
	ErrCR                  = errors.New("VMX operation needs control-register bits that this processor refuses")
)

// Machine is what Detect reads. arch/x86/cpu implements it on the processor,
// tests from a table.
type Machine interface {
	CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
	RDMSR(index uint32) uint64
}

// Caps is what one processor can do, read once. All processors of a host are
// the same; Same checks it.
type Caps struct {
	Revision   uint32 // VMCS revision identifier
	RegionSize uint32 // bytes of a VMCS region, at most 4096
	MustUnlock bool   // IA32_FEATURE_CONTROL is not locked: Enable writes it

	Pin, Proc, Proc2, Exit, Entry ControlCap

	CR0Fixed0, CR0Fixed1 uint64 // bits that must be 1, bits that may be 1
	CR4Fixed0, CR4Fixed1 uint64

	PreemptionShift uint8 // the timer counts once per 1<<shift TSC ticks
	SavesLMA        bool  // exits store EFER.LMA into the entry controls
	HLTActivity     bool

	EPTExecuteOnly, EPT1G, EPTAccessedDirty bool
	INVEPTSingle, INVEPTAll                 bool
	INVVPID, INVVPIDAddress                 bool
	INVVPIDSingle, INVVPIDAll               bool

	Controls Controls // what Choose made of all this
}

// Detect reads the capabilities and says by name what is missing. It changes
// nothing on the machine.
func Detect(m Machine) (*Caps, error) {
	if _, _, ecx, _ := m.CPUID(1, 0); ecx>>5&1 == 0 {
		return nil, fmt.Errorf("vmx: %w", ErrNoVMX)
	}
	fc := m.RDMSR(uint32(reg.FEATURE_CONTROL))
	if fc&reg.FeatureControlLock != 0 && fc&reg.FeatureControlVMXOutsideSMX == 0 {
		return nil, fmt.Errorf("vmx: %w", ErrLockedOff)
	}
	c := &Caps{MustUnlock: fc&reg.FeatureControlLock == 0}
	basic := m.RDMSR(reg.IA32_VMX_BASIC)
	c.Revision = uint32(basic) & 0x7fffffff
	c.RegionSize = uint32(basic>>32) & 0x1fff
	if basic>>50&15 != reg.VMXBasicMemoryTypeWB {
		return nil, fmt.Errorf("vmx: %w", ErrNoMemoryTypeWB)
	}
	c.readControls(m, basic&reg.VMXBasicTrueControls != 0)
	switch {
	case !c.Proc.Allows(ProcActivateSecondary):
		return nil, fmt.Errorf("vmx: %w", ErrNoSecondaryControls)
	case !c.Proc2.Allows(Proc2EnableEPT):
		return nil, fmt.Errorf("vmx: %w", ErrNoEPT)
	case !c.Proc2.Allows(Proc2UnrestrictedGuest):
		return nil, fmt.Errorf("vmx: %w", ErrNoUnrestrictedGuest)
	}
	if err := c.readEPT(m.RDMSR(reg.IA32_VMX_EPT_VPID_CAP)); err != nil {
		return nil, err
	}
	misc := m.RDMSR(reg.IA32_VMX_MISC)
	c.PreemptionShift = uint8(misc & reg.VMXMiscPreemptionRateMask)
	c.SavesLMA = misc&reg.VMXMiscSavesLMA != 0
	c.HLTActivity = misc&reg.VMXMiscActivityHLT != 0
	c.CR0Fixed0, c.CR0Fixed1 = m.RDMSR(reg.IA32_VMX_CR0_FIXED0), m.RDMSR(reg.IA32_VMX_CR0_FIXED1)
	c.CR4Fixed0, c.CR4Fixed1 = m.RDMSR(reg.IA32_VMX_CR4_FIXED0), m.RDMSR(reg.IA32_VMX_CR4_FIXED1)
	var err error
	c.Controls, err = c.Choose()
	if err != nil {
		return nil, err
	}
	c.dropUnusable()
	return c, nil
}

// readControls reads the capability MSRs of the control words; the TRUE ones
// where they exist, because the others report default1 bits as forced (SDM Vol.
// 3C, Appendix A.3.1).
func (c *Caps) readControls(m Machine, true_ bool) {
	pin, proc := uint32(reg.IA32_VMX_PINBASED_CTLS), uint32(reg.IA32_VMX_PROCBASED_CTLS)
	exit, entry := uint32(reg.IA32_VMX_EXIT_CTLS), uint32(reg.IA32_VMX_ENTRY_CTLS)
	if true_ {
		pin, proc = reg.IA32_VMX_TRUE_PINBASED_CTLS, reg.IA32_VMX_TRUE_PROCBASED_CTLS
		exit, entry = reg.IA32_VMX_TRUE_EXIT_CTLS, reg.IA32_VMX_TRUE_ENTRY_CTLS
	}
	c.Pin, c.Proc = capFromMSR(m.RDMSR(pin)), capFromMSR(m.RDMSR(proc))
	c.Exit, c.Entry = capFromMSR(m.RDMSR(exit)), capFromMSR(m.RDMSR(entry))
	if c.Proc.Allows(ProcActivateSecondary) {
		c.Proc2 = capFromMSR(m.RDMSR(reg.IA32_VMX_PROCBASED_CTLS2))
	}
}

// readEPT reads IA32_VMX_EPT_VPID_CAP (SDM Vol. 3C, Appendix A.10).
func (c *Caps) readEPT(v uint64) error {
	has := func(bits uint64) bool { return v&bits == bits }
	switch {
	case !has(reg.EPTVPIDCapWalk4):
		return fmt.Errorf("vmx: %w", ErrNoEPTWalk4)
	case !has(reg.EPTVPIDCapWB):
		return fmt.Errorf("vmx: %w", ErrNoEPTWriteBack)
	case !has(reg.EPTVPIDCap2M):
		return fmt.Errorf("vmx: %w", ErrNoEPT2M)
	case !has(reg.EPTVPIDCapINVEPT) || v&(reg.EPTVPIDCapINVEPTSingle|reg.EPTVPIDCapINVEPTAll) == 0:
		return fmt.Errorf("vmx: %w", ErrNoINVEPT)
	}
	c.EPTExecuteOnly = has(reg.EPTVPIDCapExecuteOnly)
	c.EPT1G = has(reg.EPTVPIDCap1G)
	c.EPTAccessedDirty = has(reg.EPTVPIDCapAccessedDirty)
	c.INVEPTSingle = has(reg.EPTVPIDCapINVEPTSingle)
	c.INVEPTAll = has(reg.EPTVPIDCapINVEPTAll)
	c.INVVPID = has(reg.EPTVPIDCapINVVPID)
	c.INVVPIDAddress = has(reg.EPTVPIDCapINVVPID | reg.EPTVPIDCapINVVPIDAddress)
	c.INVVPIDSingle = has(reg.EPTVPIDCapINVVPID | reg.EPTVPIDCapINVVPIDSingle)
	c.INVVPIDAll = has(reg.EPTVPIDCapINVVPID | reg.EPTVPIDCapINVVPIDAll)
	return nil
}

// dropUnusable takes back optional controls whose companion instruction is
// missing: a VPID that cannot be flushed is worse than none.
func (c *Caps) dropUnusable() {
	if !c.INVVPIDSingle && !c.INVVPIDAll {
		c.Controls.Proc2 &^= Proc2EnableVPID &^ c.Proc2.Must
	}
}

// VPID reports whether guests get a VPID.
func (c *Caps) VPID() bool { return c.Controls.Proc2&Proc2EnableVPID != 0 }

// PreemptionTimer reports whether the VMX-preemption timer is there.
func (c *Caps) PreemptionTimer() bool { return c.Controls.Pin&PinPreemptionTimer != 0 }

// VirtualNMIs reports whether NMI blocking is virtualised and NMI windows exist.
func (c *Caps) VirtualNMIs() bool {
	return c.Controls.Pin&PinVirtualNMIs != 0 && c.Proc.Allows(ProcNMIWindowExiting)
}

// TPRShadow reports whether MOV CR8 works on the virtual-APIC page.
func (c *Caps) TPRShadow() bool { return c.Controls.Proc&ProcUseTPRShadow != 0 }

// VirtualInterrupts reports whether the processor delivers interrupts of a virtual APIC
// by itself.
func (c *Caps) VirtualInterrupts() bool {
	return c.Controls.Proc2&Proc2VirtualInterruptDelivery != 0
}

// FixCR0 gives the CR0 that the processor accepts in VMX non-root operation for
// a guest that asked for v: unrestricted guest frees PE and PG (SDM Vol. 3C,
// 24.8, "Restrictions on VMX Operation").
func (c *Caps) FixCR0(v uint64) uint64 {
	const peAndPG = 1 | 1<<31
	return (v | c.CR0Fixed0&^peAndPG) & c.CR0Fixed1
}

// FixCR4 is FixCR0 for CR4.
func (c *Caps) FixCR4(v uint64) uint64 { return (v | c.CR4Fixed0) & c.CR4Fixed1 }

// Same reports whether another processor of the host is the same for us.
func (c *Caps) Same(o *Caps) bool {
	a, b := *c, *o
	a.MustUnlock, b.MustUnlock = false, false
	return a == b
}
