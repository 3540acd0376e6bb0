package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
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
		s.CS, s.SS = e.sys.CS, e.sys.SS
		return
	}
	e.with(func() { e.readMode(s) })
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
	if e.tpr != nil {
		e.tpr.SetTaskPriority(uint8(s.CR8) & 15)
	}
	return nil
}

func (e *Engine) readMode(s *vcpu.System) {
	s.CR0 = e.rd(vmx.GUEST_CR0)&^cr0HostOwned | e.rd(vmx.CR0_READ_SHADOW)&cr0HostOwned
	s.CR4 = e.rd(vmx.GUEST_CR4)&cr4GuestOwned | e.rd(vmx.CR4_READ_SHADOW)&^cr4GuestOwned
	s.CR3 = e.rd(vmx.GUEST_CR3)
	s.EFER = e.rd(vmx.GUEST_IA32_EFER)
	e.readSegment(&s.CS, vmx.SegCS)
	e.readSegment(&s.SS, vmx.SegSS)
}

func (e *Engine) readSystem(s *vcpu.System) {
	e.readMode(s)
	e.readSegment(&s.ES, vmx.SegES)
	e.readSegment(&s.DS, vmx.SegDS)
	e.readSegment(&s.FS, vmx.SegFS)
	e.readSegment(&s.GS, vmx.SegGS)
	e.readSegment(&s.LDTR, vmx.SegLDTR)
	e.readSegment(&s.TR, vmx.SegTR)
	s.GDTR.Base, s.GDTR.Limit = e.rd(vmx.GUEST_GDTR_BASE), uint16(e.rd(vmx.GUEST_GDTR_LIMIT))
	s.IDTR.Base, s.IDTR.Limit = e.rd(vmx.GUEST_IDTR_BASE), uint16(e.rd(vmx.GUEST_IDTR_LIMIT))
	s.SysenterCS = e.rd(vmx.GUEST_SYSENTER_CS)
	s.SysenterESP, s.SysenterEIP = e.rd(vmx.GUEST_SYSENTER_ESP), e.rd(vmx.GUEST_SYSENTER_EIP)
	s.PAT = e.rd(vmx.GUEST_IA32_PAT)
	s.DR7 = e.rd(vmx.GUEST_DR7)
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

func (e *Engine) readSegment(s *vcpu.Segment, i int) {
	f := vmx.GuestSegment(i)
	s.Selector = uint16(e.rd(f.Selector))
	s.Base = e.rd(f.Base)
	s.Limit = uint32(e.rd(f.Limit))
	s.Attr = uint32(e.rd(f.Access))
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
		e.pdpte[i] = 0
		if hpa, ok := e.t.translate(base + uint64(i)*8); ok {
			e.pdpte[i] = e.f.Table(hpa &^ 0xfff)[hpa>>3&511]
		}
	}
}
