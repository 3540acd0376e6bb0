package vcpu

// scalar is a register of System in the stream, with its name.
type scalar struct {
	name string
	at   *uint64
}

// words are in the order of the stream: never change it, add a version.
func (s *System) words() []scalar {
	return []scalar{
		{"CR0", &s.CR0}, {"CR2", &s.CR2}, {"CR3", &s.CR3}, {"CR4", &s.CR4}, {"EFER", &s.EFER}, {"PAT", &s.PAT},
		{"DR6", &s.DR6}, {"DR7", &s.DR7}, {"DR0", &s.DR[0]}, {"DR1", &s.DR[1]}, {"DR2", &s.DR[2]}, {"DR3", &s.DR[3]},
		{"KERNEL_GS_BASE", &s.KernelGSBase}, {"STAR", &s.STAR}, {"LSTAR", &s.LSTAR}, {"CSTAR", &s.CSTAR}, {"FMASK", &s.SFMASK},
		{"SYSENTER_CS", &s.SysenterCS}, {"SYSENTER_ESP", &s.SysenterESP}, {"SYSENTER_EIP", &s.SysenterEIP},
		{"XCR0", &s.XCR0}, {"XSS", &s.XSS}, {"TSC_AUX", &s.TSCAUX},
	}
}

// namedSegment is a segment register with its name.
type namedSegment struct {
	name string
	at   *Segment
}

// segments are in the order of the stream.
func (s *System) segments() []namedSegment {
	return []namedSegment{{"ES", &s.ES}, {"CS", &s.CS}, {"SS", &s.SS}, {"DS", &s.DS}, {"FS", &s.FS}, {"GS", &s.GS},
		{"LDTR", &s.LDTR}, {"TR", &s.TR}}
}

const (
	// rflagsReserved are the bits that are always 0 (SDM Vol. 1, 3.4.3).
	rflagsReserved = ^uint64(0x3f7fd7)
	attrKnown      = 0xff | 0xf000 | AttrUnusable
	cr0Known       = CR0PE | CR0MP | CR0EM | CR0TS | CR0ET | CR0NE | CR0WP | CR0AM | CR0NW | CR0CD | CR0PG
)

// refuse names the first field that the guest cannot have set, "" when there is
// none. What it lets through the engine may load: no value makes an instruction of
// the host fault.
func (v *VCPU) refuse(s *saved, area int) string {
	if f := v.refuseControl(s); f != "" {
		return f
	}
	y := &s.sys
	long := y.EFER&EFERLMA != 0
	for _, g := range y.segments() {
		flat := g.at.Base>>32 == 0
		switch g.name {
		case "FS", "GS", "LDTR", "TR":
			flat = canonical(g.at.Base)
		}
		if !flat || g.at.Attr&^attrKnown != 0 {
			return g.name
		}
	}
	for _, c := range []struct {
		ok    bool
		field string
	}{
		{!long || y.CS.Attr&(AttrL|AttrDB) != AttrL|AttrDB, "CS"},
		{y.CR0&CR0PE == 0 || s.regs.RFLAGS&FlagVM == 0 || y.SS.Attr>>5&3 == 3, "SS"},
		{canonical(y.GDTR.Base), "GDTR"},
		{canonical(y.IDTR.Base), "IDTR"},
		{s.regs.RFLAGS&rflagsReserved == 0 && s.regs.RFLAGS&2 != 0, "RFLAGS"},
		{s.regs.RFLAGS&FlagVM == 0 || !long && y.CR0&CR0PE != 0, "RFLAGS.VM"},
		{y.Long() && canonical(s.regs.RIP) || s.regs.RIP>>32 == 0, "RIP"},
		{validPAT(y.PAT), "PAT"},
		{y.DR6&dr6Fixed0 == 0, "DR6"},
		{y.DR7>>32 == 0 && y.DR7&dr7Fixed0 == 0 && y.DR7&dr7Fixed1 != 0, "DR7"},
		{canonical(y.KernelGSBase), "KERNEL_GS_BASE"},
		{canonical(y.LSTAR), "LSTAR"},
		{canonical(y.CSTAR), "CSTAR"},
		{y.SFMASK>>32 == 0, "FMASK"},
		{y.SysenterCS>>32 == 0, "SYSENTER_CS"},
		{canonical(y.SysenterESP), "SYSENTER_ESP"},
		{canonical(y.SysenterEIP), "SYSENTER_EIP"},
		{y.TSCAUX>>32 == 0 && (y.TSCAUX == 0 || v.CPUID.feat.RDTSCP), "TSC_AUX"},
		{y.XSS == 0, "XSS"},
		{validXCR0(y.XCR0, v.CPUID.feat.XCR0), "XCR0"},
		{len(s.xsave) == area, "size of the XSAVE area"},
		{len(s.xsave) < 32 || v.xsaveHeader(s.xsave), "XSAVE area"},
	} {
		if !c.ok {
			return c.field
		}
	}
	if f := v.refuseMSRs(s); f != "" {
		return f
	}
	return refuseEvents(s)
}

// validXCR0 is what XSETBV accepts (SDM Vol. 1, 13.3).
func validXCR0(x, allowed uint64) bool {
	return x&1 != 0 && x&^allowed == 0 && (x&4 == 0 || x&2 != 0)
}

// refuseControl is for what decides the mode (SDM Vol. 3A, 2.5, 4.1).
func (v *VCPU) refuseControl(s *saved) string {
	y, f := &s.sys, &v.CPUID.feat
	long := y.EFER&EFERLMA != 0
	for _, c := range []struct {
		ok    bool
		field string
	}{
		{y.CR0&^cr0Known == 0 && y.CR0&CR0ET != 0, "CR0"},
		{y.CR0&CR0PG == 0 || y.CR0&CR0PE != 0, "CR0.PG"},
		{y.CR0&CR0NW == 0 || y.CR0&CR0CD != 0, "CR0.NW"},
		{y.CR4&^f.CR4 == 0, "CR4"},
		{y.EFER&^f.EFER == 0, "EFER"},
		{long == (y.EFER&EFERLME != 0 && y.CR0&CR0PG != 0), "EFER.LMA"},
		{!long || y.CR4&CR4PAE != 0, "CR4.PAE"},
		{y.CR4&CR4PCIDE == 0 || long, "CR4.PCIDE"},
		{y.CR3>>f.PhysBits == 0, "CR3"},
		{v.pointersOK(y.CR0, y.CR4, y.EFER, y.CR3), "page-directory pointers at CR3"},
	} {
		if !c.ok {
			return c.field
		}
	}
	return ""
}

// refuseMSRs tries the values of the emulated registers on a processor that is not
// there, by the rules of WRMSR.
func (v *VCPU) refuseMSRs(s *saved) string {
	try := &VCPU{Config: Config{CPUID: v.CPUID}}
	set := func(i uint32, val uint64) bool { return writeMTRR(try, i, val) }
	m := &s.msr
	ok := set(0x2ff, m.mtrrDef) && set(0x250, m.mtrrFix[0])
	for i := range uint32(2) {
		ok = ok && set(0x258+i, m.mtrrFix[1+i])
	}
	for i := range uint32(8) {
		ok = ok && set(0x268+i, m.mtrrFix[3+i])
	}
	for i := range uint32(2 * mtrrVars) {
		ok = ok && set(0x200+i, m.mtrrVar[i])
	}
	switch {
	case !ok:
		return "MTRRs"
	case m.mcgStatus&^7 != 0:
		return "MCG_STATUS"
	case m.miscEnable&(1<<18|1<<22|1<<34) != 0 || m.miscEnable&(1<<11|1<<12) != 1<<11|1<<12:
		return "MISC_ENABLE"
	}
	p := &s.pv
	switch {
	case p.stealMSR&0x3e != 0:
		return "MSR_KVM_STEAL_TIME"
	case p.eoiMSR&2 != 0 || p.eoi != 0 && p.eoiMSR&1 == 0 || p.eoiOffered && p.eoi == 0:
		return "MSR_KVM_PV_EOI_EN"
	case (p.version|p.stealVersion)&1 != 0:
		return "version of a paravirtual page"
	}
	return ""
}

// refuseEvents checks what waits to be delivered.
func refuseEvents(s *saved) string {
	for _, e := range s.events {
		ok := true
		switch {
		case !e.Valid:
			ok = e == Event{}
		case e.Type == EventExtInt:
			ok = !e.HasError
		case e.Type == EventNMI:
			ok = !e.HasError && e.Vector == 2
		case e.Type == EventException:
			ok = e.Vector < 32 && e.Vector != 2 && (!e.HasError || hasError(e.Vector) && e.Error>>16 == 0)
		default:
			ok = e.Type == EventSoftInt // it runs again by itself
		}
		if ok = ok && (e.HasError || e.Error == 0); !ok {
			return "pending event"
		}
	}
	if b := s.events[2]; b.Valid && (b.Type != EventExtInt || !s.events[1].Valid || s.events[1].Type == EventExtInt) {
		return "pending event"
	}
	return ""
}
