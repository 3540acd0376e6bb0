package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
)

// Bits of CR0 that the host owns: writes that change them exit, reads see the
// shadow. CD and NW are not passed to the processor; NE must be 1.
const cr0HostOwned = reg.CR0_NE | reg.CR0_CD | reg.CR0_NW

// Bits of CR4 that the guest owns: toggled often, always offered, and without
// effect on what CPUID says or on paging-structure formats.
const cr4GuestOwned = reg.CR4_PVI | reg.CR4_TSD | reg.CR4_DE | reg.CR4_PGE | reg.CR4_OSFXSR | reg.CR4_OSXMMEXCPT

// hostState is the part of the host-state area that belongs to a processor.
type hostState struct {
	cr0, cr4, efer, pat           uint64
	gsBase, trBase, gdt, idt      uint64
	sysenterCS, sysenterESP, seip uint64
	cs, ss, tr                    uint16
}

// readHost reads this processor's state. W1, interrupts off.
func (o *ops) readHost(h *hostState) {
	cs, ss, _, _, _, _, tr := o.selectors()
	h.cs, h.ss, h.tr = cs, ss, tr
	h.cr0, h.cr4 = o.readCR0(), o.readCR4()
	h.efer, h.pat = o.rdmsr(uint32(reg.EFER)), o.rdmsr(uint32(reg.PAT))
	h.gsBase = o.rdmsr(uint32(reg.GSBase))
	h.sysenterCS = o.rdmsr(uint32(reg.SYSENTER_CS))
	h.sysenterESP = o.rdmsr(uint32(reg.SYSENTER_ESP))
	h.seip = o.rdmsr(uint32(reg.SYSENTER_EIP))
	h.gdt, h.idt = o.tables()
	// The base in a 16-byte system descriptor (SDM Vol. 3A, 8.2.3).
	lo, hi := o.word(h.gdt+uint64(tr)), o.word(h.gdt+uint64(tr)+8)
	h.trBase = lo>>16&0xffffff | lo>>56<<24 | hi<<32
}

// writeHost fills the host-state area for this processor (SDM Vol. 3C, 25.5).
// DS, ES, FS and GS are null: 64-bit code does not use the first two, and the
// bases of the others are loaded from their own fields. W1.
func (e *Engine) writeHost(h *hostState) {
	e.wr(vmx.HOST_CR0, h.cr0)
	e.wr(vmx.HOST_CR4, h.cr4)
	e.wr(vmx.HOST_IA32_EFER, h.efer)
	e.wr(vmx.HOST_IA32_PAT, h.pat)
	e.wr(vmx.HOST_CS_SELECTOR, uint64(h.cs)&^7)
	e.wr(vmx.HOST_SS_SELECTOR, uint64(h.ss)&^7)
	e.wr(vmx.HOST_DS_SELECTOR, 0)
	e.wr(vmx.HOST_ES_SELECTOR, 0)
	e.wr(vmx.HOST_FS_SELECTOR, 0)
	e.wr(vmx.HOST_GS_SELECTOR, 0)
	e.wr(vmx.HOST_TR_SELECTOR, uint64(h.tr))
	e.wr(vmx.HOST_GS_BASE, h.gsBase)
	e.wr(vmx.HOST_TR_BASE, h.trBase)
	e.wr(vmx.HOST_GDTR_BASE, h.gdt)
	e.wr(vmx.HOST_IDTR_BASE, h.idt)
	e.wr(vmx.HOST_SYSENTER_CS, h.sysenterCS)
	e.wr(vmx.HOST_SYSENTER_ESP, h.sysenterESP)
	e.wr(vmx.HOST_SYSENTER_EIP, h.seip)
	e.wr(vmx.HOST_RIP, e.ops.exitPC())
}

// initVMCS writes what never changes, and the controls. The VMCS is current.
// W1.
func (e *Engine) initVMCS() {
	c := &e.controls
	e.wr(vmx.PIN_BASED_CTLS, uint64(c.Pin))
	e.wr(vmx.PROC_BASED_CTLS, uint64(c.Proc))
	e.wr(vmx.PROC_BASED_CTLS2, uint64(c.Proc2))
	e.wr(vmx.EXIT_CTLS, uint64(c.Exit))
	e.wr(vmx.ENTRY_CTLS, uint64(c.Entry))
	e.proc, e.entry = c.Proc, c.Entry

	// #AC and #DB can repeat for ever inside their own delivery; #MC is the
	// host's.
	e.wr(vmx.EXCEPTION_BITMAP, 1<<reg.DB|1<<reg.AC|1<<reg.MC)
	e.wr(vmx.PAGE_FAULT_ERROR_CODE_MASK, 0)
	e.wr(vmx.PAGE_FAULT_ERROR_CODE_MATCH, 0)
	e.wr(vmx.CR3_TARGET_COUNT, 0)
	e.wr(vmx.EXIT_MSR_STORE_COUNT, 0)
	e.wr(vmx.EXIT_MSR_LOAD_COUNT, 0)
	e.wr(vmx.ENTRY_MSR_LOAD_COUNT, 0)
	e.wr(vmx.ENTRY_INTERRUPTION_INFO, 0)
	e.wr(vmx.MSR_BITMAP, e.f.msrs)
	e.wr(vmx.EPTP, e.t.Root())
	if c.Proc2&vmx.Proc2EnableVPID != 0 {
		e.wr(vmx.VPID, uint64(e.vpid))
	}
	if c.Proc2&vmx.Proc2PAUSELoopExiting != 0 {
		e.wr(vmx.PLE_GAP, pauseGap)
		e.wr(vmx.PLE_WINDOW, pauseWindow)
	}
	if c.Proc&vmx.ProcUseTPRShadow != 0 {
		e.wr(vmx.VIRTUAL_APIC_ADDR, e.apicPA)
		e.wr(vmx.TPR_THRESHOLD, 0)
	}
	if c.Proc2&vmx.Proc2VirtualInterruptDelivery != 0 {
		e.wr(vmx.GUEST_INTERRUPT_STATUS, 0)
		e.wr(vmx.EOI_EXIT_BITMAP_0, 0)
		e.wr(vmx.EOI_EXIT_BITMAP_1, 0)
		e.wr(vmx.EOI_EXIT_BITMAP_2, 0)
		e.wr(vmx.EOI_EXIT_BITMAP_3, 0)
	}
	if c.Proc2&vmx.Proc2EnableENCLSExiting != 0 {
		e.wr(vmx.ENCLS_EXITING_BITMAP, ^uint64(0))
	}
	if c.Proc2&vmx.Proc2EnableENCLVExiting != 0 {
		e.wr(vmx.ENCLV_EXITING_BITMAP, ^uint64(0))
	}
	e.wr(vmx.CR0_GUEST_HOST_MASK, cr0HostOwned)
	e.wr(vmx.CR4_GUEST_HOST_MASK, ^cr4GuestOwned)
	e.wr(vmx.VMCS_LINK_POINTER, ^uint64(0))
	e.wr(vmx.GUEST_IA32_DEBUGCTL, 0)
	e.wr(vmx.GUEST_ACTIVITY_STATE, uint64(vmx.Active))
	e.wr(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS, 0)
	e.wr(vmx.GUEST_INTERRUPTIBILITY, 0)
	e.frame.Interruptible = 0
	if c.Pin&vmx.PinPreemptionTimer != 0 {
		e.wr(vmx.PREEMPTION_TIMER_VALUE, e.guard)
	}
	e.timer = e.guard
}

// setProc writes the primary controls if they changed. W1.
func (e *Engine) setProc(v uint32) {
	if v != e.proc {
		e.proc = v
		e.wr(vmx.PROC_BASED_CTLS, uint64(v))
	}
}
