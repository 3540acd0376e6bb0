package vmxcpu

import (
	"errors"
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// trialGuest plays the guest of a trial on a processor that does what its fields say.
type trialGuest struct {
	m            *machine
	early, never bool
	entries      int
}

func (g *trialGuest) enter(f *vmx.Frame) vmx.Flags {
	g.entries++
	m := g.m
	if m.get(vmx.PROC_BASED_CTLS2)&(vmx.Proc2VirtualInterruptDelivery|vmx.Proc2VirtualizeX2APIC) != vmx.Proc2VirtualInterruptDelivery|vmx.Proc2VirtualizeX2APIC {
		m.t.Error("virtual-interrupt delivery is off")
	}
	if _, write := m.f.msrBitmap(m.get(vmx.MSR_BITMAP)).Intercepts(x2APICEOI); write {
		m.t.Error("EOI exits")
	}
	page := m.f.apicPage(m.get(vmx.VIRTUAL_APIC_ADDR))
	take := func() {
		page[apicIRR+trialVector>>5*4], page[apicISR+trialVector>>5*4] = 0, 1<<(trialVector&31)
		m.set(vmx.GUEST_INTERRUPT_STATUS, trialVector<<8)
		f.RIP, f.RFLAGS = trialHandler, reg.RFLAGS_1
	}
	f.Reason, f.IDTVectoring = uint64(vmx.Exit_EXTERNAL_INTERRUPT), 0
	switch f.RIP {
	case trialCode:
		if m.get(vmx.GUEST_INTERRUPT_STATUS) != trialService<<8|trialVector {
			m.t.Errorf("status %#x", m.get(vmx.GUEST_INTERRUPT_STATUS))
		}
		page[apicISR+trialService>>5*4] = 0
		m.set(vmx.GUEST_INTERRUPT_STATUS, trialVector)
		f.RIP, f.RFLAGS = trialCode+15, reg.RFLAGS_1
		if g.early {
			take()
		}
	case trialOpen:
		f.RIP, f.RFLAGS = trialOpen+2, reg.RFLAGS_1|reg.RFLAGS_IF
		if !g.never {
			take()
			f.Reason = uint64(vmx.Exit_VMCALL)
			f.InstLen = 3
		}
	}
	return vmx.Succeed
}

func TestTrial(t *testing.T) {
	for _, c := range []struct {
		name         string
		early, never bool
		want         Interrupts
		err          error
		virtual      bool
	}{
		{name: "good", virtual: true},
		{name: "early", early: true, err: ErrEarly},
		{name: "never", never: true, err: ErrNever},
		{name: "early but wanted", early: true, want: InterruptsVirtual, err: ErrEarly, virtual: true},
		{name: "injected", want: InterruptsInjected, err: ErrNotVirtual},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, func(conf *Config) { conf.Interrupts = c.want })
			first := m.e
			g := &trialGuest{m: m, early: c.early, never: c.never}
			m.f.ops.enter = g.enter
			used, freed := m.used, m.freed
			err := m.f.tryWith(func(e *Engine, x *vcpu.Exit) error {
				m.e = e
				e.loop(x)
				return e.result(x)
			})
			if !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if m.f.virtual != c.virtual {
				t.Errorf("virtual %v", m.f.virtual)
			}
			if c.want != InterruptsInjected && g.entries == 0 || g.entries > trialRounds+2 {
				t.Errorf("%d entries", g.entries)
			}
			if m.used-used != m.freed-freed {
				t.Errorf("%d frames taken, %d given back", m.used-used, m.freed-freed)
			}
			m.e = first
			lends := m.engine(&lendFast{}).lent.from != nil
			if lends != c.virtual {
				t.Errorf("the next engine lends: %v", lends)
			}
		})
	}
}

func TestWithoutVirtualInterruptsThereIsNoTrial(t *testing.T) {
	m := newMachine(t, func(c *Config) {
		c.Caps.Proc2.May &^= vmx.Proc2VirtualInterruptDelivery
		var err error
		if c.Caps.Controls, err = c.Caps.Choose(); err != nil {
			t.Fatal(err)
		}
	})
	if err := m.f.Try(); !errors.Is(err, ErrNotVirtual) {
		t.Error(err)
	}
}
