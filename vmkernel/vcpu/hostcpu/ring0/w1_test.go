package ring0

import (
	"testing"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/vcpu/hostcpu"
	"basalt/vmkernel/vcpu/w1test"
)

// The engines call these with the guest's extended state in the processor.
func TestFastHostFunctionsUseNoXMM(t *testing.T) {
	w1test.Fast(t, linux.CPU, cpu.RDTSC, linux.SetDeadline, linux.KickCPU, linux.Contended, linux.Yield, linux.Unpark, linux.Ring)
}

// The engines and the personality mean the same by the word between them.
func TestWord(t *testing.T) {
	if hostcpu.InGo != linux.InGo || hostcpu.InGuest != linux.InGuest || hostcpu.MustEnter != linux.MustEnter {
		t.Error("they differ")
	}
}
