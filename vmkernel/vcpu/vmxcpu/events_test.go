package vmxcpu

import (
	"testing"

	"basalt/arch/x86/reg"
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
		if b.e.event != a.e.event || b.e.deferred != a.e.deferred || b.e.eventError != a.e.eventError {
			t.Errorf("%v: %x %x", want, b.e.event, b.e.deferred)
		}
		a.e.DropEvents()
		if next, behind, pending := a.e.Events(); next.Valid || behind.Valid || pending {
			t.Error("dropped events are there")
		}
	}
}

// TestEventsSettleTheShadow: the cached state follows SetInterruptShadow.
func TestEventsSettleTheShadow(t *testing.T) {
	m := newMachine(t, nil)
	s := full()
	s.InterruptShadow = true
	m.e.frame.RFLAGS |= reg.RFLAGS_IF
	if err := m.e.StoreSystem(&s); err != nil {
		t.Fatal(err)
	}
	m.e.SetInterruptShadow(false)
	m.e.Events()
	if m.e.LoadSystem(&s); s.InterruptShadow {
		t.Error("the shadow has ended")
	}
}
