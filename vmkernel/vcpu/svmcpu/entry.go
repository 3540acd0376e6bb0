package svmcpu

import (
	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
)

// crWriteCR8 is the intercept bit of MOV to CR8.
const crWriteCR8 = 1 << 8

// prepare makes the VMCB ready for VMRUN. W1.
func (e *Engine) prepare() {
	c, s := &e.vmcb.Control, &e.vmcb.Save
	if e.ask {
		e.consult()
	}
	// The generation is read after where was stored: a shootdown either sees
	// us here or we see its generation.
	gen := e.t.gen.Load()
	if pc := &e.f.cpus[e.cpu]; gen != e.seen.Load() || e.flush || e.asid.gen != pc.asids.gen || e.asid.cpu != e.cpu {
		e.flush = e.flush || gen != e.seen.Load()
		e.seen.Store(gen)
		c.TLBControl = pc.asids.assign(&e.asid, e.cpu, e.flush)
		c.ASID = e.asid.n
		e.clean &^= svm.CleanASID
		e.flush = false
	}
	if !e.live {
		e.loadState()
	}
	c.Clean = e.clean & e.f.clean
	s.RAX, s.RSP = e.regs.GPR[0], e.regs.GPR[4]
	s.RIP, s.RFLAGS = e.regs.RIP, e.regs.RFLAGS
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
		e.host.SetDeadline(d)
	}
	if e.tpr != nil {
		e.vtpr = e.tpr.TaskPriority() & 15
		if c.VTPR != e.vtpr {
			c.VTPR = e.vtpr
			e.clean &^= svm.CleanTPR
		}
	}
	if e.f.cfg.Caps.TSCAUX && pc.tscAux != e.aux {
		pc.tscAux = e.aux
		e.ops.wrmsr(uint32(reg.TSC_AUX), e.aux)
	}
}

// finish takes what VMRUN left. W1.
func (e *Engine) finish() {
	c, s := &e.vmcb.Control, &e.vmcb.Save
	e.regs.GPR[0], e.regs.GPR[4] = s.RAX, s.RSP
	e.regs.RIP, e.regs.RFLAGS = s.RIP, s.RFLAGS
	e.rip = s.RIP
	e.clean = ^uint32(0)
	e.frame.Mitigate = e.f.mitigate
	c.TLBControl = svm.TLBNothing
	c.EventInj = 0
	if t := c.VTPR & 15; t != e.vtpr && e.tpr != nil {
		e.tpr.SetTaskPriority(t)
		e.ask = true
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
	switch {
	case e.event.Valid():
		c.EventInj = e.event
		e.event = e.deferred
		e.deferred = 0
		if c.EventInj.Type() == svm.EventNMI {
			e.nmiTaken()
		}
	case e.nmi.pending && !e.nmi.blocked && c.Shadow&svm.ShadowSTI == 0:
		e.nmi.pending = false
		c.EventInj = svm.MakeEvent(uint8(reg.NMI), svm.EventNMI, false, 0)
		e.nmiTaken()
	}
	vector, ok := e.fast.PendingInterrupt()
	if !ok {
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
	if !e.window {
		e.openWindow()
	}
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
