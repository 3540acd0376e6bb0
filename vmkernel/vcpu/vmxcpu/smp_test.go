package vmxcpu

import (
	"testing"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// TestPauseLoopExiting: only with several processors, and only where the processor can.
func TestPauseLoopExiting(t *testing.T) {
	for _, c := range []struct{ can, others bool }{{false, true}, {true, false}, {true, true}} {
		m := newMachine(t, func(f *Config) {
			if !c.can {
				f.Caps.Proc2.May &^= vmx.Proc2PAUSELoopExiting
				var err error
				if f.Caps.Controls, err = f.Caps.Choose(); err != nil {
					t.Fatal(err)
				}
			}
		})
		if c.others {
			m.engine(&fakeFast{vector: -1})
		}
		m.run(exit(vmx.Exit_HLT))
		want := c.can && c.others
		if on := m.get(vmx.PROC_BASED_CTLS2)&vmx.Proc2PAUSELoopExiting != 0; on != want {
			t.Errorf("%+v: control %v", c, on)
		}
		if w := m.get(vmx.PLE_WINDOW); (w == pauseWindow) != want || (m.get(vmx.PLE_GAP) == pauseGap) != want {
			t.Errorf("%+v: window %d", c, w)
		}
	}
}

// TestForbidINVPCID: the control is on until it is taken away.
func TestForbidINVPCID(t *testing.T) {
	for _, forbid := range []bool{false, true} {
		m := newMachine(t, nil)
		if forbid {
			m.e.ForbidINVPCID()
		}
		m.run(exit(vmx.Exit_HLT))
		if on := m.get(vmx.PROC_BASED_CTLS2)&vmx.Proc2EnableINVPCID != 0; on == forbid {
			t.Errorf("forbidden %v: control %v", forbid, on)
		}
	}
}

// TestYield: the host's interrupts are let in only when somebody waits.
func TestYield(t *testing.T) {
	for _, busy := range []bool{false, true} {
		m := newMachine(t, nil)
		yields, let := 0, 0
		m.f.ops.takeInterrupts = func() { let++ }
		m.host.Contended = func() bool { return busy }
		m.host.Yield = func() { yields++ }
		m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
			if x.Kind != vcpu.KindPause {
				return vcpu.Return
			}
			m.e.frame.RIP += 2
			return vcpu.Yield
		}
		if x := m.run(exit(vmx.Exit_PAUSE), exit(vmx.Exit_HLT)); x.Kind != vcpu.KindHLT {
			t.Errorf("%v", x.Kind)
		}
		if (let == 1) != busy || (yields == 1) != busy {
			t.Errorf("busy %v: %d times, %d yields", busy, let, yields)
		}
	}
}

// TestHaltedLooks: with another processor in the machine, a kick that comes while a
// halted one looks for it costs neither its state nor its thread.
func TestHaltedLooks(t *testing.T) {
	m := newMachine(t, nil)
	m.engine(&fakeFast{vector: -1})
	kick := false
	m.host.RDTSC = func() uint64 {
		if m.tsc += 10; kick && m.tsc%100 == 0 {
			m.e.Kick()
		}
		return m.tsc
	}
	m.host.Contended = func() bool { return false }
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindHLT {
			return vcpu.Block
		}
		return vcpu.Return
	}
	m.onPark = func(m *machine) { m.e.Kick() }
	m.run(exit(vmx.Exit_HLT)) // the first sleeps, and pays
	if len(m.parks) != 1 {
		t.Fatalf("parks %v", m.parks)
	}
	m.log, kick = nil, true
	if x := m.run(exit(vmx.Exit_HLT)); x.Kind != vcpu.KindKick || len(m.parks) != 1 || m.has("unpark") || len(m.kicks) != 0 {
		t.Errorf("%v parks %v kicks %v log %v", x.Kind, m.parks, m.kicks, m.log)
	}
}
