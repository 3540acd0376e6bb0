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

// TestSGXIsOutOfReach: where the processor has the controls every ENCLS and ENCLV
// exits; what else needs a control of its own stays #UD.
func TestSGXIsOutOfReach(t *testing.T) {
	m := newMachine(t, func(c *Config) {
		c.Caps.Proc2.May = ^uint32(0)
		c.Caps.Controls, _ = c.Caps.Choose()
	})
	m.run(exit(vmx.Exit_HLT))
	const want, never = vmx.Proc2EnableENCLSExiting | vmx.Proc2EnableENCLVExiting,
		vmx.Proc2EnableXSAVES | vmx.Proc2EnablePCONFIG | vmx.Proc2EnableUserWaitPause | vmx.Proc2EnableVMFunctions |
			vmx.Proc2ProcessorTraceUsesGPA | vmx.Proc2EPTViolationVE
	if c := m.get(vmx.PROC_BASED_CTLS2); c&want != want || c&never != 0 {
		t.Errorf("secondary controls %#x", c)
	}
	if m.get(vmx.ENCLS_EXITING_BITMAP) != ^uint64(0) || m.get(vmx.ENCLV_EXITING_BITMAP) != ^uint64(0) {
		t.Error("a leaf of ENCLS or ENCLV runs without an exit")
	}
	for _, r := range []vmx.ExitReason{vmx.Exit_ENCLS, vmx.Exit_ENCLV, vmx.Exit_PCONFIG, vmx.Exit_UMWAIT, vmx.Exit_TPAUSE, vmx.Exit_LOADIWKEY, vmx.Exit_SEAMCALL, vmx.Exit_TDCALL} {
		if kinds[r] != vcpu.KindVirtInst {
			t.Errorf("%v is %v, want #UD", r, kinds[r])
		}
	}
	m = newMachine(t, nil)
	m.run(exit(vmx.Exit_HLT))
	if m.get(vmx.ENCLS_EXITING_BITMAP) != 0 || m.get(vmx.ENCLV_EXITING_BITMAP) != 0 {
		t.Error("a field was written that the processor may not have")
	}
}
