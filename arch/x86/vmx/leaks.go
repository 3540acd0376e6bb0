package vmx

import "basalt/arch/x86/reg"

// Leaks is what a processor says about the ways in which a guest can learn what it
// should not, and about the remedies that its microcode has.
type Leaks struct {
	HasArch bool   // there is an IA32_ARCH_CAPABILITIES
	Arch    uint64 // its value, reg.ARCH_CAP_*
	IBRS    bool   // SPEC_CTRL.IBRS and PRED_CMD.IBPB
	MDClear bool   // VERW clears the buffers
	L1DFlush,
	BHICtrl, // SPEC_CTRL.BHI_DIS_S
	RTM, // transactional memory, which a guest can use whether CPUID shows it or not
	SMT bool // cores have more than one thread
}

// DetectLeaks reads them (SDM Vol. 2A, CPUID leaves 7 and 0Bh; Vol. 4, Table 2-2).
func DetectLeaks(m Machine) Leaks {
	var l Leaks
	top, _, _, _ := m.CPUID(reg.LeafVendor, 0)
	if top < reg.LeafExtended {
		return l
	}
	subs, b, _, d := m.CPUID(reg.LeafExtended, 0)
	l.RTM = b>>11&1 != 0
	l.MDClear = d>>10&1 != 0
	l.IBRS = d>>26&1 != 0
	l.L1DFlush = d>>28&1 != 0
	if d>>29&1 != 0 {
		l.HasArch, l.Arch = true, m.RDMSR(uint32(reg.ARCH_CAP))
	}
	if subs >= 2 {
		_, _, _, d = m.CPUID(reg.LeafExtended, 2)
		l.BHICtrl = d>>4&1 != 0
	}
	if top >= 0xb {
		_, b, _, _ = m.CPUID(0xb, 0)
		l.SMT = b&0xffff > 1
	}
	return l
}

// guestArch are the bits of IA32_ARCH_CAPABILITIES that hold in a guest too: what
// the processor is not subject to, and what VERW does there. Left out are those
// that promise registers which guests do not have (IBRS_ALL, TSX_CTRL and the like),
// and SKIP_L1DFL_VMENTRY, which is for a guest's own guests.
const guestArch = reg.ARCH_CAP_RDCL_NO | reg.ARCH_CAP_RSBA | reg.ARCH_CAP_SSB_NO | reg.ARCH_CAP_MDS_NO |
	reg.ARCH_CAP_PSCHANGE_MC_NO | reg.ARCH_CAP_TAA_NO | reg.ARCH_CAP_SBDR_SSDP_NO | reg.ARCH_CAP_FBSDP_NO |
	reg.ARCH_CAP_PSDP_NO | reg.ARCH_CAP_FB_CLEAR | reg.ARCH_CAP_RRSBA | reg.ARCH_CAP_BHI_NO |
	reg.ARCH_CAP_PBRSB_NO | reg.ARCH_CAP_GDS_NO | reg.ARCH_CAP_RFDS_NO | reg.ARCH_CAP_RFDS_CLEAR

// GuestArch is IA32_ARCH_CAPABILITIES as a guest sees it.
func (l *Leaks) GuestArch() uint64 { return l.Arch & guestArch }

// Remedies are what an engine does on one processor.
type Remedies struct {
	Always   uint64 // Frame.Mitigate at every entry
	Fresh    uint64 // besides, at the first entry after other code than the run loop's
	Switch   uint64 // besides, when the processor changes from one guest to another
	SpecCtrl uint64 // for IA32_SPEC_CTRL while the host runs; 0: it is not written
	Report   []Finding
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

func (f *finder) no(bits uint64) bool { return f.l.Arch&bits == bits }

func (f *finder) add(name, text string) {
	f.r.Report = append(f.r.Report, Finding{Name: name, Text: text})
}
func (f *finder) open(name, text string) { f.r.Report = append(f.r.Report, Finding{name, true, text}) }

const (
	notAffected = "not affected"
	noMicrocode = "the microcode has no remedy"
	viaVERW     = "VERW before each entry"
)

// Remedies decides. Nothing here costs a processor that needs nothing, and nothing is
// done that the processor does not say it can: an emulator that says nothing gets
// the return stack only.
func (l *Leaks) Remedies() Remedies {
	f := finder{l: l}
	f.r.Always = MitigateRSB
	f.cache()
	f.buffers()
	f.branches()
	if f.no(reg.ARCH_CAP_PSCHANGE_MC_NO) {
		f.add("itlb_multihit", notAffected)
	} else {
		f.open("itlb_multihit", "a guest can stop the host with a machine check: its memory is executable in pages of 2 MiB")
	}
	if l.SMT {
		f.open("smt", "guests on two threads of one core can learn from each other: turn hyper-threading off in the firmware if they do not trust each other")
	} else {
		f.add("smt", "off")
	}
	return f.r
}

// cache is L1TF (CVE-2018-3646): what is in the level 1 data cache can be read
// through a page-table entry that is not present.
func (f *finder) cache() {
	switch {
	case f.no(reg.ARCH_CAP_RDCL_NO):
		f.add("l1tf", notAffected)
	case f.no(reg.ARCH_CAP_SKIP_L1DFL):
		f.add("l1tf", "the hypervisor below flushes the cache")
	case f.l.L1DFlush:
		f.r.Fresh |= MitigateFlushL1D
		f.add("l1tf", "cache flush at an entry after host code")
	default:
		f.open("l1tf", noMicrocode)
	}
}

// buffers are the leaks that VERW closes.
func (f *finder) buffers() {
	verw := func(name string) {
		if !f.l.MDClear {
			f.open(name, noMicrocode)
			return
		}
		f.r.Always |= MitigateVERW
		f.add(name, viaVERW)
	}
	if f.no(reg.ARCH_CAP_MDS_NO) {
		f.add("mds", notAffected)
	} else {
		verw("mds")
	}
	if !f.l.RTM || f.no(reg.ARCH_CAP_TAA_NO) {
		f.add("tsx_async_abort", notAffected)
	} else {
		verw("tsx_async_abort")
	}
	if f.no(reg.ARCH_CAP_SBDR_SSDP_NO | reg.ARCH_CAP_FBSDP_NO | reg.ARCH_CAP_PSDP_NO) {
		f.add("mmio_stale_data", notAffected)
	} else {
		f.add("mmio_stale_data", "out of reach: guests have no device's registers")
	}
	switch {
	case f.no(reg.ARCH_CAP_RFDS_NO):
		f.add("reg_file_data_sampling", notAffected)
	case f.no(reg.ARCH_CAP_RFDS_CLEAR):
		f.r.Always |= MitigateVERW
		f.add("reg_file_data_sampling", viaVERW)
	default:
		f.add("reg_file_data_sampling", "not affected unless it is an Atom core with old microcode")
	}
}

// branches are the leaks through branch prediction: what the guest trained must not
// steer the host, nor what one guest trained another.
func (f *finder) branches() {
	if f.l.IBRS {
		f.r.Switch |= MitigateIBPB
	}
	switch {
	case f.l.IBRS && f.no(reg.ARCH_CAP_IBRS_ALL):
		f.r.SpecCtrl |= reg.SPEC_CTRL_IBRS
		f.add("spectre_v2", "enhanced IBRS, barrier between guests")
		f.add("retbleed", "enhanced IBRS")
	case f.l.IBRS:
		f.r.SpecCtrl |= reg.SPEC_CTRL_IBRS
		f.r.Always |= MitigateIBRS
		f.add("spectre_v2", "IBRS while the host runs, barrier between guests")
		f.add("retbleed", "IBRS while the host runs")
	default:
		f.open("spectre_v2", noMicrocode)
		f.open("retbleed", noMicrocode)
	}
	switch {
	case f.no(reg.ARCH_CAP_BHI_NO):
		f.add("bhi", notAffected)
	case f.r.Always&MitigateIBRS != 0:
		f.add("bhi", "IBRS while the host runs")
	case f.l.BHICtrl && f.l.IBRS:
		f.r.SpecCtrl |= reg.SPEC_CTRL_BHI
		f.add("bhi", "BHI_DIS_S")
	case f.r.SpecCtrl&reg.SPEC_CTRL_IBRS != 0:
		f.r.Always |= MitigateBHB
		f.add("bhi", "branch history replaced at each exit")
	default:
		f.open("bhi", noMicrocode)
	}
}
