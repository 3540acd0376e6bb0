package vmxcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// leaky is a processor that needs the cache flush and VERW.
func leaky(c *Config) {
	c.Leaks = vmx.Leaks{HasArch: true, Arch: reg.ARCH_CAP_IBRS_ALL | reg.ARCH_CAP_BHI_NO, IBRS: true, MDClear: true, L1DFlush: true}
}

// TestCacheIsFlushedAfterHostCodeOnly: the run loop itself touches nothing that
// another guest may not know.
func TestCacheIsFlushedAfterHostCodeOnly(t *testing.T) {
	m := newMachine(t, leaky)
	n := 0
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if n++; n <= 2 {
			m.e.frame.RIP += 2
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(vmx.Exit_CPUID), exit(vmx.Exit_CPUID), exit(vmx.Exit_EXTERNAL_INTERRUPT), exit(vmx.Exit_HLT))
	for i, want := range []bool{true, false, false, true} {
		got := m.entry[i].mitigate
		if got&vmx.MitigateFlushL1D != 0 != want {
			t.Errorf("entry %d: flush %v", i, !want)
		}
		if got&vmx.MitigateVERW == 0 {
			t.Errorf("entry %d: no VERW", i)
		}
		if first := i == 0; got&vmx.MitigateIBPB != 0 != first {
			t.Errorf("entry %d: barrier between guests %v", i, !first)
		}
	}
	m.run(exit(vmx.Exit_HLT))
	if m.entry[0].mitigate&vmx.MitigateFlushL1D == 0 {
		t.Error("no flush after ordinary Go")
	}
	if m.msrs[uint32(reg.SPEC_CTRL)] != reg.SPEC_CTRL_IBRS {
		t.Errorf("SPEC_CTRL %#x", m.msrs[uint32(reg.SPEC_CTRL)])
	}
}

func TestMitigationsOff(t *testing.T) {
	m := newMachine(t, func(c *Config) { leaky(c); c.Mitigations = MitigateOff })
	m.run(exit(vmx.Exit_HLT))
	if m.entry[0].mitigate != 0 {
		t.Errorf("%#x", m.entry[0].mitigate)
	}
	if _, ok := m.msrs[uint32(reg.SPEC_CTRL)]; ok {
		t.Error("SPEC_CTRL was written")
	}
	if f := m.f.Findings(); len(f) != 1 || !f[0].Open {
		t.Errorf("%+v", f)
	}
}

// TestNothingForAProcessorThatSaysNothing: neither registers that it may not have nor
// bits that lengthen its entries.
func TestNothingForAProcessorThatSaysNothing(t *testing.T) {
	m := newMachine(t, func(c *Config) { c.Leaks = vmx.Leaks{} })
	m.run(exit(vmx.Exit_HLT))
	if m.entry[0].mitigate != vmx.MitigateRSB {
		t.Errorf("%#x", m.entry[0].mitigate)
	}
	if _, ok := m.msrs[uint32(reg.SPEC_CTRL)]; ok {
		t.Error("SPEC_CTRL was written")
	}
	if m.f.Caps().HasArchCap {
		t.Error("guests are shown a register that the processor does not have")
	}
}

func TestFindingsAndWhatGuestsAreTold(t *testing.T) {
	m := newMachine(t, leaky)
	open := map[string]bool{}
	for _, f := range m.f.Findings() {
		if f.Text == "" {
			t.Errorf("%s says nothing", f.Name)
		}
		open[f.Name] = f.Open
	}
	if is, ok := open["mds"]; !ok || is || !open["itlb_multihit"] {
		t.Errorf("%v", open)
	}
	if c := m.f.Caps(); !c.HasArchCap || c.ArchCap != reg.ARCH_CAP_BHI_NO {
		t.Errorf("%+v", c)
	}
}
