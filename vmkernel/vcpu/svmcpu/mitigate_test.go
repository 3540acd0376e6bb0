package svmcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// TestBarrierWhenTheLoopGivesWay: what a guest trained must not steer ordinary host
// code; exits that stay in the loop do not pay for it.
func TestBarrierWhenTheLoopGivesWay(t *testing.T) {
	m := newMachine(t, func(c *Config) { c.Leaks = svm.Leaks{Family: 0x19, IBPB: true, BranchTypeIBPB: true} })
	barriers := 0
	plain := m.f.ops.wrmsr
	m.f.ops.wrmsr = func(i uint32, v uint64) {
		if i == uint32(reg.PRED_CMD) && v == reg.PRED_CMD_IBPB {
			barriers++
		}
		plain(i, v)
	}
	before := -1
	m.f.ops.takeInterrupts = func() { before = barriers }
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindCPUID {
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(svm.VMEXIT_CPUID), exit(svm.VMEXIT_CPUID), exit(svm.VMEXIT_INTR), exit(svm.VMEXIT_HLT))
	if before != 1 || barriers != 2 {
		t.Errorf("%d barriers before the host's interrupt, %d in all; want 1 and 2", before, barriers)
	}
}

// TestAutomaticIBRSIsTurnedOn: the processor's bit alone protects nothing.
func TestAutomaticIBRSIsTurnedOn(t *testing.T) {
	m := newMachine(t, func(c *Config) {
		c.Leaks = svm.Leaks{Family: 0x1a, IBPB: true, AutomaticIBRS: true, SRSOKernelNo: true, SpecReduce: true}
	})
	m.msrs[uint32(reg.BP_CFG)] = 1
	m.run(exit(svm.VMEXIT_HLT))
	if m.msrs[uint32(reg.EFER)]&reg.EFER_AIBRSE == 0 || m.msrs[uint32(reg.BP_CFG)] != 1|reg.BP_CFG_BP_SPEC_REDUCE {
		t.Errorf("EFER %#x, BP_CFG %#x", m.msrs[uint32(reg.EFER)], m.msrs[uint32(reg.BP_CFG)])
	}
	if m.entry[0].mitigate != svm.MitigateIBPB {
		t.Errorf("mitigate %#x", m.entry[0].mitigate)
	}
	if v := m.f.vmcb(m.e.vmcbPA).Save.EFER; v&reg.EFER_AIBRSE != 0 {
		t.Errorf("the guest's EFER %#x", v)
	}
}

func TestMitigationsOff(t *testing.T) {
	m := newMachine(t, func(c *Config) {
		c.Leaks = svm.Leaks{Family: 0x17, Model: 0x31, IBPB: true, AutomaticIBRS: true}
		c.Mitigations = MitigateOff
	})
	m.run(exit(svm.VMEXIT_HLT))
	if m.entry[0].mitigate != 0 || m.msrs[uint32(reg.EFER)]&reg.EFER_AIBRSE != 0 || m.msrs[uint32(reg.DE_CFG)] != 0 {
		t.Errorf("%+v %v", m.entry[0], m.msrs)
	}
	if f := m.f.Findings(); len(f) != 1 || !f[0].Open {
		t.Errorf("%+v", f)
	}
}
