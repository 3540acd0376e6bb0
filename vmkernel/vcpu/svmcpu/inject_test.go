package svmcpu

import (
	"slices"
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

func TestInterruptWhenOpen(t *testing.T) {
	m := newMachine(t, nil)
	m.e.regs.RFLAGS |= reg.RFLAGS_IF
	m.fast.vector = 0x31
	m.fast.onAck = func() { m.e.regs.RIP = 77 }
	m.run(exit(svm.VMEXIT_HLT))
	if e := m.entry[0]; e.inj != svm.MakeEvent(0x31, svm.EventINTR, false, 0) || e.irq || e.rip != 77 {
		t.Errorf("%+v", e)
	}
	if !slices.Equal(m.fast.acked, []uint8{0x31}) {
		t.Errorf("acknowledged %v", m.fast.acked)
	}
}

func TestInterruptWindow(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(*Engine)
		open  func(*svm.VMCB)
	}{
		{"IF clear", func(*Engine) {}, func(v *svm.VMCB) { v.Save.RFLAGS |= reg.RFLAGS_IF }},
		{"shadow", func(e *Engine) { e.regs.RFLAGS |= reg.RFLAGS_IF; e.SetInterruptShadow(true) },
			func(v *svm.VMCB) { v.Control.Shadow = 0; v.Save.RIP++ }},
	} {
		m := newMachine(t, nil)
		c.close(m.e)
		m.fast.vector = 0x40
		m.run(func(v *svm.VMCB) { v.Control.ExitCode = svm.VMEXIT_VINTR; c.open(v) }, exit(svm.VMEXIT_CPUID))
		if e := m.entry[0]; e.inj.Valid() || !e.irq || !e.vintr || !e.cr8 {
			t.Errorf("%s: first entry %+v", c.name, e)
		}
		if e := m.entry[1]; e.inj.Vector() != 0x40 || e.irq || e.vintr || e.cr8 {
			t.Errorf("%s: second entry %+v", c.name, e)
		}
		if len(m.fast.exits) != 1 {
			t.Errorf("%s: the window was shown to Fast", c.name)
		}
	}
}

func TestWindowClosesWhenTheInterruptGoes(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.vector = 0x40
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
		if len(m.fast.exits) == 1 {
			m.fast.vector = -1
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(svm.VMEXIT_WBINVD), exit(svm.VMEXIT_WBINVD))
	if !m.entry[0].irq || m.entry[1].irq || m.entry[1].cr8 || m.entry[1].vintr {
		t.Errorf("%+v", m.entry)
	}
}

func TestCutEvents(t *testing.T) {
	pf := svm.MakeEvent(14, svm.EventException, true, 6)
	irq := svm.MakeEvent(0x31, svm.EventINTR, false, 0)
	for _, c := range []struct {
		name string
		in   svm.EventInfo
		want svm.EventInfo
	}{
		{"exception", pf, pf},
		{"interrupt", irq, irq},
		{"INTn runs again", svm.MakeEvent(0x80, svm.EventSoft, false, 0), 0},
		{"INT3 runs again", svm.MakeEvent(3, svm.EventException, false, 0), 0},
	} {
		m := newMachine(t, nil)
		m.e.regs.RFLAGS |= reg.RFLAGS_IF
		m.run(cut(svm.VMEXIT_INTR, c.in), exit(svm.VMEXIT_CPUID))
		if m.entry[1].inj != c.want {
			t.Errorf("%s: injected %#x, want %#x", c.name, m.entry[1].inj, c.want)
		}
		if !slices.Contains(m.log, "interrupts") {
			t.Errorf("%s: the host's interrupt was not taken", c.name)
		}
	}
	// An exit that leaves the loop shows the event and does not inject it.
	m := newMachine(t, nil)
	m.run(cut(svm.VMEXIT_NPF, pf))
	if ev := m.x.Event; !ev.Valid || ev.Vector != 14 || ev.Type != vcpu.EventException || ev.Error != 6 {
		t.Errorf("%+v", ev)
	}
	m.run(exit(svm.VMEXIT_CPUID))
	if m.entry[0].inj.Valid() || m.x.Event.Valid {
		t.Error("the engine injected what belongs to vcpu")
	}
	m.e.Inject(vcpu.Event{Vector: 14, Type: vcpu.EventException, HasError: true, Error: 6})
	m.fast.vector = 0x50
	m.e.regs.RFLAGS |= reg.RFLAGS_IF
	m.run(exit(svm.VMEXIT_CPUID))
	if m.entry[0].inj != pf || !m.entry[0].irq {
		t.Errorf("%+v", m.entry[0])
	}
}

func TestInterruptStandsBackForAnException(t *testing.T) {
	m := newMachine(t, nil)
	m.e.Inject(vcpu.Event{Vector: 0x31, Type: vcpu.EventExtInt})
	m.e.Inject(vcpu.Event{Vector: 13, Type: vcpu.EventException, HasError: true})
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict { return []vcpu.Verdict{vcpu.Resume, vcpu.Return}[len(m.fast.exits)-1] }
	// The handler runs with interrupts off: injecting the interrupt there would
	// break into it.
	m.run(exit(svm.VMEXIT_CPUID), func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_VINTR
		v.Save.RFLAGS |= reg.RFLAGS_IF
	}, exit(svm.VMEXIT_CPUID))
	if e := m.entry; e[0].inj.Vector() != 13 || e[1].inj.Valid() || !e[1].vintr || !e[1].irq || e[2].inj.Vector() != 0x31 || e[2].vintr {
		t.Errorf("%+v", e)
	}
}

// TestNMIPassesAWaitingInterrupt: the interrupt waits for IF, the NMI does not.
func TestNMIPassesAWaitingInterrupt(t *testing.T) {
	m := newMachine(t, nil)
	m.e.Inject(vcpu.Event{Vector: 0x31, Type: vcpu.EventExtInt})
	m.e.Inject(vcpu.Event{Vector: 13, Type: vcpu.EventException, HasError: true})
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict { return []vcpu.Verdict{vcpu.Resume, vcpu.Return}[len(m.fast.exits)-1] }
	m.run(func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_CPUID
		m.e.SetNMIPending()
	}, func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_VINTR
		v.Save.RFLAGS |= reg.RFLAGS_IF
	}, exit(svm.VMEXIT_CPUID))
	if e := m.entry; e[0].inj.Vector() != 13 || e[1].inj.Type() != svm.EventNMI || !e[1].vintr || e[2].inj.Vector() != 0x31 || e[2].inj.Type() != svm.EventINTR {
		t.Errorf("%+v", e)
	}
}

// TestWindowThatWasForgotten: with V_IRQ gone from the VMCB nothing would say that
// the guest can take the interrupt that waits.
func TestWindowThatWasForgotten(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.vector = 0x40
	m.run(func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_INTR
		v.Control.VIRQ &^= svm.VIRQPending
	}, exit(svm.VMEXIT_CPUID))
	if !m.entry[1].irq || !m.entry[1].vintr {
		t.Errorf("%+v", m.entry[1])
	}
}

func TestNMI(t *testing.T) {
	m := newMachine(t, func(c *Config) { c.Caps.Features |= reg.SVM_VmcbClean })
	m.e.SetNMIPending()
	iret := func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_IRET
		m.e.SetNMIPending()
	}
	step := func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_EXCP + 1
		v.Save.RIP, v.Save.RFLAGS = 0x99, reg.RFLAGS_1
	}
	m.run(iret, step, exit(svm.VMEXIT_CPUID))
	if e := m.entry[0]; e.inj.Type() != svm.EventNMI || !e.iret {
		t.Errorf("first entry %+v", e)
	}
	if e := m.entry[1]; e.inj.Valid() || e.iret || e.rflags&reg.RFLAGS_TF == 0 {
		t.Errorf("stepping over IRET: %+v", e)
	}
	if m.entry[2].clean&svm.CleanDRx != 0 {
		t.Error("DR6 was changed and claimed clean")
	}
	if e := m.entry[2]; e.inj.Type() != svm.EventNMI || e.rflags&reg.RFLAGS_TF != 0 {
		t.Errorf("second NMI: %+v", e)
	}
}

func TestDropEvents(t *testing.T) {
	m := newMachine(t, nil)
	m.e.regs.RFLAGS |= reg.RFLAGS_IF
	m.e.Inject(vcpu.Event{Valid: true, Type: vcpu.EventExtInt, Vector: 0x33})
	m.e.Inject(vcpu.Event{Valid: true, Type: vcpu.EventException, Vector: 13, HasError: true})
	m.e.SetNMIPending()
	m.e.nmi.stepping = true
	m.e.DropEvents()
	m.run(func(v *svm.VMCB) { v.Control.ExitCode = svm.VMEXIT_INTR }, func(v *svm.VMCB) { v.Control.ExitCode = svm.VMEXIT_HLT })
	for i, e := range m.entry {
		if e.inj.Valid() || e.iret {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}
