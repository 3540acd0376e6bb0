package vmxcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

func TestInjection(t *testing.T) {
	open := func(m *machine) { m.e.frame.RFLAGS = 2 | reg.RFLAGS_IF }
	sti := func(m *machine) { m.set(vmx.GUEST_INTERRUPTIBILITY, 1) }
	again := func(*vcpu.Exit) vcpu.Verdict { return vcpu.Resume }
	t.Run("open", func(t *testing.T) {
		m := newMachine(t, nil)
		m.e.frame.RFLAGS |= reg.RFLAGS_IF
		m.fast.vector = 0x41
		m.run(exit(vmx.Exit_HLT))
		if m.entry[0].info != vmx.MakeInfo(0x41, vmx.ExternalInterrupt, false) || len(m.fast.acked) != 1 {
			t.Errorf("%+v", m.entry)
		}
	})
	t.Run("closed then window", func(t *testing.T) {
		m := newMachine(t, nil)
		m.fast.vector = 0x41
		m.run(exit(vmx.Exit_INTERRUPT_WINDOW, open), exit(vmx.Exit_HLT))
		if m.entry[0].info.Valid() || m.entry[0].proc&vmx.ProcInterruptWindowExiting == 0 {
			t.Errorf("no window: %+v", m.entry[0])
		}
		if m.entry[1].info.Vector() != 0x41 || m.entry[1].proc&vmx.ProcInterruptWindowExiting != 0 {
			t.Errorf("not injected: %+v", m.entry[1])
		}
	})
	t.Run("shadow", func(t *testing.T) {
		m := newMachine(t, nil)
		m.fast.answer = again
		m.run(exit(vmx.Exit_PREEMPTION_TIMER, open, sti, func(m *machine) { m.fast.vector = 0x41 }),
			exit(vmx.Exit_HLT, func(m *machine) { m.fast.answer = nil }))
		if m.entry[1].info.Valid() || m.entry[1].proc&vmx.ProcInterruptWindowExiting == 0 {
			t.Errorf("injected into the shadow: %+v", m.entry[1])
		}
	})
	t.Run("skipping clears the shadow", func(t *testing.T) {
		m := newMachine(t, nil)
		m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
			m.e.frame.RIP += 2
			m.fast.vector, m.fast.answer = 0x41, nil
			return vcpu.Resume
		}
		m.run(exit(vmx.Exit_PAUSE, open, sti), exit(vmx.Exit_HLT))
		if m.entry[1].info.Vector() != 0x41 || m.entry[1].interruptible != 0 {
			t.Errorf("%+v", m.entry[1])
		}
	})
	t.Run("exception with code", func(t *testing.T) {
		m := newMachine(t, nil)
		m.e.Inject(vcpu.Event{Valid: true, Vector: 13, Type: vcpu.EventException, HasError: true, Error: 0x50})
		m.run(exit(vmx.Exit_HLT))
		if m.entry[0].info != vmx.MakeInfo(13, vmx.HardwareException, true) || m.entry[0].code != 0x50 {
			t.Errorf("%+v", m.entry[0])
		}
	})
	t.Run("interrupt stands back", func(t *testing.T) {
		m := newMachine(t, nil)
		m.e.frame.RFLAGS |= reg.RFLAGS_IF
		m.e.Inject(vcpu.Event{Valid: true, Vector: 0x31, Type: vcpu.EventExtInt})
		m.e.Inject(vcpu.Event{Valid: true, Vector: 14, Type: vcpu.EventException, HasError: true})
		closed := func(m *machine) { m.e.frame.RFLAGS = 2 }
		m.run(exit(vmx.Exit_PREEMPTION_TIMER, closed), exit(vmx.Exit_INTERRUPT_WINDOW, open), exit(vmx.Exit_HLT))
		if m.entry[0].info.Vector() != 14 || m.entry[1].info.Valid() || m.entry[1].proc&vmx.ProcInterruptWindowExiting == 0 || m.entry[2].info.Vector() != 0x31 {
			t.Errorf("%+v", m.entry)
		}
	})
	t.Run("NMI passes a waiting interrupt", func(t *testing.T) {
		m := newMachine(t, nil)
		m.e.frame.RFLAGS |= reg.RFLAGS_IF
		m.e.Inject(vcpu.Event{Valid: true, Vector: 0x31, Type: vcpu.EventExtInt})
		m.e.Inject(vcpu.Event{Valid: true, Vector: 14, Type: vcpu.EventException, HasError: true})
		closed := func(m *machine) {
			m.e.frame.RFLAGS = 2
			m.e.SetNMIPending()
		}
		m.run(exit(vmx.Exit_PREEMPTION_TIMER, closed), exit(vmx.Exit_INTERRUPT_WINDOW, open), exit(vmx.Exit_HLT))
		if e := m.entry; e[1].info.Vector() != 2 || e[1].info.Type() != vmx.NMI || e[1].proc&vmx.ProcInterruptWindowExiting == 0 || e[2].info.Vector() != 0x31 {
			t.Errorf("%+v", m.entry)
		}
	})
	t.Run("NMI window", func(t *testing.T) {
		m := newMachine(t, nil)
		blocked := func(v uint64) func(*machine) {
			return func(m *machine) { m.set(vmx.GUEST_INTERRUPTIBILITY, v) }
		}
		m.run(exit(vmx.Exit_HLT, blocked(8)))
		m.e.SetNMIPending()
		m.run(exit(vmx.Exit_NMI_WINDOW, blocked(0)), exit(vmx.Exit_HLT))
		if m.entry[0].info.Valid() || m.entry[0].proc&vmx.ProcNMIWindowExiting == 0 {
			t.Errorf("%+v", m.entry[0])
		}
		if m.entry[1].info != vmx.MakeInfo(2, vmx.NMI, false) || m.entry[1].proc&vmx.ProcNMIWindowExiting != 0 {
			t.Errorf("%+v", m.entry[1])
		}
	})
}

func TestInterruptedDeliveryIsInjectedAgain(t *testing.T) {
	m := newMachine(t, nil)
	cut := func(m *machine) {
		m.e.frame.IDTVectoring = uint64(vmx.MakeInfo(14, vmx.HardwareException, true))
		m.set(vmx.IDT_VECTORING_ERROR_CODE, 3)
	}
	m.run(exit(vmx.Exit_EXTERNAL_INTERRUPT, cut), exit(vmx.Exit_HLT))
	if m.entry[1].info != vmx.MakeInfo(14, vmx.HardwareException, true) || m.entry[1].code != 3 {
		t.Errorf("%+v", m.entry[1])
	}
	x := m.run(exit(vmx.Exit_EPT_VIOLATION, cut))
	if !x.Event.Valid || x.Event.Vector != 14 || x.Event.Error != 3 || x.Event.Type != vcpu.EventException {
		t.Errorf("%+v", x.Event)
	}
	m.run(exit(vmx.Exit_HLT))
	if m.entry[0].info.Valid() {
		t.Error("the engine injected what it had handed up")
	}
}

func TestDropEvents(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_HLT))
	m.e.frame.RFLAGS |= reg.RFLAGS_IF
	m.e.Inject(vcpu.Event{Valid: true, Type: vcpu.EventExtInt, Vector: 0x33})
	m.e.Inject(vcpu.Event{Valid: true, Type: vcpu.EventException, Vector: 13, HasError: true})
	m.e.SetNMIPending()
	s := vcpu.System{CR0: reg.CR0_ET}
	m.e.LoadSystem(&s)
	m.set(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS, reg.DR6_BS)
	m.e.DropEvents()
	if err := m.e.StoreSystem(&s); err != nil {
		t.Fatal(err)
	}
	m.run(exit(vmx.Exit_PREEMPTION_TIMER), exit(vmx.Exit_HLT))
	for i, e := range m.entry {
		if e.info.Valid() {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if v := m.get(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS); v != 0 {
		t.Errorf("pending debug exceptions %#x", v)
	}
}
