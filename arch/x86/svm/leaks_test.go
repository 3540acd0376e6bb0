package svm

import (
	"slices"
	"testing"

	"basalt/arch/x86/reg"
)

func TestRemedies(t *testing.T) {
	const rsb = MitigateRSB
	for _, c := range []struct {
		name   string
		l      Leaks
		always uint64
		leave  bool
		efer   uint64
		set    []Bit
		open   []string
	}{
		{"QEMU's EPYC, which says nothing", Leaks{Family: famZen1, Model: 1, Hypervisor: true}, rsb, false, 0, nil,
			[]string{"spectre_v2", "retbleed", "spec_rstack_overflow"}},
		{"Zen 1", Leaks{Family: famZen1, Model: 1, IBPB: true}, rsb, true, 0, nil, nil},
		{"Zen 2", Leaks{Family: famZen1, Model: 0x31, IBPB: true}, rsb, true, 0, []Bit{{reg.DE_CFG, reg.DE_CFG_FP_BACKUP_FIX}}, nil},
		{"Zen 2, below a hypervisor", Leaks{Family: famZen1, Model: 0x31, IBPB: true, Hypervisor: true}, rsb, true, 0, nil, nil},
		{"Zen 3", Leaks{Family: famZen3, Model: 1, IBPB: true, BTCNo: true, BranchTypeIBPB: true, TSANo: true}, rsb, true, 0, nil, nil},
		{"Zen 3, old microcode", Leaks{Family: famZen3, Model: 1, IBPB: true, BTCNo: true}, rsb, true, 0, nil, []string{"spec_rstack_overflow", "tsa"}},
		{"Zen 4", Leaks{Family: famZen3, Model: 0x11, IBPB: true, AutomaticIBRS: true, BTCNo: true, BranchTypeIBPB: true, VERWClear: true},
			MitigateVERW, true, reg.EFER_AIBRSE, nil, nil},
		{"Zen 5", Leaks{Family: famZen5, IBPB: true, AutomaticIBRS: true, BTCNo: true, SRSOKernelNo: true, SpecReduce: true},
			0, false, reg.EFER_AIBRSE, []Bit{{reg.BP_CFG, reg.BP_CFG_BP_SPEC_REDUCE}}, nil},
		{"Zen 5, old microcode", Leaks{Family: famZen5, IBPB: true, AutomaticIBRS: true, BTCNo: true, SRSOKernelNo: true},
			0, false, reg.EFER_AIBRSE, nil, []string{"spec_rstack_overflow"}},
		{"subject to nothing", Leaks{Family: famZen5, IBPB: true, AutomaticIBRS: true, BTCNo: true, SRSONo: true}, 0, false, reg.EFER_AIBRSE, nil, nil},
	} {
		r := c.l.Remedies()
		if r.Always != c.always || r.Leave != c.leave || r.EFER != c.efer || !slices.Equal(r.Set, c.set) {
			t.Errorf("%s: %+v", c.name, r)
		}
		if r.Switch != 0 != c.l.IBPB {
			t.Errorf("%s: barrier between guests %#x", c.name, r.Switch)
		}
		var open []string
		for _, f := range r.Report {
			if f.Open {
				open = append(open, f.Name)
			}
		}
		if !slices.Equal(open, c.open) {
			t.Errorf("%s: open %v, want %v", c.name, open, c.open)
		}
	}
}

func TestDetectLeaks(t *testing.T) {
	c := qemuEPYC()
	c.leaves[1] = [4]uint32{0x00830f10, 0, reg.CPUID1_ECX_HV}
	if l, want := DetectLeaks(c), (Leaks{Family: 0x17, Model: 0x31, Hypervisor: true, IBPB: true}); l != want {
		t.Errorf("%+v", l)
	}
	c.leaves[1] = [4]uint32{0x00a10f11}
	c.leaves[0x80000000] = [4]uint32{0x80000021}
	c.leaves[0x80000008] = [4]uint32{0x3030, 1<<12 | 1<<29}
	c.leaves[0x80000021] = [4]uint32{1<<5 | 1<<8 | 1<<28, 0, 6}
	want := Leaks{Family: 0x19, Model: 0x11, IBPB: true, BTCNo: true, AutomaticIBRS: true, BranchTypeIBPB: true, TSANo: true, VERWClear: true}
	if l := DetectLeaks(c); l != want {
		t.Errorf("%+v", l)
	}
}
