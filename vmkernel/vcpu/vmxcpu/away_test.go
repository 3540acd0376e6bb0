package vmxcpu

import (
	"slices"
	"testing"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// TestAway: a guest that wants to know is told for as long as the processor does
// something else, and a flush that was asked for meanwhile comes before its next
// instruction.
func TestAway(t *testing.T) {
	for _, c := range []struct {
		name string
		exit vmx.ExitReason
		wish bool
	}{
		{"interrupt", vmx.Exit_EXTERNAL_INTERRUPT, false},
		{"interrupt, flush", vmx.Exit_EXTERNAL_INTERRUPT, true},
		{"halt", vmx.Exit_HLT, false},
		{"halt, flush", vmx.Exit_HLT, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, nil)
			m.run(exit(vmx.Exit_CPUID)) // the flush of a new one
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
				m.log = nil
				told++
			}
			m.f.ops.takeInterrupts = away
			m.onPark = func(m *machine) {
				away()
				m.e.Kick()
			}
			m.run(exit(c.exit), exit(vmx.Exit_CPUID))
			if flushed := slices.Contains(m.log, "invvpid"); told != 1 || m.fast.gone || flushed != c.wish {
				t.Errorf("told %d times, still away: %v, log %q", told, m.fast.gone, m.log)
			}
		})
	}
}
