package vmxcpu

import (
	"testing"

	"basalt/arch/x86/vmx"
)

// TestTwoNMIs: of three that come together one is handled, one waits and one is lost;
// of two that come while one is handled one waits.
func TestTwoNMIs(t *testing.T) {
	m := newMachine(t, nil)
	for range 3 {
		m.e.SetNMIPending()
	}
	m.run(exit(vmx.Exit_HLT))
	if !m.e.nmiPending || m.e.nmiAgain {
		t.Errorf("three together: %v %v", m.e.nmiPending, m.e.nmiAgain)
	}
	m = newMachine(t, nil)
	m.e.frame.Interruptible |= uint64(vmx.BlockingByNMI)
	for range 2 {
		m.e.SetNMIPending()
	}
	if !m.e.nmiPending || m.e.nmiAgain {
		t.Errorf("two while one is handled: %v %v", m.e.nmiPending, m.e.nmiAgain)
	}
}
