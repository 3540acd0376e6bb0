package ring0

import (
	"testing"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/vcpu/w1test"
)

// The engines call these with the guest's extended state in the processor.
func TestFastHostFunctionsUseNoXMM(t *testing.T) {
	w1test.Fast(t, linux.CPU, cpu.RDTSC, linux.SetDeadline, linux.KickCPU, linux.Contended, linux.Yield, linux.Unpark, linux.Ring)
}
