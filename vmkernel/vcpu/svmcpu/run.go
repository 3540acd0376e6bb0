package svmcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// quiet are the kinds whose handling by Fast cannot make an interrupt pending on
// this processor or move its deadline: after them the questions of consult are not
// asked again. What others raise comes with a Kick.
const quiet uint64 = 1<<vcpu.KindCPUID | 1<<vcpu.KindHypercall | 1<<vcpu.KindRDTSC | 1<<vcpu.KindRDMSR

// loop runs the guest until ordinary Go is needed. W1: on the system stack, inside
// a blocking system call. x is filled with the exit that ends it.
func (e *Engine) loop(x *vcpu.Exit) {
	e.ops.cli()
	if e.inside == hostcpu.MustEnter {
		e.away = e.fast.Away()
		e.host.EnterGuest()
	}
	e.inside = hostcpu.InGuest
	e.ask = true
	e.arrive()
	c := &e.vmcb.Control
	for {
		// where is set: from here on a Kick is either seen or sends an
		// interrupt that ends the guest at once.
		if e.kicked.Load() != 0 {
			e.kicked.Store(0)
			e.ask = true
			x.Kind, x.InstLen, x.RIP, x.Event.Valid = vcpu.KindKick, 0, e.regs.RIP, false
			switch e.fast.FastExit(x) {
			case vcpu.Return:
				e.leave()
				return
			case vcpu.Block:
				e.block()
				continue
			}
		}
		rip := e.regs.RIP
		e.cross()

		code, kind := c.ExitCode, vcpu.KindNone
		if i := code - svm.VMEXIT_INTR; i < svm.ExitCode(len(kinds)) {
			kind = kinds[i]
		}
		switch kind {
		case vcpu.KindInterrupt:
			e.requeue()
			e.keepShadow(rip)
			e.interrupt()
			x.Kind, x.Event.Valid = vcpu.KindInterrupt, false
			e.fast.FastExit(x) // counts
			continue
		case vcpu.KindIRQWindow:
			e.requeue()
			e.closeWindow()
			if !e.keepShadow(rip) {
				continue
			}
			x.Kind, x.InstLen, x.RIP, x.Event.Valid = kind, 0, rip, false
		case vcpu.KindNMIWindow:
			e.requeue()
			e.nmiReturn()
			continue
		case vcpu.KindNone:
			if code == svm.VMEXIT_EXCP+svm.ExitCode(reg.DB) && e.nmi.stepping && e.nmiStepped() {
				continue
			}
			if code >= svm.VMEXIT_DR_READ && code < svm.VMEXIT_EXCP && !e.drUsed {
				e.requeue()
				e.giveDR()
				continue
			}
			e.decodeOther(x)
		default:
			e.decode(x, kind)
		}
		switch verdict := e.fast.FastExit(x); verdict {
		case vcpu.Resume, vcpu.ResumeQuiet:
			// IN is quiet, OUT may end an interrupt in the PIC.
			if quiet>>x.Kind&1 == 0 && verdict == vcpu.Resume && !(x.Kind == vcpu.KindPIO && x.PIO.In) {
				e.ask = true
			}
			if e.regs.RIP != e.rip {
				c.Shadow = 0
			}
		case vcpu.Block:
			e.block()
		default:
			if verdict == vcpu.Yield { // not a case: exits that are frequent pay for each
				c.Shadow = 0
				e.yield()
				continue
			}
			e.leave()
			return
		}
	}
}

// yield gives the processor to a thread that waits for it, if the host knows of one.
func (e *Engine) yield() {
	if h := e.host; h.Yield != nil && h.Contended != nil && h.Contended() {
		h.Yield()
		e.interrupt()
	}
}

// arrive takes possession of this processor. Interrupts are off.
func (e *Engine) arrive() {
	cpu := e.host.CPU()
	e.where.Store(uint32(cpu) + 1)
	pc := &e.f.cpus[cpu]
	if !pc.on {
		e.enable(pc)
	}
	// The host's FS base belongs to this thread, the rest to this CPU.
	e.ops.saveHost(e.frame.Host)
	if cpu != e.cpu {
		e.cpu = cpu
		e.clean = 0
	}
	pc.armed = ^uint64(0) // the host's timer may have been set anew
	if pc.owner != e.id {
		pc.owner = e.id
		e.frame.Mitigate |= e.f.cure.Switch
		if e.live && e.drUsed {
			e.ops.loadDR(&e.dr)
		}
	}
	e.ask = true
	if e.away {
		e.away = false
		if e.fast.Back() {
			e.flush = true
		}
	}
	if e.flush || e.asid.cpu != cpu || e.asid.gen != pc.asids.gen {
		e.tag = true
	}
}

// enable switches the processor to SVM (APM Vol. 2, 15.4, 15.30.4).
func (e *Engine) enable(pc *perCPU) {
	e.ops.wrmsr(uint32(reg.EFER), e.ops.rdmsr(uint32(reg.EFER))|reg.EFER_SVME|e.f.cure.EFER)
	for i := range e.f.cure.Set {
		b := &e.f.cure.Set[i]
		e.ops.wrmsr(uint32(b.MSR), e.ops.rdmsr(uint32(b.MSR))|b.Mask)
	}
	e.ops.wrmsr(uint32(reg.VM_HSAVE_PA), pc.hsave)
	pc.on = true
}

// interrupt lets the host take what is pending. The thread may be switched away
// meanwhile, and its extended state with it.
func (e *Engine) interrupt() {
	if e.live {
		e.ops.hostXCR0(&e.ext)
		if e.drUsed {
			e.ops.saveDR(&e.dr)
		}
	}
	e.where.Store(0)
	e.guardReturns()
	e.away = e.fast.Away()
	e.ops.takeInterrupts()
	e.arrive()
	if e.live {
		e.ops.guestXCR0(&e.ext)
	}
}

// guardReturns keeps the guest's predictions from the host code that follows.
func (e *Engine) guardReturns() {
	if e.f.cure.Leave {
		e.ops.wrmsr(uint32(reg.PRED_CMD), reg.PRED_CMD_IBPB)
	}
	if e.f.cure.Always&svm.MitigateRSB != 0 {
		e.ops.fillRSB()
	}
}

// block sleeps until something may have changed: a kick, the deadline, an
// interrupt that the guest can take.
func (e *Engine) block() {
	if e.spins && e.look() {
		return
	}
	e.saveState()
	e.where.Store(0)
	e.guardReturns()
	e.away = e.fast.Away()
	slept := false
	for e.kicked.Load() == 0 {
		deadline := uint64(0)
		if e.regs.RFLAGS&reg.RFLAGS_IF != 0 {
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
	e.arrive()
}

// look waits a moment for a kick, with the guest's state where it is. Another engine
// does not send an interrupt meanwhile: where is 0.
func (e *Engine) look() bool {
	until := uint64(0)
	if e.regs.RFLAGS&reg.RFLAGS_IF != 0 {
		if _, ok := e.fast.PendingInterrupt(); ok {
			return false
		}
		until = e.fast.Deadline()
	}
	cpu := e.where.Load()
	e.where.Store(0)
	kicked := e.poll.Look(e.host, &e.kicked, until)
	if kicked {
		e.where.Store(cpu)
	}
	return kicked
}

// leave ends the loop: ordinary Go runs next.
func (e *Engine) leave() {
	e.saveState()
	e.where.Store(0)
	e.guardReturns()
	e.inside = hostcpu.InGo
	e.ops.sti()
}
