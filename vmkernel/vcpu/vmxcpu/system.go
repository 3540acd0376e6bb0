package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// with runs f with the VMCS current on this processor and interrupts off. The
// owner's thread is on the processor where the engine ran last: that is the
// contract of Run.
func (e *Engine) with(f func()) {
	e.ops.cli()
	e.current()
	f()
	e.ops.sti()
}

// current makes the active VMCS current. Interrupts are off.
func (e *Engine) current() {
	if pc := &e.f.cpus[e.active-1]; pc.current != e.vmcsPA {
		e.ops.vmptrld(e.vmcsPA)
		pc.current = e.vmcsPA
	}
}

// LoadMode implements vcpu.Engine.
func (e *Engine) LoadMode(s *vcpu.System) {
	if e.pending || e.known {
		s.CR0, s.CR3, s.CR4, s.EFER = e.sys.CR0, e.sys.CR3, e.sys.CR4, e.sys.EFER
		s.CS, s.SS, s.DS = e.sys.CS, e.sys.SS, e.sys.DS
		return
	}
	if e.inside == hostcpu.InGuest { // by Fast, in the run loop
		e.readMode(s)
		return
	}
	e.ops.cli()
	e.current()
	e.readMode(s)
	e.ops.sti()
}

// LoadSystem implements vcpu.Engine.
func (e *Engine) LoadSystem(s *vcpu.System) {
	if !e.pending && !e.known {
		e.with(func() { e.readSystem(&e.sys) })
		e.known = true
	}
	*s = e.sys
}

// StoreSystem implements vcpu.Engine. The VMCS is written before the next entry,
// only the fields that differ from what LoadSystem saw.
func (e *Engine) StoreSystem(s *vcpu.System) error {
	if !e.pending {
		e.pending, e.diff = true, e.known
		e.lent.first = e.lent.from != nil
		e.old = e.sys
	}
	if e.sys.CR0 != s.CR0 || e.sys.CR3 != s.CR3 || e.sys.CR4 != s.CR4 || e.sys.EFER != s.EFER {
		e.flush = true // as the MOV or WRMSR would have done
		e.loadPDPTEs(s)
	}
	e.sys = *s
	e.cr2 = s.CR2
	e.dr = vmx.DebugRegisters{DR: s.DR, DR6: s.DR6}
	e.msrs = vmx.MSRs{STAR: s.STAR, LSTAR: s.LSTAR, CSTAR: s.CSTAR, SFMASK: s.SFMASK,
		KernelGSBase: s.KernelGSBase, TSCAux: s.TSCAUX}
	if e.ext.HostXCR0 != 0 {
		e.ext.GuestXCR0 = s.XCR0&e.ext.HostXCR0 | reg.XCR0_X87
	}
	if t := uint8(s.CR8) & 15; e.tpr != nil && e.tpr.TaskPriority() != t {
		e.tpr.SetTaskPriority(t) // it clears the sub-class in TPR
	}
	return nil
}

// stateFields are what LoadSystem reads; LoadMode reads the first numModeFields.
var stateFields = [numStateFields]vmx.Field{
	vmx.GUEST_CR0, vmx.CR0_READ_SHADOW, vmx.GUEST_CR4, vmx.CR4_READ_SHADOW, vmx.GUEST_CR3, vmx.GUEST_IA32_EFER,
	vmx.GUEST_CS_SELECTOR, vmx.GUEST_CS_BASE, vmx.GUEST_CS_LIMIT, vmx.GUEST_CS_ACCESS_RIGHTS,
	vmx.GUEST_SS_SELECTOR, vmx.GUEST_SS_BASE, vmx.GUEST_SS_LIMIT, vmx.GUEST_SS_ACCESS_RIGHTS,
	vmx.GUEST_DS_SELECTOR, vmx.GUEST_DS_BASE, vmx.GUEST_DS_LIMIT, vmx.GUEST_DS_ACCESS_RIGHTS,
	vmx.GUEST_ES_SELECTOR, vmx.GUEST_ES_BASE, vmx.GUEST_ES_LIMIT, vmx.GUEST_ES_ACCESS_RIGHTS,
	vmx.GUEST_FS_SELECTOR, vmx.GUEST_FS_BASE, vmx.GUEST_FS_LIMIT, vmx.GUEST_FS_ACCESS_RIGHTS,
	vmx.GUEST_GS_SELECTOR, vmx.GUEST_GS_BASE, vmx.GUEST_GS_LIMIT, vmx.GUEST_GS_ACCESS_RIGHTS,
	vmx.GUEST_LDTR_SELECTOR, vmx.GUEST_LDTR_BASE, vmx.GUEST_LDTR_LIMIT, vmx.GUEST_LDTR_ACCESS_RIGHTS,
	vmx.GUEST_TR_SELECTOR, vmx.GUEST_TR_BASE, vmx.GUEST_TR_LIMIT, vmx.GUEST_TR_ACCESS_RIGHTS,
	vmx.GUEST_GDTR_BASE, vmx.GUEST_GDTR_LIMIT, vmx.GUEST_IDTR_BASE, vmx.GUEST_IDTR_LIMIT,
	vmx.GUEST_SYSENTER_CS, vmx.GUEST_SYSENTER_ESP, vmx.GUEST_SYSENTER_EIP, vmx.GUEST_IA32_PAT, vmx.GUEST_DR7,
}

const (
	numModeFields  = 18
	numStateFields = 47
)

func (e *Engine) readMode(s *vcpu.System) {
	e.ops.readMany(stateFields[:numModeFields], e.values[:])
	e.takeMode(s)
}

// takeMode fills the mode from e.values. CR0 and CR4 are what the guest sees.
func (e *Engine) takeMode(s *vcpu.System) {
	v := &e.values
	s.CR0 = v[0]&^cr0HostOwned | v[1]&cr0HostOwned
	s.CR4 = v[2]&cr4GuestOwned | v[3]&^cr4GuestOwned
	s.CR3, s.EFER = v[4], v[5]
	takeSegment(&s.CS, v[6:])
	takeSegment(&s.SS, v[10:])
	takeSegment(&s.DS, v[14:])
}

func takeSegment(s *vcpu.Segment, v []uint64) {
	_ = v[3]
	s.Selector, s.Base, s.Limit, s.Attr = uint16(v[0]), v[1], uint32(v[2]), uint32(v[3])
}

func (e *Engine) readSystem(s *vcpu.System) {
	e.ops.readMany(stateFields[:], e.values[:])
	e.takeMode(s)
	v := &e.values
	takeSegment(&s.ES, v[18:])
	takeSegment(&s.FS, v[22:])
	takeSegment(&s.GS, v[26:])
	takeSegment(&s.LDTR, v[30:])
	takeSegment(&s.TR, v[34:])
	s.GDTR.Base, s.GDTR.Limit = v[38], uint16(v[39])
	s.IDTR.Base, s.IDTR.Limit = v[40], uint16(v[41])
	s.SysenterCS, s.SysenterESP, s.SysenterEIP = v[42], v[43], v[44]
	s.PAT, s.DR7 = v[45], v[46]
	i := vmx.Interruptibility(e.frame.Interruptible)
	s.InterruptShadow = i&(vmx.BlockingBySTI|vmx.BlockingByMOVSS) != 0 && e.shadow != shadowClear || e.shadow == shadowSet
	s.NMIBlocked = i&vmx.BlockingByNMI != 0
	s.CR2 = e.cr2
	s.DR, s.DR6 = e.dr.DR, e.dr.DR6
	s.STAR, s.LSTAR, s.CSTAR, s.SFMASK = e.msrs.STAR, e.msrs.LSTAR, e.msrs.CSTAR, e.msrs.SFMASK
	s.KernelGSBase, s.TSCAUX = e.msrs.KernelGSBase, e.msrs.TSCAux
	s.XCR0, s.XSS = e.ext.GuestXCR0, 0
	s.CR8 = 0
	if e.tpr != nil {
		s.CR8 = uint64(e.tpr.TaskPriority())
	}
}

// writeSystem stores the pending state. W1, before the guest's SIMD state is
// loaded.
func (e *Engine) writeSystem() {
	e.pending = false
	n, o, all := &e.sys, &e.old, !e.diff
	if all || n.CR0 != o.CR0 || n.CR4 != o.CR4 || n.EFER != o.EFER {
		e.writeMode(n)
	}
	e.put(all, vmx.GUEST_CR3, o.CR3, n.CR3)
	e.writeSegment(all, &o.ES, &n.ES, vmx.SegES)
	e.writeSegment(all, &o.CS, &n.CS, vmx.SegCS)
	e.writeSegment(all, &o.SS, &n.SS, vmx.SegSS)
	e.writeSegment(all, &o.DS, &n.DS, vmx.SegDS)
	e.writeSegment(all, &o.FS, &n.FS, vmx.SegFS)
	e.writeSegment(all, &o.GS, &n.GS, vmx.SegGS)
	e.writeSegment(all, &o.LDTR, &n.LDTR, vmx.SegLDTR)
	e.writeSegment(all, &o.TR, &n.TR, vmx.SegTR)
	e.put(all, vmx.GUEST_GDTR_BASE, o.GDTR.Base, n.GDTR.Base)
	e.put(all, vmx.GUEST_GDTR_LIMIT, uint64(o.GDTR.Limit), uint64(n.GDTR.Limit))
	e.put(all, vmx.GUEST_IDTR_BASE, o.IDTR.Base, n.IDTR.Base)
	e.put(all, vmx.GUEST_IDTR_LIMIT, uint64(o.IDTR.Limit), uint64(n.IDTR.Limit))
	e.put(all, vmx.GUEST_SYSENTER_CS, o.SysenterCS, n.SysenterCS&0xffffffff)
	e.put(all, vmx.GUEST_SYSENTER_ESP, o.SysenterESP, n.SysenterESP)
	e.put(all, vmx.GUEST_SYSENTER_EIP, o.SysenterEIP, n.SysenterEIP)
	e.put(all, vmx.GUEST_IA32_PAT, o.PAT, n.PAT)
	e.put(all, vmx.GUEST_DR7, o.DR7, n.DR7&0xffffffff|reg.DR7_Reset)
	if n.DR7&reg.DR7_Enable != 0 && !e.drUsed {
		e.drUsed = true
		e.setProc(e.proc &^ vmx.ProcMOVDRExiting)
	}
	if all || n.NMIBlocked != o.NMIBlocked || n.InterruptShadow != o.InterruptShadow {
		v := uint64(0)
		if n.NMIBlocked {
			v |= uint64(vmx.BlockingByNMI)
		}
		e.setInterruptible(v)
		if n.InterruptShadow {
			e.shadow = shadowSet
		}
	}
	if e.pae {
		e.pae = false
		e.wr(vmx.GUEST_PDPTE0, e.pdpte[0])
		e.wr(vmx.GUEST_PDPTE1, e.pdpte[1])
		e.wr(vmx.GUEST_PDPTE2, e.pdpte[2])
		e.wr(vmx.GUEST_PDPTE3, e.pdpte[3])
	}
	if all {
		e.wr(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS, 0)
	}
}

// put writes a field that changed.
func (e *Engine) put(all bool, f vmx.Field, o, n uint64) {
	if all || o != n {
		e.wr(f, n)
	}
}

// writeMode writes CR0, CR4 and EFER with what the processor demands, their
// shadows, and the entry control that must agree (SDM Vol. 3C, 24.8, 27.3.1.1).
// Cache disable (CR0.CD, NW) stays in the shadow.
func (e *Engine) writeMode(s *vcpu.System) {
	c := e.f.caps
	e.wr(vmx.GUEST_CR0, c.FixCR0(s.CR0&^(reg.CR0_CD|reg.CR0_NW)|reg.CR0_ET))
	e.wr(vmx.CR0_READ_SHADOW, s.CR0|reg.CR0_ET)
	e.wr(vmx.GUEST_CR4, c.FixCR4(s.CR4))
	e.wr(vmx.CR4_READ_SHADOW, s.CR4)
	efer := s.EFER &^ reg.EFER_LMA
	entry := e.entry &^ vmx.EntryIA32eGuest
	if efer&reg.EFER_LME != 0 && s.CR0&reg.CR0_PG != 0 {
		efer |= reg.EFER_LMA
		entry |= vmx.EntryIA32eGuest
	}
	e.wr(vmx.GUEST_IA32_EFER, efer)
	// The processor itself stores LMA here at exits: write it always.
	e.entry = entry
	e.wr(vmx.ENTRY_CTLS, uint64(entry))
}

func (e *Engine) writeSegment(all bool, o, n *vcpu.Segment, i int) {
	f := vmx.GuestSegment(i)
	e.put(all, f.Selector, uint64(o.Selector), uint64(n.Selector))
	e.put(all, f.Base, o.Base, n.Base)
	e.put(all, f.Limit, uint64(o.Limit), uint64(n.Limit))
	if all || o.Attr != n.Attr {
		e.wr(f.Access, uint64(access(n.Attr, i)))
	}
}

// access makes access rights that the processor takes: an unusable register has
// no other bits, TR is busy and always usable, and code and data segments that
// are loaded count as accessed (SDM Vol. 3C, 27.3.1.2).
func access(a uint32, i int) uint32 {
	const known = reg.SegType | reg.SegS | reg.SegDPL | reg.SegP | reg.SegAVL | reg.SegL | reg.SegDB | reg.SegG
	switch {
	case i == vmx.SegTR:
		return a&known | 2
	case a&reg.SegUnusable != 0 || i != vmx.SegCS && a&reg.SegP == 0:
		return reg.SegUnusable
	case i == vmx.SegLDTR:
		return a & known
	}
	return a&known | 1
}

// loadPDPTEs fills the four page-directory-pointer entries when the state turns
// PAE paging on: with EPT the entry takes them from the VMCS (SDM Vol. 3C,
// 27.3.1.6, 27.3.2.4).
func (e *Engine) loadPDPTEs(s *vcpu.System) {
	e.pae = s.CR0&reg.CR0_PG != 0 && s.CR4&reg.CR4_PAE != 0 && s.EFER&reg.EFER_LME == 0
	if !e.pae {
		return
	}
	base := s.CR3 & 0xffffffe0
	for i := range e.pdpte {
		e.pdpte[i] = e.t.word(base + uint64(i)*8)
	}
}
