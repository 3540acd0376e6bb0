package svmcpu

import "basalt/arch/x86/svm"

// loadState puts the guest's extended state and debug registers into the
// processor. W1.
func (e *Engine) loadState() {
	e.ops.loadExtended(&e.ext, &e.frame)
	if e.drUsed {
		e.ops.loadDR(&e.dr)
	}
	e.live = true
}

// saveState takes them out, so that ordinary Go may run. W1.
func (e *Engine) saveState() {
	if !e.live {
		return
	}
	e.live = false
	if e.drUsed {
		e.ops.saveDR(&e.dr)
	}
	e.ops.saveExtended(&e.ext, &e.frame)
}

// giveDR hands the debug registers to the guest; the instruction that asked runs
// again. W1.
func (e *Engine) giveDR() {
	e.drUsed = true
	e.vmcb.Control.InterceptDRRead, e.vmcb.Control.InterceptDRWrite = 0, 0
	e.clean &^= svm.CleanIntercepts
	if e.live {
		e.ops.loadDR(&e.dr)
	}
}
