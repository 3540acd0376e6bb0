package svmcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// LoadMode implements vcpu.Engine.
func (e *Engine) LoadMode(s *vcpu.System) {
	v := &e.vmcb.Save
	s.CR0, s.CR3, s.CR4 = v.CR0|e.cache, v.CR3, v.CR4
	s.EFER = e.efer
	loadSegment(&s.CS, &v.CS)
	loadSegment(&s.SS, &v.SS)
	loadSegment(&s.DS, &v.DS)
	// The processor keeps CPL apart; SS.DPL need not be it (15.5.1).
	s.SS.Attr = s.SS.Attr&^reg.SegDPL | uint32(v.CPL)<<5
}

// LoadSystem implements vcpu.Engine.
func (e *Engine) LoadSystem(s *vcpu.System) {
	v, c := &e.vmcb.Save, &e.vmcb.Control
	e.LoadMode(s)
	s.CR2, s.CR8 = v.CR2, uint64(c.VTPR&15)
	if e.tpr != nil {
		s.CR8 = uint64(e.tpr.TaskPriority())
	}
	s.PAT = v.GPAT
	s.DR6, s.DR7, s.DR = v.DR6, v.DR7, e.dr
	loadSegment(&s.ES, &v.ES)
	loadSegment(&s.FS, &v.FS)
	loadSegment(&s.GS, &v.GS)
	loadSegment(&s.LDTR, &v.LDTR)
	loadSegment(&s.TR, &v.TR)
	s.TR.Attr |= 2 // a loaded task register is busy
	s.GDTR = vcpu.Table{Base: v.GDTR.Base, Limit: uint16(v.GDTR.Limit)}
	s.IDTR = vcpu.Table{Base: v.IDTR.Base, Limit: uint16(v.IDTR.Limit)}
	s.KernelGSBase = v.KernelGSBase
	s.STAR, s.LSTAR, s.CSTAR, s.SFMASK = v.STAR, v.LSTAR, v.CSTAR, v.SFMASK
	s.SysenterCS, s.SysenterESP, s.SysenterEIP = v.SysenterCS, v.SysenterESP, v.SysenterEIP
	s.XCR0, s.XSS = e.ext.GuestXCR0, 0
	s.TSCAUX = e.aux
	s.InterruptShadow = c.Shadow&svm.ShadowSTI != 0
	s.NMIBlocked = e.nmi.blocked
}

// StoreSystem implements vcpu.Engine. Cache disable (CR0.CD and NW) is not passed
// to the processor: it would make all of the guest's memory uncached (15.25.8). While
// the guest has set it, its reads of CR0 exit.
func (e *Engine) StoreSystem(s *vcpu.System) error {
	v, c := &e.vmcb.Save, &e.vmcb.Control
	if v.CR0|e.cache != s.CR0 || v.CR3 != s.CR3 || v.CR4 != s.CR4 || e.efer != s.EFER {
		// A change of paging by MOV would have flushed (7.3.3, 5.5.3).
		e.flush, e.tag = true, true
	}
	e.cache = s.CR0 & (reg.CR0_CD | reg.CR0_NW)
	v.CR0 = s.CR0&^e.cache | reg.CR0_ET
	c.InterceptCRRead &^= 1 << 0
	if e.cache != 0 {
		c.InterceptCRRead |= 1 << 0
	}
	v.CR3, v.CR4 = s.CR3, s.CR4
	e.efer = s.EFER
	v.EFER = s.EFER | reg.EFER_SVME
	if s.CR0&reg.CR0_PG == 0 {
		// LME means nothing before paging is on, and both are written through
		// us. QEMU 7.2 loses the host's CR0 at an exit from a guest that has LME
		// without PAE and paging.
		v.EFER &^= reg.EFER_LME
	}
	v.CR2 = s.CR2
	if e.tpr == nil { // else Fast keeps CR8
		c.VTPR = uint8(s.CR8) & 15
	}
	v.GPAT = s.PAT
	v.DR6, v.DR7 = s.DR6, s.DR7
	e.dr = s.DR
	if s.DR7&reg.DR7_Enable != 0 && !e.drUsed {
		e.giveDR() // a breakpoint is armed: its address has to be in the processor
	}
	for _, p := range [...]struct {
		to   *svm.Segment
		from *vcpu.Segment
	}{
		{&v.ES, &s.ES}, {&v.CS, &s.CS}, {&v.SS, &s.SS}, {&v.DS, &s.DS},
		{&v.FS, &s.FS}, {&v.GS, &s.GS}, {&v.LDTR, &s.LDTR}, {&v.TR, &s.TR},
	} {
		storeSegment(p.to, p.from)
	}
	// QEMU 7.2 checks the I/O bitmap of an available TSS only; the processor
	// does not look at the busy bit of a loaded one.
	v.TR.Attrib &^= 2
	v.CPL = uint8(v.SS.Attrib >> 5 & 3)
	switch {
	case s.CR0&reg.CR0_PE == 0:
		v.CPL = 0
	case e.regs.RFLAGS&reg.RFLAGS_VM != 0:
		v.CPL = 3
	}
	v.GDTR.Base, v.GDTR.Limit = s.GDTR.Base, uint32(s.GDTR.Limit)
	v.IDTR.Base, v.IDTR.Limit = s.IDTR.Base, uint32(s.IDTR.Limit)
	v.KernelGSBase = s.KernelGSBase
	v.STAR, v.LSTAR, v.CSTAR, v.SFMASK = s.STAR, s.LSTAR, s.CSTAR, s.SFMASK
	v.SysenterCS, v.SysenterESP, v.SysenterEIP = s.SysenterCS, s.SysenterESP, s.SysenterEIP
	if e.ext.HostXCR0 != 0 {
		e.ext.GuestXCR0 = s.XCR0&e.ext.HostXCR0 | reg.XCR0_X87
	}
	e.aux = s.TSCAUX
	e.SetInterruptShadow(s.InterruptShadow)
	if e.nmi.blocked != s.NMIBlocked {
		e.nmi.blocked = s.NMIBlocked
		c.Intercept1 &^= svm.Intercept1IRET
		if s.NMIBlocked {
			c.Intercept1 |= svm.Intercept1IRET
		}
	}
	e.clean = 0
	return nil
}

// The VMCB packs the attributes into 12 bits: the low eight are equal, AVL, L, D/B
// and G follow at 8 (15.5.1). A segment that cannot be used has P clear.
func loadSegment(to *vcpu.Segment, from *svm.Segment) {
	to.Base, to.Limit, to.Selector = from.Base, from.Limit, from.Selector
	a := uint32(from.Attrib)
	to.Attr = a&0xFF | a&0xF00<<4
	if a&reg.SegP == 0 {
		to.Attr |= reg.SegUnusable
	}
}

func storeSegment(to *svm.Segment, from *vcpu.Segment) {
	to.Base, to.Limit, to.Selector = from.Base, from.Limit, from.Selector
	a := from.Attr
	to.Attrib = uint16(a&0xFF | a>>4&0xF00)
	if a&reg.SegUnusable != 0 {
		to.Attrib &^= uint16(reg.SegP)
	}
}
