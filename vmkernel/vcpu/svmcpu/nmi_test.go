package svmcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
)

// TestTwoNMIs: of three that come together one is handled, one waits for its IRET and
// one is lost; of two that come meanwhile one waits.
func TestTwoNMIs(t *testing.T) {
	for _, late := range []bool{false, true} {
		m := newMachine(t, nil)
		some := func(n int) {
			for range n {
				m.e.SetNMIPending()
			}
		}
		if late {
			some(1)
		} else {
			some(3)
		}
		iret := func(v *svm.VMCB) {
			v.Control.ExitCode = svm.VMEXIT_IRET
			if late {
				some(2)
				late = false
			}
		}
		step := func(v *svm.VMCB) {
			v.Control.ExitCode = svm.VMEXIT_EXCP + 1
			v.Save.RIP, v.Save.RFLAGS = 0x99, reg.RFLAGS_1
		}
		m.run(iret, step, iret, exit(svm.VMEXIT_CPUID))
		for i, want := range []bool{true, false, true, false} {
			if got := m.entry[i].inj; got.Valid() != want || want && got.Type() != svm.EventNMI {
				t.Errorf("entry %d: %+v", i, m.entry[i])
			}
		}
	}
}
