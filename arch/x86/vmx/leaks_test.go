package vmx

import (
	"slices"
	"testing"

	"basalt/arch/x86/reg"
)

const allNo = reg.ARCH_CAP_RDCL_NO | reg.ARCH_CAP_IBRS_ALL | reg.ARCH_CAP_MDS_NO | reg.ARCH_CAP_TAA_NO |
	reg.ARCH_CAP_SBDR_SSDP_NO | reg.ARCH_CAP_FBSDP_NO | reg.ARCH_CAP_PSDP_NO | reg.ARCH_CAP_BHI_NO |
	reg.ARCH_CAP_RFDS_NO | reg.ARCH_CAP_PSCHANGE_MC_NO

// open are the names of what is not closed.
func open(r Remedies) (names []string) {
	for _, f := range r.Report {
		if f.Open {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestRemedies(t *testing.T) {
	const rsb = MitigateRSB
	good := Leaks{HasArch: true, Arch: allNo, IBRS: true, MDClear: true, L1DFlush: true, BHICtrl: true, RTM: true}
	with := func(clear, set uint64, edit ...func(*Leaks)) Leaks {
		l := good
		l.Arch = l.Arch&^clear | set
		for _, f := range edit {
			f(&l)
		}
		return l
	}
	for _, c := range []struct {
		name          string
		l             Leaks
		always, fresh uint64
		spec          uint64
		open          []string
	}{
		{"subject to nothing", good, rsb, 0, reg.SPEC_CTRL_IBRS, nil},
		{"L1TF", with(reg.ARCH_CAP_RDCL_NO, 0), rsb, MitigateFlushL1D, reg.SPEC_CTRL_IBRS, nil},
		{"L1TF, the hypervisor below flushes", with(reg.ARCH_CAP_RDCL_NO, reg.ARCH_CAP_SKIP_L1DFL), rsb, 0, reg.SPEC_CTRL_IBRS, nil},
		{"L1TF, old microcode", with(reg.ARCH_CAP_RDCL_NO, 0, func(l *Leaks) { l.L1DFlush = false }), rsb, 0, reg.SPEC_CTRL_IBRS, []string{"l1tf"}},
		{"MDS", with(reg.ARCH_CAP_MDS_NO, 0), rsb | MitigateVERW, 0, reg.SPEC_CTRL_IBRS, nil},
		{"MDS, old microcode", with(reg.ARCH_CAP_MDS_NO, 0, func(l *Leaks) { l.MDClear = false }), rsb, 0, reg.SPEC_CTRL_IBRS, []string{"mds"}},
		{"TAA", with(reg.ARCH_CAP_TAA_NO, 0), rsb | MitigateVERW, 0, reg.SPEC_CTRL_IBRS, nil},
		{"TAA, no transactions", with(reg.ARCH_CAP_TAA_NO, 0, func(l *Leaks) { l.RTM = false }), rsb, 0, reg.SPEC_CTRL_IBRS, nil},
		{"TAA, old microcode", with(reg.ARCH_CAP_TAA_NO, 0, func(l *Leaks) { l.MDClear = false }), rsb, 0, reg.SPEC_CTRL_IBRS, []string{"tsx_async_abort"}},
		{"MMIO stale data", with(reg.ARCH_CAP_SBDR_SSDP_NO|reg.ARCH_CAP_FBSDP_NO|reg.ARCH_CAP_PSDP_NO, reg.ARCH_CAP_FB_CLEAR), rsb, 0, reg.SPEC_CTRL_IBRS, nil},
		{"RFDS", with(reg.ARCH_CAP_RFDS_NO, reg.ARCH_CAP_RFDS_CLEAR), rsb | MitigateVERW, 0, reg.SPEC_CTRL_IBRS, nil},
		{"RFDS_NO and RFDS_CLEAR", with(0, reg.ARCH_CAP_RFDS_CLEAR), rsb, 0, reg.SPEC_CTRL_IBRS, nil},
		{"BHI", with(reg.ARCH_CAP_BHI_NO, 0), rsb, 0, reg.SPEC_CTRL_IBRS | reg.SPEC_CTRL_BHI, nil},
		{"BHI without BHI_DIS_S", with(reg.ARCH_CAP_BHI_NO, 0, func(l *Leaks) { l.BHICtrl = false }), rsb | MitigateBHB, 0, reg.SPEC_CTRL_IBRS, nil},
		{"no enhanced IBRS", with(reg.ARCH_CAP_IBRS_ALL|reg.ARCH_CAP_BHI_NO, 0), rsb | MitigateIBRS, 0, reg.SPEC_CTRL_IBRS, nil},
		{"ITLB multihit", with(reg.ARCH_CAP_PSCHANGE_MC_NO, 0), rsb, 0, reg.SPEC_CTRL_IBRS, []string{"itlb_multihit"}},
		{"hyper-threading", with(0, 0, func(l *Leaks) { l.SMT = true }), rsb, 0, reg.SPEC_CTRL_IBRS, []string{"smt"}},
		{"Skylake with microcode of 2018", Leaks{IBRS: true, L1DFlush: true, MDClear: true, RTM: true},
			rsb | MitigateIBRS | MitigateVERW, MitigateFlushL1D, reg.SPEC_CTRL_IBRS, []string{"itlb_multihit"}},
		{"an emulator that says nothing", Leaks{}, rsb, 0, 0,
			[]string{"l1tf", "mds", "spectre_v2", "retbleed", "bhi", "itlb_multihit"}},
	} {
		r := c.l.Remedies()
		if r.Always != c.always || r.Fresh != c.fresh || r.SpecCtrl != c.spec {
			t.Errorf("%s: always %#x, fresh %#x, SPEC_CTRL %#x; want %#x %#x %#x", c.name, r.Always, r.Fresh, r.SpecCtrl, c.always, c.fresh, c.spec)
		}
		if got := open(r); !slices.Equal(got, c.open) {
			t.Errorf("%s: open %v, want %v", c.name, got, c.open)
		}
		if r.Switch != 0 != c.l.IBRS {
			t.Errorf("%s: barrier between guests %#x", c.name, r.Switch)
		}
	}
}

// TestRemediesOfEveryCombination: no combination uses what the processor does not say
// it has, and none leaves a leak open that it has a remedy for.
func TestRemediesOfEveryCombination(t *testing.T) {
	bits := []uint64{reg.ARCH_CAP_RDCL_NO, reg.ARCH_CAP_IBRS_ALL, reg.ARCH_CAP_SKIP_L1DFL, reg.ARCH_CAP_MDS_NO, reg.ARCH_CAP_TAA_NO,
		reg.ARCH_CAP_BHI_NO, reg.ARCH_CAP_RFDS_NO, reg.ARCH_CAP_RFDS_CLEAR}
	for n := range 1 << (len(bits) + 5) {
		var l Leaks
		for i, b := range bits {
			if n>>i&1 != 0 {
				l.Arch |= b
			}
		}
		f := n >> len(bits)
		l.IBRS, l.MDClear, l.L1DFlush, l.BHICtrl, l.RTM = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0, f&16 != 0
		r := l.Remedies()
		no := func(b uint64) bool { return l.Arch&b != 0 }
		flush := l.L1DFlush && !no(reg.ARCH_CAP_RDCL_NO|reg.ARCH_CAP_SKIP_L1DFL)
		verw := l.MDClear && (!no(reg.ARCH_CAP_MDS_NO) || l.RTM && !no(reg.ARCH_CAP_TAA_NO)) ||
			no(reg.ARCH_CAP_RFDS_CLEAR) && !no(reg.ARCH_CAP_RFDS_NO)
		if r.Fresh&MitigateFlushL1D != 0 != flush || r.Always&MitigateVERW != 0 != verw {
			t.Fatalf("%+v: %+v", l, r)
		}
		if !l.IBRS && (r.SpecCtrl != 0 || r.Switch != 0 || r.Always&(MitigateIBRS|MitigateBHB) != 0) {
			t.Fatalf("%+v: %+v", l, r)
		}
		if r.SpecCtrl&reg.SPEC_CTRL_BHI != 0 && !l.BHICtrl || r.Always&MitigateIBRS != 0 && r.SpecCtrl&^reg.SPEC_CTRL_IBRS != 0 {
			t.Fatalf("%+v: %+v", l, r)
		}
		if r.Always&MitigateOnce != 0 || r.Always&MitigateRSB == 0 {
			t.Fatalf("%+v: %+v", l, r)
		}
	}
}

// table is a Machine for DetectLeaks.
type table struct {
	leaf map[[2]uint32][4]uint32
	arch uint64
	t    *testing.T
}

func (m table) CPUID(l, s uint32) (a, b, c, d uint32) {
	r := m.leaf[[2]uint32{l, s}]
	return r[0], r[1], r[2], r[3]
}

func (m table) RDMSR(i uint32) uint64 {
	if _, _, _, d := m.CPUID(7, 0); i != uint32(reg.ARCH_CAP) || d>>29&1 == 0 {
		m.t.Errorf("RDMSR %#x", i)
	}
	return m.arch
}

func TestDetectLeaks(t *testing.T) {
	if l := DetectLeaks(table{t: t}); l != (Leaks{}) {
		t.Errorf("nothing: %+v", l)
	}
	m := table{t: t, arch: 0x2b, leaf: map[[2]uint32][4]uint32{
		{0, 0}: {0xd}, {7, 0}: {2, 1 << 11, 0, 1<<10 | 1<<26 | 1<<28 | 1<<29}, {7, 2}: {3: 1 << 4}, {0xb, 0}: {1: 2}}}
	want := Leaks{HasArch: true, Arch: 0x2b, IBRS: true, MDClear: true, L1DFlush: true, BHICtrl: true, RTM: true, SMT: true}
	if l := DetectLeaks(m); l != want {
		t.Errorf("%+v", l)
	}
	m.leaf[[2]uint32{7, 0}] = [4]uint32{0, 0, 0, 1 << 10} // no sub-leaf 2, no register
	m.leaf[[2]uint32{0xb, 0}] = [4]uint32{1: 1}
	if l := DetectLeaks(m); l != (Leaks{MDClear: true}) {
		t.Errorf("%+v", l)
	}
}

// TestGuestArch: a guest is told of no register that it does not have.
func TestGuestArch(t *testing.T) {
	l := Leaks{HasArch: true, Arch: ^uint64(0)}
	if v := l.GuestArch(); v&(reg.ARCH_CAP_IBRS_ALL|reg.ARCH_CAP_TSX_CTRL|reg.ARCH_CAP_SKIP_L1DFL) != 0 || v&reg.ARCH_CAP_RDCL_NO == 0 || v>>29 != 0 {
		t.Errorf("%#x", v)
	}
}

// TestEveryBitIsLookedAt: Enter tests for the bits of an entry at once, and for those of
// an exit; one that neither mask has would do nothing.
func TestEveryBitIsLookedAt(t *testing.T) {
	const entry, exit = mitigateEntry, mitigateExit | MitigateRSB
	if MitigateOnce&^entry != 0 || entry|exit != 1<<6-1 {
		t.Errorf("entry %#x, exit %#x", entry, exit)
	}
}
