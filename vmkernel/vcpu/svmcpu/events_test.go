package svmcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// TestEvents: what Events says, injected into another engine, is the same there.
func TestEvents(t *testing.T) {
	pf := vcpu.Event{Valid: true, Vector: 14, Type: vcpu.EventException, HasError: true, Error: 6}
	irq := vcpu.Event{Valid: true, Vector: 0x51, Type: vcpu.EventExtInt}
	nmi := vcpu.Event{Valid: true, Vector: 2, Type: vcpu.EventNMI}
	for _, c := range [][]vcpu.Event{nil, {pf}, {irq}, {nmi}, {irq, pf}, {irq, nmi}} {
		a, b := newMachine(t, nil), newMachine(t, nil)
		for _, ev := range c {
			a.e.Inject(ev)
		}
		a.e.SetNMIPending()
		next, behind, pending := a.e.Events()
		want := [2]vcpu.Event{}
		for i := range c {
			want[len(c)-1-i] = c[i]
		}
		if got := [2]vcpu.Event{next, behind}; got != want || !pending {
			t.Errorf("%v: %v", want, got)
		}
		for _, ev := range []vcpu.Event{behind, next} {
			if ev.Valid {
				b.e.Inject(ev)
			}
		}
		if b.e.event != a.e.event || b.e.deferred != a.e.deferred {
			t.Errorf("%v: %x %x", want, b.e.event, b.e.deferred)
		}
		a.e.DropEvents()
		if next, behind, pending := a.e.Events(); next.Valid || behind.Valid || pending {
			t.Error("dropped events are there")
		}
	}
}

// TestEventsTakeTheStepBack: a saved state does not show the TF that is ours while
// an IRET from an NMI is stepped, and the IRET is caught again.
func TestEventsTakeTheStepBack(t *testing.T) {
	for _, guest := range []uint64{0, reg.RFLAGS_TF} {
		m := newMachine(t, nil)
		m.e.regs.RFLAGS |= guest
		m.e.nmiTaken()
		m.e.nmi.pending = true
		m.e.nmiReturn()
		if !m.e.nmi.stepping || m.e.regs.RFLAGS&reg.RFLAGS_TF == 0 {
			t.Fatal("no step")
		}
		_, _, pending := m.e.Events()
		var s vcpu.System
		m.e.LoadSystem(&s)
		if !pending || m.e.regs.RFLAGS&reg.RFLAGS_TF != guest || !s.NMIBlocked || m.e.vmcb.Control.Intercept1&svm.Intercept1IRET == 0 {
			t.Errorf("TF %#x, blocked %v", m.e.regs.RFLAGS&reg.RFLAGS_TF, s.NMIBlocked)
		}
	}
}

// TestBreakpointsOfAState: a state with an armed breakpoint puts its address into
// the processor.
func TestBreakpointsOfAState(t *testing.T) {
	m := newMachine(t, nil)
	s := longMode()
	m.e.StoreSystem(&s)
	if m.e.drUsed {
		t.Error("no breakpoint is armed")
	}
	s.DR7 |= 2
	m.e.StoreSystem(&s)
	if !m.e.drUsed || m.e.vmcb.Control.InterceptDRWrite != 0 {
		t.Error("the guest's breakpoints would be the host's addresses")
	}
}
