package vmxcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// quiet are the kinds whose handling by Fast cannot make an interrupt pending on
// this processor or move its deadline: after them the questions of consult are not
// asked again. What others raise comes with a Kick.
const quiet uint64 = 1<<vcpu.KindCPUID | 1<<vcpu.KindHypercall | 1<<vcpu.KindRDTSC | 1<<vcpu.KindRDMSR | 1<<vcpu.KindPIO

// loop runs the guest until ordinary Go is needed. W1: on the system stack, inside
// a blocking system call. x is filled with the exit that ends it.
func (e *Engine) loop(x *vcpu.Exit) {
	e.fault, e.ask, e.turns = faultNone, true, guardTurns
	e.ops.cli()
	if e.inside == hostcpu.MustEnter {
		e.away = e.fast.Away()
		e.host.EnterGuest()
	}
	e.inside = hostcpu.InGuest
	cpu, ok := e.arrive(true)
	if !ok {
		e.leave()
		return
	}
	for {
		if e.turns--; e.turns == 0 {
			if e.ask = true; !e.interrupt() {
				e.leave()
				return
			}
			cpu = e.active - 1
		}
		// where is set: from here on a Kick is either seen or sends an
		// interrupt that ends the guest at once.
		if e.kicked.Load() != 0 {
			e.kicked.Store(0)
			e.ask = true
			x.Kind, x.InstLen, x.RIP, x.Event.Valid = vcpu.KindKick, 0, e.frame.RIP, false
			switch e.fast.FastExit(x) {
			case vcpu.Return:
				e.leave()
				return
			case vcpu.Block:
				if cpu, ok = e.block(); !ok {
					return
				}
				continue
			}
		}
		if e.fresh || e.ask || e.shadow != shadowKeep || e.deadline != 0 || e.t.gen.Load() != e.seen.Load() {
			e.prepare(cpu)
		}
		if fl := e.ops.enter(&e.frame); fl != vmx.Succeed || e.frame.EntryFailed() {
			e.entryFailed(x, fl)
			e.leave()
			return
		}
		e.finish()

		r := e.frame.ExitReason()
		if r == vmx.Exit_WRMSR && uint32(e.frame.GPR[vcpu.RCX])-uint32(reg.STAR) <= uint32(reg.SFMASK-reg.STAR) && e.ownWRMSR() {
			continue
		}
		if r < vmx.NumExitReasons && own[r] {
			done, ok := e.ownExit(r, x)
			if !ok {
				e.leave()
				return
			}
			if done {
				cpu = e.active - 1
				continue
			}
		}
		e.decode(x)
		switch verdict := e.fast.FastExit(x); verdict {
		case vcpu.Resume, vcpu.ResumeQuiet:
			if verdict == vcpu.Resume && quiet>>x.Kind&1 == 0 {
				e.ask = true
			}
			if e.frame.Interruptible != 0 && e.frame.RIP != e.rip {
				e.shadow = shadowClear
			}
		case vcpu.Block:
			if cpu, ok = e.block(); !ok {
				return
			}
		default:
			if verdict == vcpu.Yield { // not a case: exits that are frequent pay for each
				if e.yield() {
					cpu = e.active - 1
					continue
				}
			}
			e.leave()
			return
		}
	}
}

// yield gives the processor to a thread that waits for it, if the host knows of one.
// It says whether the guest can go on.
func (e *Engine) yield() bool {
	e.shadow = shadowClear
	if h := e.host; h.Yield != nil && h.Contended != nil && h.Contended() {
		h.Yield()
		e.ask = true
		return e.interrupt()
	}
	e.turns = min(e.turns, pauseTurns)
	return true
}

// own are the exits that the loop may handle itself.
var own = [vmx.NumExitReasons]bool{
	vmx.Exit_EXTERNAL_INTERRUPT:  true,
	vmx.Exit_PREEMPTION_TIMER:    true,
	vmx.Exit_TPR_BELOW_THRESHOLD: true,
	vmx.Exit_INTERRUPT_WINDOW:    true,
	vmx.Exit_NMI_WINDOW:          true,
	vmx.Exit_MOV_DR:              true,
	vmx.Exit_EXCEPTION_OR_NMI:    true,
	vmx.Exit_VIRTUALIZED_EOI:     true,
}

// ownExit handles an exit that is no business of the virtual CPU. done is false
// when it is after all; ok is false when the processor is lost.
func (e *Engine) ownExit(reason vmx.ExitReason, x *vcpu.Exit) (done, ok bool) {
	switch e.ask = true; reason {
	case vmx.Exit_EXTERNAL_INTERRUPT, vmx.Exit_PREEMPTION_TIMER:
		// A timer that is due exits before the first instruction and before an
		// external interrupt (28.2): the host's interrupts have their turn here
		// too, or a guest whose timer is always due would hold them off for ever.
		e.requeue()
		if !e.interrupt() {
			return false, false
		}
		x.Kind, x.RIP, x.Event.Valid = vcpu.KindInterrupt, e.frame.RIP, false
		e.fast.FastExit(x) // counts
		return true, true
	case vmx.Exit_INTERRUPT_WINDOW:
		e.setProc(e.proc &^ vmx.ProcInterruptWindowExiting)
	case vmx.Exit_VIRTUALIZED_EOI:
		e.lent.from.Ended(uint8(e.frame.Qualification)) // a trap: RIP is behind it
	case vmx.Exit_NMI_WINDOW:
		e.setProc(e.proc &^ vmx.ProcNMIWindowExiting)
	case vmx.Exit_MOV_DR:
		if e.drUsed {
			return false, true
		}
		e.giveDR()
	case vmx.Exit_EXCEPTION_OR_NMI:
		if !e.isNMI() {
			return false, true
		}
		e.requeue()
		e.ops.takeNMI()
		return true, true
	}
	e.requeue() // inject looks at what is due
	return true, true
}

// arrive takes possession of this processor and says which it is. Interrupts are
// off. first is set where the thread may be another than before.
func (e *Engine) arrive(first bool) (cpu int, ok bool) {
	cpu = e.host.CPU()
	e.fresh = true
	e.where.Store(uint32(cpu) + 1)
	pc := &e.f.cpus[cpu]
	if e.active != cpu+1 || pc.current != e.vmcsPA {
		if !e.take(cpu) {
			return cpu, false
		}
		pc = &e.f.cpus[cpu] // not kept over the call: most exits make none
	}
	pc.armed = ^uint64(0) // the host's timer may have fired, or been set anew
	if pc.owner != e.id {
		pc.owner = e.id
		e.frame.Mitigate |= e.f.cure.Switch
	}
	if first {
		if fs := e.ops.rdmsr(uint32(reg.FSBase)); fs != e.hostFS {
			e.hostFS = fs
			e.wr(vmx.HOST_FS_BASE, fs)
		}
		if cr3 := e.ops.readCR3(); cr3 != e.hostCR3 {
			e.hostCR3 = cr3
			e.wr(vmx.HOST_CR3, cr3)
		}
	}
	if e.away {
		e.away = false
		if e.fast.Back() {
			e.flush = true
		}
	}
	return cpu, true
}

// take makes the VMCS current on this processor, where another was.
//
//go:noinline
func (e *Engine) take(cpu int) bool {
	pc := &e.f.cpus[cpu]
	switch {
	case !pc.on && !e.enable(pc):
		e.fault = faultVMXON
		return false
	case e.active == 0:
		return e.activate(pc, cpu)
	case e.active != cpu+1:
		e.fault = faultMoved
		return false
	case e.ops.vmptrld(e.vmcsPA) != vmx.Succeed:
		e.fault = faultVMCS
		return false
	}
	pc.current = e.vmcsPA
	return true
}

// enable makes the processor enter VMX operation (SDM Vol. 3C, 24.6, 24.7).
func (e *Engine) enable(pc *perCPU) bool {
	if e.f.caps.MustUnlock {
		fc := uint32(reg.FEATURE_CONTROL)
		if v := e.ops.rdmsr(fc); v&reg.FeatureControlLock == 0 {
			e.ops.wrmsr(fc, v|reg.FeatureControlLock|reg.FeatureControlVMXOutsideSMX)
		}
	}
	e.ops.writeCR4(e.ops.readCR4() | reg.CR4_VMXE)
	if e.ops.vmxon(pc.region) != vmx.Succeed {
		return false
	}
	if v := e.f.cure.SpecCtrl; v != 0 {
		// For good: guests have no SPEC_CTRL and run with the host's.
		e.ops.wrmsr(uint32(reg.SPEC_CTRL), v)
	}
	e.ops.readHost(&pc.host)
	e.ops.readMSRs(&pc.msrs, e.f.aux)
	pc.on = true
	return true
}

// activate makes the VMCS active and current on this processor, where it has
// never been or was taken off by Detach.
func (e *Engine) activate(pc *perCPU, cpu int) bool {
	if pa := pc.dead.Load(); pa != 0 {
		e.ops.vmclear(pa)
		if pc.current == pa {
			pc.current = 0
		}
		pc.dead.Store(0)
		e.host.Free(pa, 1)
	}
	if e.ops.vmclear(e.vmcsPA) != vmx.Succeed || e.ops.vmptrld(e.vmcsPA) != vmx.Succeed {
		e.fault = faultVMCS
		return false
	}
	pc.current = e.vmcsPA
	e.active = cpu + 1
	e.frame.Forget()
	if !e.inited {
		e.inited = true
		e.initVMCS()
	}
	e.writeHost(&pc.host)
	e.hostFS, e.hostCR3 = ^uint64(0), ^uint64(0)
	e.seen.Store(^uint64(0)) // nothing flushed here yet
	e.flush = true
	return true
}

// interrupt lets the host take what is pending. The thread may be switched away
// meanwhile, and its extended state with it; another engine may run here.
func (e *Engine) interrupt() bool {
	if e.live {
		e.giveBack()
	}
	e.where.Store(0)
	e.turns = guardTurns
	e.away = e.fast.Away()
	e.ops.takeInterrupts()
	cpu, ok := e.arrive(false)
	if ok && e.live {
		e.takeOver(cpu)
	}
	return ok
}

// block sleeps until something may have changed: a kick, the deadline, an
// interrupt that the guest can take. If it fails interrupts are on again.
func (e *Engine) block() (cpu int, ok bool) {
	if e.spins && e.look() {
		return e.active - 1, true
	}
	e.saveState()
	e.where.Store(0)
	e.away = e.fast.Away()
	slept := false
	for e.kicked.Load() == 0 {
		deadline := uint64(0)
		if e.frame.RFLAGS&reg.RFLAGS_IF != 0 {
			if _, ok := e.fast.PendingInterrupt(); ok {
				break
			}
			deadline = e.fast.Deadline()
		}
		slept = true
		e.parked.Store(1)
		e.ops.sti()
		e.host.Park(e.word(), 0, deadline)
		e.ops.cli()
		e.parked.Store(0)
	}
	if e.spins && slept {
		e.poll.Slept(e.host)
	}
	e.ask = true
	if cpu, ok = e.arrive(false); !ok {
		e.leave()
	}
	return cpu, ok
}

// look waits a moment for a kick, with the guest's state where it is. Another engine
// does not send an interrupt meanwhile: where is 0.
func (e *Engine) look() bool {
	until := uint64(0)
	if e.frame.RFLAGS&reg.RFLAGS_IF != 0 {
		if _, ok := e.fast.PendingInterrupt(); ok {
			return false
		}
		until = e.fast.Deadline()
	}
	cpu := e.where.Load()
	e.where.Store(0)
	kicked := e.poll.Look(e.host, &e.kicked, until)
	if kicked {
		e.ask = true
		e.where.Store(cpu)
	}
	return kicked
}

// leave ends the loop: ordinary Go runs next.
func (e *Engine) leave() {
	e.saveState()
	e.where.Store(0)
	e.inside = hostcpu.InGo
	e.ops.sti()
}
