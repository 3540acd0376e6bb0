package svmcpu

import (
	"testing"

	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// TestAway: a guest that wants to know is told for as long as the processor does
// something else, and a flush that was asked for meanwhile comes before its next
// instruction.
func TestAway(t *testing.T) {
	for _, c := range []struct {
		name string
		exit svm.ExitCode
		wish bool
		tlb  uint8
	}{
		{"interrupt", svm.VMEXIT_INTR, false, svm.TLBNothing},
		{"interrupt, flush", svm.VMEXIT_INTR, true, svm.TLBFlushASID},
		{"halt", svm.VMEXIT_HLT, false, svm.TLBNothing},
		{"halt, flush", svm.VMEXIT_HLT, true, svm.TLBFlushASID},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, nil)
			m.f.cpus[0].asids.flushByASID = true
			m.fast.steal = true
			m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
				switch x.Kind {
				case vcpu.KindHLT:
					return vcpu.Block
				case vcpu.KindKick:
					return vcpu.Resume
				}
				return vcpu.Return
			}
			told := 0
			away := func() {
				if !m.fast.gone {
					t.Error("the guest takes this processor for one that runs")
				}
				m.fast.wish = c.wish
				told++
			}
			m.f.ops.takeInterrupts = away
			m.onPark = func() {
				away()
				m.e.Kick()
			}
			m.run(exit(c.exit), exit(svm.VMEXIT_CPUID))
			if told != 1 || m.fast.gone || m.entry[1].tlb != c.tlb {
				t.Errorf("told %d times, still away: %v; TLB control %d, want %d", told, m.fast.gone, m.entry[1].tlb, c.tlb)
			}
		})
	}
}

// TestAwayBeforeTheLoop: a thread that has to wait for its turn is away.
func TestAwayBeforeTheLoop(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.steal = true
	m.run(exit(svm.VMEXIT_CPUID))
	m.e.inside = hostcpu.MustEnter
	enter := m.host.EnterGuest
	m.host.EnterGuest = func() {
		if enter(); !m.fast.gone {
			t.Error("it waits for its turn, and the guest takes it for one that runs")
		}
	}
	m.run(exit(svm.VMEXIT_CPUID))
	if m.entered != 1 || m.fast.gone {
		t.Errorf("entered %d times, away %v", m.entered, m.fast.gone)
	}
}
