package vcpu

func readTSC(v *VCPU, _ uint32) (uint64, bool) { return v.TSC(), true }

// writeTSC moves TSC_ADJUST by the same amount (SDM Vol. 3B, 18.17.3).
func writeTSC(v *VCPU, _ uint32, val uint64) bool {
	v.msr.tscAdjust += val - v.TSC()
	v.SetTSC(val)
	v.ClockChanged()
	return true
}

func readTSCAdjust(v *VCPU, _ uint32) (uint64, bool) { return v.msr.tscAdjust, true }

func writeTSCAdjust(v *VCPU, _ uint32, val uint64) bool {
	delta := val - v.msr.tscAdjust
	v.msr.tscAdjust = val
	v.SetTSCOffset(v.tscOffset + delta)
	v.ClockChanged()
	return true
}

func writeAPICBase(v *VCPU, i uint32, val uint64) bool {
	if !v.APIC.WriteMSR(i, val) {
		return false
	}
	v.msr.apicOff = val&apicBaseEnable == 0
	return true
}

// readMicrocode: Intel has the revision in the upper half, AMD in the lower.
func readMicrocode(v *VCPU, _ uint32) (uint64, bool) {
	if v.CPUID.feat.Intel {
		return 0xffffffff << 32, true // newer than any erratum that a guest works around
	}
	return amdRevision, true
}

func writeMicrocode(v *VCPU, _ uint32, _ uint64) bool { return v.CPUID.feat.Intel }

// readArchCap: what the processor is not subject to holds in a guest too; without the
// register a guest would guard against everything.
func readArchCap(v *VCPU, _ uint32) (uint64, bool) {
	return v.CPUID.feat.ArchCap, v.CPUID.feat.HasArchCap
}

func writeArchCap(*VCPU, uint32, uint64) bool { return false }

func readTSCAux(v *VCPU, _ uint32) (uint64, bool) {
	return v.System().TSCAUX, v.CPUID.feat.RDTSCP
}

func writeTSCAux(v *VCPU, _ uint32, val uint64) bool {
	if !v.CPUID.feat.RDTSCP {
		return false
	}
	v.change().TSCAUX = val & 0xffffffff
	return true
}

func readEFER(v *VCPU, _ uint32) (uint64, bool) { return v.Mode().EFER, true }

// writeEFER checks as SDM Vol. 3A, 2.2.1 and APM Vol. 2, 3.1.7 say.
func writeEFER(v *VCPU, _ uint32, val uint64) bool {
	s := v.System()
	if val&^v.CPUID.feat.EFER != 0 {
		return false
	}
	if (val^s.EFER)&EFERLME != 0 && s.CR0&CR0PG != 0 {
		return false
	}
	s = v.change()
	nx := (val ^ s.EFER) & EFERNXE
	s.EFER = val&^EFERLMA | s.EFER&EFERLMA
	if nx != 0 {
		v.eng.FlushTLB()
	}
	return true
}

// validPAT: each of the eight fields is a memory type (SDM Vol. 3A, 12.12.2).
func validPAT(val uint64) bool {
	for i := 0; i < 64; i += 8 {
		if t := val >> i & 0xff; t > 7 || t == 2 || t == 3 {
			return false
		}
	}
	return true
}

func mtrrType(t uint64) bool { return t == 0 || t == 1 || t == 4 || t == 5 || t == 6 }

// mtrr is the register behind an index. Guest memory is always write-back
// below: the registers hold what a guest writes and have no effect.
func (m *msrState) mtrr(i uint32) *uint64 {
	switch {
	case i-0x200 < 2*mtrrVars:
		return &m.mtrrVar[i-0x200]
	case i == 0x250:
		return &m.mtrrFix[0]
	case i-0x258 < 2:
		return &m.mtrrFix[1+i-0x258]
	case i-0x268 < 8:
		return &m.mtrrFix[3+i-0x268]
	}
	return &m.mtrrDef
}

func readMTRR(v *VCPU, i uint32) (uint64, bool) { return *v.msr.mtrr(i), true }

func writeMTRR(v *VCPU, i uint32, val uint64) bool {
	phys := uint64(1)<<v.CPUID.feat.PhysBits - 1
	switch {
	case i == 0x2ff:
		if val&^uint64(0xcff) != 0 || !mtrrType(val&0xff) {
			return false
		}
	case i-0x200 < 2*mtrrVars && i&1 == 0:
		if val&^(phys&^0xfff|0xff) != 0 || !mtrrType(val&0xff) {
			return false
		}
	case i-0x200 < 2*mtrrVars:
		if val&^(phys&^0x7ff) != 0 {
			return false
		}
	default:
		for b := 0; b < 64; b += 8 {
			if !mtrrType(val >> b & 0xff) {
				return false
			}
		}
	}
	*v.msr.mtrr(i) = val
	return true
}
