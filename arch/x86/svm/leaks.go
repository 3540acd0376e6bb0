package svm

import "basalt/arch/x86/reg"

// Leaks is what a processor says about the ways in which a guest can learn what it
// should not, and about the remedies that its microcode has.
type Leaks struct {
	Family, Model uint32
	Hypervisor    bool // we are a guest ourselves
	IBPB, AutomaticIBRS,
	BTCNo, // not subject to branch type confusion (retbleed)
	SRSONo, SRSOKernelNo, // not subject to return stack overflow at all, or not from outside
	BranchTypeIBPB, // IBPB forgets the types of branches too
	SpecReduce, // BP_CFG has BP_SPEC_REDUCE
	TSANo, // not subject to transient scheduler attacks
	VERWClear bool // VERW clears what they read
}

// DetectLeaks reads them (APM Vol. 3, Appendix E.4; AMD's "Technical Guidance for
// Mitigating Branch Type Confusion", "Speculative Return Stack Overflow" and
// "Transient Scheduler Attacks" for the bits in leaf 80000021h).
func DetectLeaks(p CPU) Leaks {
	var l Leaks
	a, _, c, _ := p.CPUID(reg.LeafFeatures, 0)
	l.Family, l.Model = a>>8&15, a>>4&15
	if l.Family == 15 {
		l.Family += a >> 20 & 0xff
		l.Model |= a >> 12 & 0xf0
	}
	l.Hypervisor = c&reg.CPUID1_ECX_HV != 0
	top, _, _, _ := p.CPUID(reg.LeafExtMax, 0)
	if top >= reg.LeafAddrSizes {
		_, b, _, _ := p.CPUID(reg.LeafAddrSizes, 0)
		l.IBPB = b&reg.CPUIDExt8_EBX_IBPB != 0
		l.BTCNo = b>>29&1 != 0
	}
	if top >= reg.LeafExt2 {
		a, _, c, _ := p.CPUID(reg.LeafExt2, 0)
		l.VERWClear = a>>5&1 != 0
		l.AutomaticIBRS = a&reg.CPUIDExt21_EAX_AutomaticIBRS != 0
		l.BranchTypeIBPB = a>>28&1 != 0
		l.SRSONo = a>>29&1 != 0
		l.SRSOKernelNo = a>>30&1 != 0
		l.SpecReduce = a>>31&1 != 0
		l.TSANo = c>>1&3 == 3
	}
	return l
}

// Remedies are what an engine does on one processor.
type Remedies struct {
	Always uint64 // Frame.Mitigate at every entry
	Switch uint64 // besides, when the processor changes from one guest to another
	Leave  bool   // a barrier when the run loop gives way to other code of the host
	EFER   uint64 // bits of the host's EFER
	Set    []Bit  // bits of other registers, set for good
	Report []Finding
}

// Bit is a bit of a model-specific register.
type Bit struct {
	MSR  reg.MSR
	Mask uint64
}

// Finding is one known leak and what becomes of it on this processor.
type Finding struct {
	Name string
	Open bool // it is not closed
	Text string
}

// finder collects a plan.
type finder struct {
	l *Leaks
	r Remedies
}

func (f *finder) add(name, text string) {
	f.r.Report = append(f.r.Report, Finding{Name: name, Text: text})
}
func (f *finder) open(name, text string) { f.r.Report = append(f.r.Report, Finding{name, true, text}) }

const (
	notAffected = "not affected"
	noMicrocode = "the microcode has no remedy"
	atLeave     = "barrier before host code outside the run loop"
)

// The families of AMD's processors: Zen 1 and 2 (Hygon's 18h is Zen 1), Zen 3 and 4,
// Zen 5.
const (
	famZen1 = 0x17
	famHygn = 0x18
	famZen3 = 0x19
	famZen5 = 0x1a
)

// Remedies decides. Nothing here costs a processor that needs nothing, and nothing is
// done that the processor does not say it can: an emulator that says nothing gets
// the return stack only.
func (l *Leaks) Remedies() Remedies {
	f := finder{l: l}
	if l.IBPB {
		f.r.Switch = MitigateIBPB
	}
	switch {
	case l.AutomaticIBRS:
		f.r.EFER = reg.EFER_AIBRSE
		f.add("spectre_v2", "automatic IBRS, barrier between guests")
	case l.IBPB:
		f.r.Always |= MitigateRSB
		f.r.Leave = true
		f.add("spectre_v2", atLeave+" and between guests")
	default:
		f.r.Always |= MitigateRSB
		f.open("spectre_v2", noMicrocode)
	}
	f.returns()
	f.rest()
	return f.r
}

// leave asks for the barrier, if the processor has one that does.
func (f *finder) leave(name string, does bool) {
	if !does {
		f.open(name, noMicrocode)
		return
	}
	f.r.Leave = true
	f.add(name, atLeave)
}

// returns are the leaks in which a guest steers the host's RETs. The run loop itself
// is left open: a barrier at each exit would cost more than the exit, the loop works
// on the guest's own state, and no value of the guest stays in a register.
func (f *finder) returns() {
	l := f.l
	zen12 := l.Family == famZen1 || l.Family == famHygn
	if zen12 && !l.BTCNo {
		f.leave("retbleed", l.IBPB)
	} else {
		f.add("retbleed", notAffected)
	}
	switch {
	case l.SRSONo || !zen12 && l.Family != famZen3 && l.Family != famZen5:
		f.add("spec_rstack_overflow", notAffected)
	case l.Family == famZen5 && l.SpecReduce:
		f.r.Set = append(f.r.Set, Bit{reg.BP_CFG, reg.BP_CFG_BP_SPEC_REDUCE})
		f.add("spec_rstack_overflow", "BP_SPEC_REDUCE")
	case l.Family == famZen5 && l.SRSOKernelNo:
		f.open("spec_rstack_overflow", noMicrocode)
	default:
		f.leave("spec_rstack_overflow", l.IBPB && (zen12 || l.BranchTypeIBPB))
	}
}

func (f *finder) rest() {
	l := f.l
	if zenbleed(l.Family, l.Model) && !l.Hypervisor {
		f.r.Set = append(f.r.Set, Bit{reg.DE_CFG, reg.DE_CFG_FP_BACKUP_FIX})
		f.add("zenbleed", "DE_CFG bit 9")
	} else {
		f.add("zenbleed", notAffected)
	}
	switch {
	case l.TSANo || l.Family != famZen3:
		f.add("tsa", notAffected)
	case l.VERWClear:
		f.r.Always |= MitigateVERW
		f.add("tsa", "VERW before each entry")
	default:
		f.open("tsa", noMicrocode)
	}
}

// zenbleed are the models of Zen 2 (CVE-2023-20593).
func zenbleed(family, model uint32) bool {
	return family == famZen1 && (model >= 0x30 && model < 0x50 || model >= 0x60 && model < 0x80 ||
		model >= 0x90 && model < 0x92 || model >= 0xa0 && model < 0xb0)
}
