package svmcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
)

// crWriteCR8 is the intercept bit of MOV to CR8.
const crWriteCR8 = 1 << 8

// cross runs the guest once: it makes the VMCB ready, enters, and takes what VMRUN
// left. One function, because every instruction here is paid by every exit. W1.
func (e *Engine) cross() {
	if e.ask {
		e.consult()
	}
	if !e.live {
		e.loadState()
	}
	c, s := &e.vmcb.Control, &e.vmcb.Save
	// The generation is read after where was stored: a shootdown either sees
	// us here or we see its generation.
	if gen := e.t.gen.Load(); e.tag || gen != e.seen.Load() {
		e.assign(gen)
	}
	c.Clean = e.clean & e.f.clean
	s.RAX, s.RSP = e.regs.GPR[0], e.regs.GPR[4]
	s.RIP, s.RFLAGS = e.regs.RIP, e.regs.RFLAGS
	e.sti = c.Shadow&svm.ShadowSTI != 0

	e.ops.enter(&e.regs.GPR, &e.frame)

	e.regs.GPR[0], e.regs.GPR[4] = s.RAX, s.RSP
	e.regs.RIP, e.regs.RFLAGS = s.RIP, s.RFLAGS
	e.rip = s.RIP
	e.clean = ^uint32(0)
	c.TLBControl = svm.TLBNothing
	c.EventInj = 0
	if c.VTPR&15 != e.vtpr {
		e.taskPriority()
	}
}

// assign makes the ASID valid for this processor, and for generation gen of the
// nested table.
func (e *Engine) assign(gen uint64) {
	c := &e.vmcb.Control
	flush := e.flush || gen != e.seen.Load()
	e.seen.Store(gen)
	c.TLBControl = e.f.cpus[e.cpu].asids.assign(&e.asid, e.cpu, flush)
	c.ASID = e.asid.n
	e.clean &^= svm.CleanASID
	e.flush, e.tag = false, false
}

// taskPriority passes on a CR8 that the guest has written.
func (e *Engine) taskPriority() {
	e.vtpr = e.vmcb.Control.VTPR & 15
	if e.tpr != nil {
		e.tpr.SetTaskPriority(e.vtpr)
	}
	e.ask = true
}

// consult asks Fast for interrupts, deadline and task priority, and sets what is
// switched only when another engine ran here. W1.
func (e *Engine) consult() {
	c, pc := &e.vmcb.Control, &e.f.cpus[e.cpu]
	e.inject()
	// An interrupt behind this event, or an NMI that the shadow holds back.
	e.ask = e.event.Valid() || e.nmi.pending && !e.nmi.blocked

	if d := e.fast.Deadline(); d != pc.armed {
		pc.armed = d
		if d != 0 {
			e.host.SetDeadline(d)
		}
	}
	if e.tpr != nil {
		e.vtpr = e.tpr.TaskPriority() & 15
		if c.VTPR != e.vtpr {
			c.VTPR = e.vtpr
			e.clean &^= svm.CleanTPR
		}
		e.watchTPR()
	}
	if e.f.cfg.Caps.TSCAUX && pc.tscAux != e.aux {
		pc.tscAux = e.aux
		e.ops.wrmsr(uint32(reg.TSC_AUX), e.aux)
	}
}

// watchTPR makes the guest leave when it lowers its priority: an interrupt may wait
// for that, and nobody would look before the next exit. At priority 0 none does. W1.
func (e *Engine) watchTPR() {
	c := &e.vmcb.Control
	v := c.InterceptCRWrite &^ crWriteCR8
	if e.window || e.vtpr != 0 {
		v |= crWriteCR8
	}
	if v != c.InterceptCRWrite {
		c.InterceptCRWrite = v
		e.clean &^= svm.CleanIntercepts
	}
}

// queue makes ev the event of the next entry. An interrupt that was waiting there
// stands back for an exception; two others were joined by the caller.
func (e *Engine) queue(ev svm.EventInfo) {
	if e.event.Valid() && e.event.Type() == svm.EventINTR && ev.Type() != svm.EventINTR {
		e.deferred = e.event
	}
	e.event = ev
	e.ask = true
}

// requeue injects again what an exit cut short, for exits that the loop handles
// itself. INTn, INT3 and INTO run again by themselves: RIP stands at them (APM
// Vol. 2, 15.7.2). W1.
func (e *Engine) requeue() {
	i := e.vmcb.Control.ExitIntInfo
	if !i.Valid() || i.Type() == svm.EventSoft {
		return
	}
	if i.Type() == svm.EventException && (i.Vector() == uint8(reg.BP) || i.Vector() == uint8(reg.OF)) {
		return
	}
	e.queue(i)
}

// inject chooses the event of this entry: a queued one, an NMI, or the interrupt
// that the APIC offers; what has to wait opens a window. W1.
func (e *Engine) inject() {
	c := &e.vmcb.Control
	c.EventInj = 0
	open := e.regs.RFLAGS&reg.RFLAGS_IF != 0 && c.Shadow&svm.ShadowSTI == 0
	// It stood back for an exception whose handler runs with interrupts off;
	// EVENTINJ does not look at IF (15.20).
	wait := e.event.Valid() && e.event.Type() == svm.EventINTR && !open
	switch {
	case e.event.Valid() && !wait:
		c.EventInj = e.event
		e.event = e.deferred
		e.deferred = 0
		if c.EventInj.Type() == svm.EventNMI {
			e.nmiTaken()
		}
	case e.nmi.pending && !e.nmi.blocked && c.Shadow&svm.ShadowSTI == 0:
		e.nmi.pending, e.nmi.again = e.nmi.again, false
		c.EventInj = svm.MakeEvent(uint8(reg.NMI), svm.EventNMI, false, 0)
		e.nmiTaken()
	}
	vector, ok := e.fast.PendingInterrupt()
	if !ok && !wait {
		if e.window {
			e.closeWindow()
		}
		return
	}
	if open && !c.EventInj.Valid() {
		e.fast.AckInterrupt(vector)
		c.EventInj = svm.MakeEvent(vector, svm.EventINTR, false, 0)
		if e.window {
			e.closeWindow()
		}
		return
	}
	// The processor keeps V_IRQ until it takes it, which it never does; QEMU 7.2 may
	// forget it when an interrupt of the host comes at the same moment.
	if !e.window || c.VIRQ&svm.VIRQPending == 0 {
		e.openWindow()
	}
}

// keepShadow is for an exit that comes before the instruction behind an STI: the shadow
// is still there, whatever the VMCB says. QEMU 7.2 does not take it from the VMCB at the
// entry, and a guest whose interrupt came between STI and HLT would sleep for ever. A
// window that opens there is an exit for ordinary Go, which looks at the instruction: one
// that jumps to itself leaves RIP where it was, too, and the shadow must end. W1.
func (e *Engine) keepShadow(rip uint64) (kept bool) {
	c := &e.vmcb.Control
	if !e.sti || e.regs.RIP != rip || c.Shadow&svm.ShadowSTI != 0 {
		return false
	}
	c.Shadow |= svm.ShadowSTI
	return true
}

// openWindow asks for a VINTR exit as soon as the guest can take an interrupt
// (APM Vol. 2, 15.21.4). The virtual interrupt itself is never delivered. The
// vector must not be below the class of V_TPR, so TPR is ignored. W1.
func (e *Engine) openWindow() {
	c := &e.vmcb.Control
	e.window = true
	c.VIRQ |= svm.VIRQPending
	c.VPrio = svm.VPrioMax | svm.VIgnoreTPR
	c.Intercept1 |= svm.Intercept1VINTR
	c.InterceptCRWrite |= crWriteCR8
	e.clean &^= svm.CleanIntercepts | svm.CleanTPR
}

func (e *Engine) closeWindow() {
	c := &e.vmcb.Control
	e.window = false
	e.ask = true
	c.VIRQ &^= svm.VIRQPending
	c.Intercept1 &^= svm.Intercept1VINTR
	if e.tpr != nil {
		c.InterceptCRWrite &^= crWriteCR8
	}
	e.clean &^= svm.CleanIntercepts | svm.CleanTPR
}
