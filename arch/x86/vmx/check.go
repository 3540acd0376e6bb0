package vmx

import "fmt"

// CheckGuest goes through the checks that the processor makes on the guest-state
// area (SDM Vol. 3C, 27.3.1, "Checks on the Guest State Area", edition 086) and
// names those that fail. It is for the message after a failed VM entry: the
// processor itself only says "invalid guest state". read gives a field of the
// VMCS; unrestricted guest is assumed on.
func (c *Caps) CheckGuest(read func(Field) uint64) []string {
	k := checker{caps: c, read: read}
	k.controlRegisters()
	k.segments()
	k.tables()
	k.ripAndFlags()
	k.nonRegister()
	return k.bad
}

type checker struct {
	caps *Caps
	read func(Field) uint64
	bad  []string
}

// fail notes a failed check: its section, then what is wrong.
func (k *checker) fail(ok bool, format string, args ...any) {
	if !ok {
		k.bad = append(k.bad, fmt.Sprintf(format, args...))
	}
}

func (k *checker) ia32e() bool { return k.read(ENTRY_CTLS)&EntryIA32eGuest != 0 }
func (k *checker) v86() bool   { return k.read(GUEST_RFLAGS)>>17&1 != 0 }

func canonical(v uint64) bool { return uint64(int64(v)<<16>>16) == v }

// controlRegisters is 27.3.1.1.
func (k *checker) controlRegisters() {
	cr0, cr4 := k.read(GUEST_CR0), k.read(GUEST_CR4)
	const pe, pg, pae = 1, 1 << 31, 1 << 5
	fixed0 := k.caps.CR0Fixed0 &^ uint64(pe|pg)
	k.fail(cr0&fixed0 == fixed0, "27.3.1.1: CR0 %#x lacks fixed bits %#x", cr0, fixed0&^cr0)
	k.fail(cr0&^k.caps.CR0Fixed1 == 0, "27.3.1.1: CR0 %#x has reserved bits %#x", cr0, cr0&^k.caps.CR0Fixed1)
	k.fail(cr0&pg == 0 || cr0&pe != 0, "27.3.1.1: CR0.PG without CR0.PE")
	k.fail(cr4&k.caps.CR4Fixed0 == k.caps.CR4Fixed0, "27.3.1.1: CR4 %#x lacks fixed bits %#x", cr4, k.caps.CR4Fixed0&^cr4)
	k.fail(cr4&^k.caps.CR4Fixed1 == 0, "27.3.1.1: CR4 %#x has reserved bits %#x", cr4, cr4&^k.caps.CR4Fixed1)
	if k.ia32e() {
		k.fail(cr0&pg != 0, "27.3.1.1: IA-32e mode guest without CR0.PG")
		k.fail(cr4&pae != 0, "27.3.1.1: IA-32e mode guest without CR4.PAE")
	} else {
		k.fail(cr4>>17&1 == 0, "27.3.1.1: CR4.PCIDE outside IA-32e mode")
	}
	k.fail(k.read(GUEST_CR3)>>52 == 0, "27.3.1.1: CR3 %#x beyond the physical-address width", k.read(GUEST_CR3))
	if k.read(ENTRY_CTLS)&EntryLoadDebugControls != 0 {
		k.fail(k.read(GUEST_DR7)>>32 == 0, "27.3.1.1: DR7 bits 63:32")
		k.fail(k.read(GUEST_IA32_DEBUGCTL)&^uint64(0xdfc3) == 0, "27.3.1.1: IA32_DEBUGCTL reserved bits")
	}
	k.fail(canonical(k.read(GUEST_SYSENTER_ESP)), "27.3.1.1: IA32_SYSENTER_ESP not canonical")
	k.fail(canonical(k.read(GUEST_SYSENTER_EIP)), "27.3.1.1: IA32_SYSENTER_EIP not canonical")
	if k.read(ENTRY_CTLS)&EntryLoadPAT != 0 {
		pat := k.read(GUEST_IA32_PAT)
		for i := range 8 {
			t := pat >> (8 * i) & 0xff
			k.fail(t < 8 && t != 2 && t != 3, "27.3.1.1: IA32_PAT entry %d is %d", i, t)
		}
	}
	if k.read(ENTRY_CTLS)&EntryLoadEFER != 0 {
		efer := k.read(GUEST_IA32_EFER)
		lma, lme := efer>>10&1 != 0, efer>>8&1 != 0
		k.fail(efer&^uint64(0xd01) == 0, "27.3.1.1: EFER %#x reserved bits", efer)
		k.fail(lma == k.ia32e(), "27.3.1.1: EFER.LMA %v, IA-32e mode guest %v", lma, k.ia32e())
		k.fail(cr0&pg == 0 || lma == lme, "27.3.1.1: EFER.LMA %v but LME %v with paging on", lma, lme)
	}
}

// segments is 27.3.1.2.
func (k *checker) segments() {
	for i := range NumSegments {
		f := GuestSegment(i)
		name := SegmentNames[i]
		sel, base := k.read(f.Selector), k.read(f.Base)
		limit, ar := k.read(f.Limit), k.read(f.Access)
		unusable := ar&AccessUnusable != 0
		typ := ar & 15
		switch i {
		case SegTR:
			k.fail(sel>>2&1 == 0, "27.3.1.2: TR selector %#x in the LDT", sel)
			k.fail(canonical(base), "27.3.1.2: TR base %#x not canonical", base)
			k.fail(!unusable, "27.3.1.2: TR unusable")
			k.fail(typ == 11 || typ == 3 && !k.ia32e(), "27.3.1.2: TR type %d", typ)
			k.fail(ar>>4&1 == 0 && ar>>7&1 == 1, "27.3.1.2: TR access %#x: S must be 0, P 1", ar)
			k.limit(name, limit, ar)
			continue
		case SegLDTR:
			if unusable {
				continue
			}
			k.fail(sel>>2&1 == 0, "27.3.1.2: LDTR selector %#x in the LDT", sel)
			k.fail(canonical(base), "27.3.1.2: LDTR base %#x not canonical", base)
			k.fail(typ == 2, "27.3.1.2: LDTR type %d", typ)
			k.fail(ar>>4&1 == 0 && ar>>7&1 == 1, "27.3.1.2: LDTR access %#x: S must be 0, P 1", ar)
			k.limit(name, limit, ar)
			continue
		}
		if k.v86() {
			k.fail(base == sel<<4 && limit == 0xffff && ar == 0xf3,
				"27.3.1.2: virtual-8086 %s %#x base %#x limit %#x access %#x", name, sel, base, limit, ar)
			continue
		}
		switch i {
		case SegFS, SegGS:
			k.fail(canonical(base), "27.3.1.2: %s base %#x not canonical", name, base)
		case SegCS:
			k.fail(base>>32 == 0, "27.3.1.2: CS base %#x above 4 GiB", base)
		default:
			k.fail(unusable || base>>32 == 0, "27.3.1.2: %s base %#x above 4 GiB", name, base)
		}
		if unusable && i != SegCS {
			continue
		}
		dpl := ar >> 5 & 3
		ss := k.read(GUEST_SS_ACCESS_RIGHTS)
		switch i {
		case SegCS:
			k.fail(typ == 3 || typ == 9 || typ == 11 || typ == 13 || typ == 15, "27.3.1.2: CS type %d", typ)
			if typ == 9 || typ == 11 {
				k.fail(dpl == ss>>5&3, "27.3.1.2: CS DPL %d, SS DPL %d", dpl, ss>>5&3)
			}
			if typ == 13 || typ == 15 {
				k.fail(dpl <= ss>>5&3, "27.3.1.2: CS DPL %d above SS DPL %d", dpl, ss>>5&3)
			}
			k.fail(!(k.ia32e() && ar>>13&1 != 0 && ar>>14&1 != 0), "27.3.1.2: CS has L and D")
		case SegSS:
			k.fail(typ == 3 || typ == 7, "27.3.1.2: SS type %d", typ)
			if k.read(GUEST_CR0)&1 == 0 || k.read(GUEST_CS_ACCESS_RIGHTS)&15 == 3 {
				k.fail(dpl == 0, "27.3.1.2: SS DPL %d in real mode", dpl)
			}
		default:
			k.fail(typ&1 != 0, "27.3.1.2: %s type %d not accessed", name, typ)
			k.fail(typ&8 == 0 || typ&2 != 0, "27.3.1.2: %s type %d not readable", name, typ)
		}
		k.fail(ar>>4&1 == 1, "27.3.1.2: %s S is 0", name)
		k.fail(ar>>7&1 == 1, "27.3.1.2: %s not present", name)
		k.limit(name, limit, ar)
	}
}

// limit is the check of reserved bits and granularity that all segments share.
func (k *checker) limit(name string, limit, ar uint64) {
	k.fail(ar&0xfffe0f00 == 0, "27.3.1.2: %s access %#x has reserved bits", name, ar)
	g := ar>>15&1 != 0
	k.fail(limit&0xfff == 0xfff || !g, "27.3.1.2: %s limit %#x with G=1", name, limit)
	k.fail(limit>>20 == 0 || g, "27.3.1.2: %s limit %#x with G=0", name, limit)
}

// tables is 27.3.1.3.
func (k *checker) tables() {
	k.fail(canonical(k.read(GUEST_GDTR_BASE)), "27.3.1.3: GDTR base not canonical")
	k.fail(canonical(k.read(GUEST_IDTR_BASE)), "27.3.1.3: IDTR base not canonical")
	k.fail(k.read(GUEST_GDTR_LIMIT)>>16 == 0, "27.3.1.3: GDTR limit %#x", k.read(GUEST_GDTR_LIMIT))
	k.fail(k.read(GUEST_IDTR_LIMIT)>>16 == 0, "27.3.1.3: IDTR limit %#x", k.read(GUEST_IDTR_LIMIT))
}

// ripAndFlags is 27.3.1.4.
func (k *checker) ripAndFlags() {
	rip, fl := k.read(GUEST_RIP), k.read(GUEST_RFLAGS)
	if !k.ia32e() || k.read(GUEST_CS_ACCESS_RIGHTS)>>13&1 == 0 {
		k.fail(rip>>32 == 0, "27.3.1.4: RIP %#x above 4 GiB outside 64-bit mode", rip)
	} else {
		k.fail(canonical(rip), "27.3.1.4: RIP %#x not canonical", rip)
	}
	k.fail(fl>>22 == 0 && fl&(1<<15|1<<5|1<<3) == 0 && fl&2 != 0, "27.3.1.4: RFLAGS %#x reserved bits", fl)
	if k.ia32e() || k.read(GUEST_CR0)&1 == 0 {
		k.fail(fl>>17&1 == 0, "27.3.1.4: RFLAGS.VM in IA-32e or real mode")
	}
	info := InterruptionInfo(k.read(ENTRY_INTERRUPTION_INFO))
	if info.Valid() && info.Type() == ExternalInterrupt {
		k.fail(fl>>9&1 != 0, "27.3.1.4: injecting an external interrupt with RFLAGS.IF clear")
	}
}

// nonRegister is 27.3.1.5 and the link pointer.
func (k *checker) nonRegister() {
	act, intr := ActivityState(k.read(GUEST_ACTIVITY_STATE)), Interruptibility(k.read(GUEST_INTERRUPTIBILITY))
	fl := k.read(GUEST_RFLAGS)
	info := InterruptionInfo(k.read(ENTRY_INTERRUPTION_INFO))
	k.fail(act <= WaitSIPI, "27.3.1.5: activity state %d", act)
	if act == Halted {
		k.fail(k.read(GUEST_SS_ACCESS_RIGHTS)>>5&3 == 0, "27.3.1.5: halted with SS DPL not 0")
	}
	if act != Active {
		k.fail(intr&(BlockingBySTI|BlockingByMOVSS) == 0, "27.3.1.5: activity state %d with blocking by STI or MOV SS", act)
	}
	k.fail(intr>>5 == 0, "27.3.1.5: interruptibility %#x reserved bits", intr)
	k.fail(intr&3 != 3, "27.3.1.5: blocking by STI and by MOV SS at once")
	k.fail(fl>>9&1 != 0 || intr&BlockingBySTI == 0, "27.3.1.5: blocking by STI with RFLAGS.IF clear")
	if info.Valid() && info.Type() == ExternalInterrupt {
		k.fail(intr&3 == 0, "27.3.1.5: injecting an external interrupt into an interrupt shadow")
	}
	if info.Valid() && info.Type() == NMI {
		k.fail(intr&BlockingByMOVSS == 0, "27.3.1.5: injecting an NMI after MOV SS")
		if k.read(PIN_BASED_CTLS)&PinVirtualNMIs != 0 {
			k.fail(intr&BlockingByNMI == 0, "27.3.1.5: injecting an NMI while NMIs are blocked")
		}
	}
	pend := k.read(GUEST_PENDING_DEBUG_EXCEPTIONS)
	k.fail(pend&^uint64(0x1500f) == 0, "27.3.1.5: pending debug exceptions %#x reserved bits", pend)
	if intr&3 != 0 || act == Halted {
		tf, btf := fl>>8&1 != 0, k.read(GUEST_IA32_DEBUGCTL)>>1&1 != 0
		k.fail(pend>>14&1 != 0 == (tf && !btf), "27.3.1.5: pending debug exceptions BS %d with TF %v BTF %v", pend>>14&1, tf, btf)
	}
	k.fail(k.read(VMCS_LINK_POINTER) == ^uint64(0), "27.3.1.5: VMCS link pointer is set")
}
