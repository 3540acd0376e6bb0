package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
)

// guardTicks is how long a guest may run, in ticks of the TSC, before it leaves for
// the host's interrupts whatever becomes of them: Bochs 2.7 does not end a guest that
// has cleared IF for one.
const guardTicks = 1 << 20

// guardTurns is how many exits of any kind the loop may handle before it lets the host's
// interrupts in by itself, for the same reason: a guest that exits all the time with
// IF cleared never stays long enough for the timer. One that waits for a lock with PAUSE
// is such a guest, and what it waits for may need a thread that only an interrupt wakes.
const guardTurns = 1 << 10

// pauseTurns is the same where the guest waits in a loop around PAUSE: each of these exits
// comes after thousands of cycles.
const pauseTurns = 1 << 4

// prepare makes the VMCS ready for the entry. W1.
func (e *Engine) prepare(cpu int) {
	if e.fresh {
		e.prepareFresh(cpu)
	}
	if e.ask {
		e.consult(cpu)
	}
	if e.shadow != shadowKeep {
		e.settleShadow()
	}
	if e.deadline != 0 {
		e.setTimer()
	}
	// The generation is read after where was stored: a shootdown either sees
	// us here or we see its generation.
	if gen := e.t.gen.Load(); gen != e.seen.Load() {
		e.dropNested()
		e.seen.Store(gen)
	}
}

// prepareFresh does what only ordinary Go, another thread or a change of processor
// makes necessary: none of it changes between two exits that stay in the loop. W1.
func (e *Engine) prepareFresh(cpu int) {
	e.fresh, e.known = false, false
	e.frame.Mitigate |= e.f.cure.Fresh
	if e.pending {
		e.writeSystem()
		e.ask = true
	}
	if e.flush {
		e.flush = false
		e.dropLinear()
	}
	if e.tscWanted != e.tsc {
		e.tsc = e.tscWanted
		e.wr(vmx.TSC_OFFSET, e.tsc)
	}
	if e.lent.first {
		e.lendFirst()
	}
	if !e.live {
		e.loadState(cpu)
	}
}

// consult asks Fast for interrupts, deadline and task priority. W1.
func (e *Engine) consult(cpu int) {
	e.inject()
	// An interrupt behind this event, or an NMI without a window of its own.
	e.ask = e.event.Valid() || e.nmiPending
	e.arm(cpu)
	if e.shadowTPR {
		// An exit as soon as the guest lowers its priority: something may be
		// waiting for that.
		t := e.tpr.TaskPriority() & 15
		*e.vtpr = t << 4
		if uint64(t) != e.threshold {
			e.threshold = uint64(t)
			if e.lent.from == nil { // else the processor looks itself
				e.wr(vmx.TPR_THRESHOLD, uint64(t))
			}
		}
	}
}

// finish takes what the exit left. W1.
func (e *Engine) finish() {
	e.rip = e.frame.RIP
	e.frame.Mitigate &^= vmx.MitigateOnce
	if e.lent.status != 0 {
		e.reclaim()
	}
	if e.shadowTPR && uint64(*e.vtpr>>4) != e.threshold {
		e.taskPriority()
	}
}

// taskPriority passes on a CR8 that the guest has written. W1.
func (e *Engine) taskPriority() {
	e.tpr.SetTaskPriority(*e.vtpr >> 4)
	e.ask = true
}

// arm makes the guest leave at Fast's deadline: by the preemption timer, or by the
// host's. W1.
func (e *Engine) arm(cpu int) {
	d := e.fast.Deadline()
	if e.controls.Pin&vmx.PinPreemptionTimer == 0 {
		if pc := &e.f.cpus[cpu]; d != pc.armed {
			pc.armed = d
			e.host.SetDeadline(d)
		}
		return
	}
	if e.deadline = d; d == 0 && e.timer != e.guard {
		e.timer = e.guard
		e.wr(vmx.PREEMPTION_TIMER_VALUE, e.guard)
	}
}

// setTimer loads the preemption timer, which starts anew at every entry and
// counts TSC ticks shifted right. W1.
func (e *Engine) setTimer() {
	v := e.guard
	now, shift := e.host.RDTSC(), e.f.caps.PreemptionShift
	if e.deadline <= now {
		v = 0
	} else if n := (e.deadline-now)>>shift + 1; n < e.guard {
		v = n
	}
	if v != e.timer {
		e.timer = v
		e.wr(vmx.PREEMPTION_TIMER_VALUE, v)
	}
}

// dropNested drops the translations that EPT made on this processor (SDM Vol.
// 3C, 29.4.3.1). W1.
func (e *Engine) dropNested() {
	if e.f.caps.INVEPTSingle {
		e.ops.invept(vmx.INVEPTSingle, e.t.Root())
	} else {
		e.ops.invept(vmx.INVEPTAll, 0)
	}
}

// dropLinear drops the guest's own translations; without VPID the entry does it.
// W1.
func (e *Engine) dropLinear() {
	switch {
	case e.controls.Proc2&vmx.Proc2EnableVPID == 0:
	case e.f.caps.INVVPIDSingle:
		e.ops.invvpid(vmx.INVVPIDSingle, uint64(e.vpid), 0)
	default:
		e.ops.invvpid(vmx.INVVPIDAll, 0, 0)
	}
}

// queue makes info the event of the next entry. An interrupt that was waiting
// there stands back for an exception; two others were joined by the caller. W1.
func (e *Engine) queue(info vmx.InterruptionInfo, code uint32) {
	if e.event.Valid() && e.event.Type() == vmx.ExternalInterrupt && info.Type() != vmx.ExternalInterrupt {
		e.deferred = e.event
	}
	e.event, e.eventError = info, code
	e.ask = true
}

// requeue injects again what an exit cut short, for exits that the loop handles
// itself (SDM Vol. 3C, 28.2.4). Software events run again by themselves: RIP
// stands at their instruction. W1.
func (e *Engine) requeue() {
	i := vmx.InterruptionInfo(e.frame.IDTVectoring)
	if !i.Valid() {
		return
	}
	switch i.Type() {
	case vmx.SoftwareInterrupt, vmx.SoftwareException, vmx.PrivilegedException:
		return
	}
	code := uint32(0)
	if i.HasError() {
		code = uint32(e.rd(vmx.IDT_VECTORING_ERROR_CODE))
	}
	if i.Type() == vmx.NMI {
		e.openNMI()
	}
	e.queue(i&^(1<<12), code)
}

// openNMI ends the blocking of NMIs for one whose delivery was cut short: it is
// injected again, and the processor refuses that while it blocks. W1.
func (e *Engine) openNMI() {
	e.setInterruptible(e.frame.Interruptible &^ uint64(vmx.BlockingByNMI))
}

// setInterruptible writes the interruptibility state if it changed. W1.
func (e *Engine) setInterruptible(v uint64) {
	if v != e.frame.Interruptible {
		e.frame.Interruptible = v
		e.wr(vmx.GUEST_INTERRUPTIBILITY, v)
	}
}

// settleShadow applies what SetInterruptShadow asked for. W1.
func (e *Engine) settleShadow() {
	n := e.frame.Interruptible &^ uint64(vmx.BlockingBySTI|vmx.BlockingByMOVSS)
	if e.shadow == shadowSet {
		// Blocking by STI needs IF; MOV SS blocks without.
		if e.frame.RFLAGS&reg.RFLAGS_IF != 0 {
			n |= uint64(vmx.BlockingBySTI)
		} else {
			n |= uint64(vmx.BlockingByMOVSS)
		}
	}
	e.shadow = shadowKeep
	e.setInterruptible(n)
}

// windows are the controls that inject turns on and off.
const windows = vmx.ProcInterruptWindowExiting | vmx.ProcNMIWindowExiting

// inject chooses the event of this entry: a queued one, an NMI, or the interrupt
// that the APIC offers; what has to wait opens a window. W1.
func (e *Engine) inject() {
	var vector uint8
	var irq bool
	if e.lent.from == nil {
		vector, irq = e.fast.PendingInterrupt()
	} else {
		vector, irq = e.lend()
	}
	if e.shadow != shadowKeep {
		e.settleShadow()
	}
	if !irq && !e.nmiPending && !e.event.Valid() {
		if e.proc&windows != 0 {
			e.setProc(e.proc &^ windows)
		}
		return
	}
	proc := e.proc &^ windows
	state := vmx.Interruptibility(e.frame.Interruptible)
	const blocked = vmx.BlockingBySTI | vmx.BlockingByMOVSS
	var now vmx.InterruptionInfo
	// It stood back for an exception whose handler runs with interrupts off; the
	// processor would refuse it now. An NMI does not wait behind it: its window would
	// end the guest again and again before the first instruction.
	wait := e.event.Type() == vmx.ExternalInterrupt && e.event.Valid() && (e.frame.RFLAGS&reg.RFLAGS_IF == 0 || state&blocked != 0)
	if wait {
		proc |= vmx.ProcInterruptWindowExiting
	}
	switch {
	case e.event.Valid() && !wait:
		now = e.event
		if now.HasError() {
			e.wr(vmx.ENTRY_EXCEPTION_ERROR_CODE, uint64(e.eventError))
		}
		e.event = e.deferred
		e.deferred = 0
	case e.nmiPending && state&(blocked|vmx.BlockingByNMI) == 0:
		e.nmiPending, e.nmiAgain = e.nmiAgain, false
		now = vmx.MakeInfo(uint8(reg.NMI), vmx.NMI, false)
	}
	if irq {
		if !now.Valid() && e.frame.RFLAGS&reg.RFLAGS_IF != 0 && state&blocked == 0 {
			e.fast.AckInterrupt(vector)
			now = vmx.MakeInfo(vector, vmx.ExternalInterrupt, false)
		} else {
			proc |= vmx.ProcInterruptWindowExiting
		}
	}
	if e.nmiPending && e.f.caps.VirtualNMIs() {
		proc |= vmx.ProcNMIWindowExiting
	}
	if now.Valid() {
		e.wr(vmx.ENTRY_INTERRUPTION_INFO, uint64(now))
	}
	e.setProc(proc)
}
