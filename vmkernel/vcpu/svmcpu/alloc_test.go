//go:build !race

// The race detector's instrumentation does not run on the system stack.

package svmcpu

import (
	"testing"

	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

func TestRunAllocatesNothing(t *testing.T) {
	m := newMachine(t, nil)
	quiet := *m.f.ops
	quiet.loadExtended = func(*svm.ExtendedState, *svm.Frame) {}
	quiet.saveExtended = quiet.loadExtended
	// On the system stack the doubles are world W1 too.
	quiet.rdmsr = func(uint32) uint64 { return 0 }
	quiet.wrmsr = func(uint32, uint64) {}
	m.host.SetDeadline = func(uint64) {}
	quiet.enter = func(_ *[16]uint64, f *svm.Frame) { m.f.vmcb(f.VMCB).Control.ExitCode = svm.VMEXIT_NPF }
	m.e.ops = &quiet
	m.e.fast = quietFast{}
	m.e.tpr = nil
	x := new(vcpu.Exit)
	if n := testing.AllocsPerRun(100, func() {
		if err := m.e.Run(x); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per exit", n)
	}
}

type quietFast struct{}

func (quietFast) FastExit(*vcpu.Exit) vcpu.Verdict { return vcpu.Return }
func (quietFast) Away() bool                       { return false }
func (quietFast) Back() bool                       { return false }
func (quietFast) PendingInterrupt() (uint8, bool)  { return 0, false }
func (quietFast) AckInterrupt(uint8)               {}
func (quietFast) Deadline() uint64                 { return 0 }
