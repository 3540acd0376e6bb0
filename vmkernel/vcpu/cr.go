package vcpu

// exitCR emulates accesses to control registers (SDM Vol. 3A, 2.5 and 4.1.2;
// APM Vol. 2, 3.1).
func (v *VCPU) exitCR() outcome {
	if !v.x.CR.Known || v.x.InstLen == 0 {
		if res, ev := v.Emul.CR(v, &v.x); res != Done {
			return v.result(res, ev)
		}
	}
	c := &v.x.CR
	n := v.length()
	if n == 0 {
		return carryOn
	}
	if v.Mode().CPL() != 0 && v.Mode().CR0&CR0PE != 0 {
		return v.injectGP0()
	}
	r := v.Regs()
	ok := true
	switch c.Op {
	case OpFromCR:
		val, known := v.readCR(c.Number)
		if !known {
			return v.injectUD()
		}
		r.GPR[c.GPR&15] = val
	case OpCLTS:
		ok = v.writeCR0(v.Mode().CR0 &^ CR0TS)
	case OpLMSW:
		// LMSW changes MP, EM and TS, and can set PE but not clear it.
		old := v.Mode().CR0
		ok = v.writeCR0(old&^uint64(0xe) | c.Value&0xf | old&CR0PE)
	case OpToCR:
		val := r.GPR[c.GPR&15]
		if v.Mode().Bits() != 64 {
			val &= 0xffffffff
		}
		switch c.Number {
		case 0:
			ok = v.writeCR0(val)
		case 3:
			ok = v.writeCR3(val)
		case 4:
			ok = v.writeCR4(val)
		case 8:
			if ok = val < 16; ok {
				v.APIC.SetTPR(uint8(val))
			}
		default:
			return v.injectUD()
		}
	}
	if !ok {
		return v.injectGP0()
	}
	v.skip(n)
	return carryOn
}

func (v *VCPU) readCR(n uint8) (uint64, bool) {
	switch n {
	case 0:
		return v.Mode().CR0, true
	case 2:
		return v.System().CR2, true
	case 3:
		return v.Mode().CR3, true
	case 4:
		return v.Mode().CR4, true
	case 8:
		return uint64(v.APIC.TPR()), true
	}
	return 0, false
}

func (v *VCPU) writeCR0(val uint64) bool {
	s := v.System()
	if val>>32 != 0 {
		return false
	}
	val = val&(CR0PE|CR0MP|CR0EM|CR0TS|CR0NE|CR0WP|CR0AM|CR0NW|CR0CD|CR0PG) | CR0ET
	if val&CR0PG != 0 && val&CR0PE == 0 || val&CR0NW != 0 && val&CR0CD == 0 {
		return false
	}
	on, off := val&^s.CR0&CR0PG != 0, s.CR0&^val&CR0PG != 0
	if on && s.EFER&EFERLME != 0 && (s.CR4&CR4PAE == 0 || s.CS.Attr&AttrL != 0) {
		return false
	}
	if off && (s.Long() || s.CR4&CR4PCIDE != 0) {
		return false
	}
	if !v.pointersOK(val, s.CR4, s.EFER, s.CR3) {
		return false
	}
	s = v.change()
	if (val^s.CR0)&(CR0PG|CR0WP|CR0PE) != 0 {
		v.eng.FlushTLB()
	}
	s.CR0 = val
	switch {
	case on && s.EFER&EFERLME != 0:
		s.EFER |= EFERLMA
	case off:
		s.EFER &^= EFERLMA
	}
	return true
}

// pointersOK: with PAE paging a MOV to CR0 or CR4 loads the four page-directory
// pointers, and reserved bits in one that is present are #GP (SDM Vol. 3A, 4.4.1).
// On VT-x they would be a failed entry instead. AMD's processors look at them
// when they walk.
func (v *VCPU) pointersOK(cr0, cr4, efer, cr3 uint64) bool {
	if cr0&CR0PG == 0 || cr4&CR4PAE == 0 || efer&EFERLME != 0 || !v.CPUID.feat.Intel {
		return true
	}
	// PWT, PCD and 11:9 are not reserved.
	reserved := ^(uint64(1)<<v.CPUID.feat.PhysBits - 1) | 0x1e6
	for i := range uint64(4) {
		// What was never written is zero: not present.
		if p, ok := v.Mem.Load(cr3&0xffffffe0+8*i, 8); ok && p&1 != 0 && p&reserved != 0 {
			return false
		}
	}
	return true
}

const cr3NoFlush = 1 << 63

func (v *VCPU) writeCR3(val uint64) bool {
	s := v.System()
	flush := true
	if s.CR4&CR4PCIDE != 0 && val&cr3NoFlush != 0 {
		val &^= cr3NoFlush
		flush = false
	}
	if s.EFER&EFERLMA != 0 && val>>v.CPUID.feat.PhysBits != 0 {
		return false
	}
	v.change().CR3 = val
	if flush {
		v.eng.FlushTLB()
	}
	return true
}

func (v *VCPU) writeCR4(val uint64) bool {
	s := v.System()
	if val&^v.CPUID.feat.CR4 != 0 {
		return false
	}
	if s.EFER&EFERLMA != 0 && val&CR4PAE == 0 {
		return false
	}
	if val&^s.CR4&CR4PCIDE != 0 && (s.EFER&EFERLMA == 0 || s.CR3&0xfff != 0) {
		return false
	}
	if !v.pointersOK(s.CR0, val, s.EFER, s.CR3) {
		return false
	}
	s = v.change()
	if (val^s.CR4)&(CR4PSE|CR4PAE|CR4PGE|CR4PCIDE|CR4SMEP|CR4SMAP) != 0 {
		v.eng.FlushTLB()
	}
	s.CR4 = val
	v.osxsave = val&CR4OSXSAVE != 0
	return true
}

const (
	dr6Fixed1 = 0xffff0ff0
	dr6Fixed0 = 1<<12 | 0xffffffff<<32
	dr6BD     = 1 << 13
	dr7GD     = 1 << 13
	dr7Fixed1 = 0x400
	dr7Fixed0 = 0xd800
)

// exitDR emulates accesses to debug registers (SDM Vol. 3B, 18.2).
func (v *VCPU) exitDR() outcome {
	if !v.x.CR.Known || v.x.InstLen == 0 {
		if res, ev := v.Emul.CR(v, &v.x); res != Done {
			return v.result(res, ev)
		}
	}
	c := &v.x.CR
	n := v.length()
	if n == 0 {
		return carryOn
	}
	s := v.System()
	if s.CPL() != 0 && s.CR0&CR0PE != 0 {
		return v.injectGP0()
	}
	i := c.Number
	if i > 7 || (i == 4 || i == 5) && s.CR4&CR4DE != 0 {
		return v.injectUD()
	}
	if i == 4 || i == 5 {
		i += 2
	}
	s = v.change()
	if s.DR7&dr7GD != 0 {
		s.DR7 &^= dr7GD
		s.DR6 |= dr6BD
		v.inject(Event{Vector: vectorDB, Type: EventException})
		return carryOn
	}
	g := &v.Regs().GPR[c.GPR&15]
	if c.Op == OpFromCR {
		switch {
		case i < 4:
			*g = s.DR[i]
		case i == 6:
			*g = s.DR6
		default:
			*g = s.DR7
		}
		v.skip(n)
		return carryOn
	}
	val := *g
	if v.Mode().Bits() != 64 {
		val &= 0xffffffff
	}
	switch {
	case i < 4:
		s.DR[i] = val
	case val>>32 != 0:
		return v.injectGP0()
	case i == 6:
		s.DR6 = val&^dr6Fixed0 | dr6Fixed1
	default:
		s.DR7 = val&^dr7Fixed0 | dr7Fixed1
	}
	v.skip(n)
	return carryOn
}
