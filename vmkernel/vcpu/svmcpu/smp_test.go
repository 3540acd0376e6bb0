package svmcpu

import (
	"slices"
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

// another gives the machine a second processor.
func (m *machine) another() *Engine {
	m.t.Helper()
	e, err := m.f.NewEngine(1, m.e.t, &fakeFast{vector: -1})
	if err != nil {
		m.t.Fatal(err)
	}
	return e.(*Engine)
}

// TestPauseFilter: only with several processors, and only where there is one: an
// intercept without a filter would make every PAUSE an exit.
func TestPauseFilter(t *testing.T) {
	for _, c := range []struct {
		features uint32
		others   bool
		on       bool
		count    uint16
		thresh   uint16
	}{
		{features: reg.SVM_NP, others: true},
		{features: reg.SVM_NP | reg.SVM_PauseFilter},
		{features: reg.SVM_NP | reg.SVM_PauseFilter, others: true, on: true, count: pauseCount},
		{features: reg.SVM_NP | reg.SVM_PauseFilter | reg.SVM_PauseFilterThr, others: true, on: true, count: pauseCount, thresh: pauseThreshold},
	} {
		m := newMachine(t, func(f *Config) { f.Caps.Features = c.features })
		all := []*Engine{m.e}
		if c.others {
			all = append(all, m.another())
		}
		for i, e := range all {
			v := &e.vmcb.Control
			if on := v.Intercept1&svm.Intercept1PAUSE != 0; on != c.on || v.PauseFilterCount != c.count || v.PauseFilterThresh != c.thresh || e.spins != c.others {
				t.Errorf("%+v: engine %d: %v %d %d", c, i, on, v.PauseFilterCount, v.PauseFilterThresh)
			}
		}
	}
}

// TestYield: the host's interrupts are let in only when somebody waits, and the guest
// goes on behind its PAUSE.
func TestYield(t *testing.T) {
	for _, busy := range []bool{false, true} {
		m := newMachine(t, nil)
		yields := 0
		m.host.Contended = func() bool { return busy }
		m.host.Yield = func() { yields++ }
		m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
			if x.Kind != vcpu.KindPause {
				return vcpu.Return
			}
			m.e.regs.RIP += 2
			return vcpu.Yield
		}
		m.e.regs.RIP = 0x1000
		m.run(exit(svm.VMEXIT_PAUSE), exit(svm.VMEXIT_HLT))
		if let := slices.Contains(m.log, "interrupts"); let != busy || (yields == 1) != busy || m.entry[1].rip != 0x1002 {
			t.Errorf("busy %v: interrupts %v, %d yields, rip %#x", busy, let, yields, m.entry[1].rip)
		}
	}
}

// TestHaltedLooks: with another processor in the machine, a kick that comes while a
// halted one looks for it costs neither its state nor its thread.
func TestHaltedLooks(t *testing.T) {
	m := newMachine(t, nil)
	m.another()
	tsc, kick := uint64(0), false
	m.host.RDTSC = func() uint64 {
		if tsc += 10; kick && tsc%100 == 0 {
			m.e.Kick()
		}
		return tsc
	}
	m.host.Contended = func() bool { return false }
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindHLT {
			return vcpu.Block
		}
		return vcpu.Return
	}
	m.onPark = func() { m.e.Kick() }
	m.run(exit(svm.VMEXIT_HLT)) // the first sleeps, and pays
	if len(m.parks) != 1 {
		t.Fatalf("parks %v", m.parks)
	}
	m.log, kick = nil, true
	m.run(exit(svm.VMEXIT_HLT))
	if m.x.Kind != vcpu.KindKick || len(m.parks) != 1 || slices.Contains(m.log, "unpark") || len(m.kicks) != 0 {
		t.Errorf("%v parks %v kicks %v log %v", m.x.Kind, m.parks, m.kicks, m.log)
	}
	if n := len(m.log); n != 2 || m.log[0] != "load" || m.log[1] != "save" { // the save is of the end
		t.Errorf("log %v", m.log)
	}
}
