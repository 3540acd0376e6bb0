package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
)

// loadState puts the guest's extended state, CR2, MSRs and debug registers into
// the processor. W1.
func (e *Engine) loadState(cpu int) {
	e.ops.loadExtended(&e.ext, &e.frame)
	e.live = true
	e.exchange(cpu)
}

// saveState takes them out, so that ordinary Go may run. W1.
func (e *Engine) saveState() {
	if !e.live {
		return
	}
	e.live = false
	e.release()
	e.ops.saveExtended(&e.ext, &e.frame)
}

// takeOver and giveBack are loadState and saveState without the SIMD registers:
// for the moment in which the host takes an interrupt, whose entry saves those.
// W1.
func (e *Engine) takeOver(cpu int) {
	e.ops.guestXCR0(&e.ext)
	e.exchange(cpu)
}

func (e *Engine) giveBack() {
	e.release()
	e.ops.hostXCR0(&e.ext)
}

// exchange gives the guest what VMX does not switch; release takes it back.
func (e *Engine) exchange(cpu int) {
	e.ops.swapMSRs(&e.f.cpus[cpu].msrs, &e.msrs, e.f.aux)
	e.ops.setCR2(e.cr2)
	if e.drUsed {
		e.ops.loadDR(&e.dr)
	}
}

func (e *Engine) release() {
	if e.frame.Mitigate&vmx.MitigateRSB != 0 {
		e.ops.fillRSB()
	}
	if e.drUsed {
		e.ops.saveDR(&e.dr)
		if e.rd(vmx.GUEST_DR7)&reg.DR7_Enable == 0 {
			// No breakpoint is armed: wait for the next MOV DR.
			e.drUsed = false
			e.setProc(e.proc | vmx.ProcMOVDRExiting)
		}
	}
	e.cr2 = e.ops.readCR2()
	// SWAPGS changes this one without an exit; writes of the others exit.
	e.msrs.KernelGSBase = e.ops.rdmsr(uint32(reg.KernelGSBase))
	e.ops.swapMSRs(&e.msrs, &e.f.cpus[e.active-1].msrs, e.f.aux)
}

// giveDR hands the debug registers to the guest; the instruction that asked runs
// again. W1.
func (e *Engine) giveDR() {
	e.drUsed = true
	e.setProc(e.proc &^ vmx.ProcMOVDRExiting)
	e.ops.loadDR(&e.dr)
}

// ownWRMSR completes a write to one of the registers that the guest has for itself
// (owned in factory.go). It reports false for the others, for values that the
// processor would refuse, and while the guest steps: the virtual CPU decides. W1.
func (e *Engine) ownWRMSR() bool {
	f := &e.frame
	index := uint32(f.GPR[1])
	if index-uint32(reg.STAR) > uint32(reg.SFMASK-reg.STAR) || f.RFLAGS&reg.RFLAGS_TF != 0 {
		return false
	}
	v := f.GPR[0]&0xffffffff | f.GPR[2]<<32
	switch reg.MSR(index) {
	case reg.STAR:
		e.msrs.STAR = v
	case reg.LSTAR, reg.CSTAR:
		if uint64(int64(v)<<16>>16) != v {
			return false
		}
		if reg.MSR(index) == reg.LSTAR {
			e.msrs.LSTAR = v
		} else {
			e.msrs.CSTAR = v
		}
	case reg.SFMASK:
		if v>>32 != 0 {
			return false
		}
		e.msrs.SFMASK = v
	}
	e.ops.wrmsr(index, v)
	f.RIP += f.InstLen
	e.shadow = shadowClear
	return true
}
