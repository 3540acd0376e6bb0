package svmcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// TestShadowThatWasForgotten: a processor that does not take the shadow of an STI from
// the VMCB leaves before the next instruction. No interrupt comes before that one: it
// may be an HLT, which would wait for the interrupt for ever.
func TestShadowThatWasForgotten(t *testing.T) {
	m := newMachine(t, nil)
	m.e.regs.RIP = 0x100
	m.e.regs.RFLAGS |= reg.RFLAGS_IF
	m.e.SetInterruptShadow(true)
	halt := uint64(0)
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindInterrupt {
			return vcpu.Resume
		}
		halt = x.RIP
		return vcpu.Return
	}
	early := func(code svm.ExitCode) func(v *svm.VMCB) {
		return func(v *svm.VMCB) {
			m.fast.vector = 0x40 // it comes now at the latest
			v.Control.ExitCode, v.Control.Shadow = code, 0
		}
	}
	m.fast.vector = -1
	m.run(early(svm.VMEXIT_INTR), early(svm.VMEXIT_VINTR))
	for i, window := range []bool{false, true} {
		if e := m.entry[i]; e.irq != window || e.inj.Valid() {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if m.x.Kind != vcpu.KindIRQWindow || halt != 0x100 || m.x.Event.Valid || m.e.vmcb.Control.Shadow&svm.ShadowSTI == 0 {
		t.Errorf("%+v", m.x)
	}
	// Ordinary Go has seen that it is no HLT.
	m.e.SetInterruptShadow(false)
	m.run(exit(svm.VMEXIT_CPUID))
	if !m.entry[0].inj.Valid() {
		t.Errorf("%+v", m.entry[0])
	}
	// Behind another instruction there is no shadow.
	m = newMachine(t, nil)
	m.e.regs.RFLAGS |= reg.RFLAGS_IF
	m.e.SetInterruptShadow(true)
	m.fast.vector = -1
	m.run(func(v *svm.VMCB) {
		m.fast.vector = 0x40
		v.Control.ExitCode, v.Control.Shadow = svm.VMEXIT_INTR, 0
		v.Save.RIP += 2
	}, exit(svm.VMEXIT_CPUID))
	if !m.entry[1].inj.Valid() {
		t.Errorf("%+v", m.entry[1])
	}
}
