package vmxcpu

import (
	"testing"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu/w1test"
)

// TestLoopKeepsToW1 looks at the object code of everything that runs with the
// guest's SIMD state in the processor.
func TestLoopKeepsToW1(t *testing.T) {
	w1test.Fast(t, (*Engine).loop, (*Engine).ownExit, (*Engine).arrive, (*Engine).enable, (*Engine).activate,
		(*Engine).interrupt, (*Engine).block, (*Engine).look, (*Engine).yield, (*Engine).leave, (*Engine).prepare, (*Engine).finish, (*Engine).arm, (*Engine).consult, (*Engine).setTimer,
		(*Engine).inject, (*Engine).lend, (*Engine).setEOIExits, (*Engine).lendFirst, (*Engine).setX2APIC, (*Engine).reclaim, (*Engine).queue, (*Engine).requeue, (*Engine).settleShadow, (*Engine).setInterruptible,
		(*Engine).dropNested, (*Engine).dropLinear, (*Engine).decode, (*Engine).decodeVectoring,
		(*Engine).decodeMemory, (*Engine).decodeException, (*Engine).isNMI, (*Engine).loadState, (*Engine).saveState,
		(*Engine).takeOver, (*Engine).giveBack, (*Engine).exchange, (*Engine).release, (*Engine).giveDR,
		(*Engine).ownWRMSR, (*Engine).writeSystem, (*Engine).writeHost, (*Engine).initVMCS, (*Engine).setProc,
		(*Engine).Regs, (*Engine).LoadMode, (*Engine).SetInterruptShadow, (*Engine).Kick, (*Engine).entryFailed,
		vmx.InterruptionInfo.Valid, decodeCR)
}
