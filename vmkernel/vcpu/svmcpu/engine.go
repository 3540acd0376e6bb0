package svmcpu

import (
	"fmt"
	"sync/atomic"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// Engine is one virtual CPU on AMD-V. It implements vcpu.Engine.
type Engine struct {
	f    *Factory
	host *hostcpu.Host
	ops  *ops
	fast vcpu.Fast
	tpr  vcpu.TaskPriority // nil: CR8 always exits
	vtpr uint8             // V_TPR at the last entry
	t    *table
	id   uint64
	vmcb *svm.VMCB

	regs  vcpu.Regs
	frame svm.Frame
	ext   svm.ExtendedState
	dr    [4]uint64
	aux   uint64 // the guest's TSC_AUX
	cache uint64 // CD and NW of CR0 as the guest has set them
	efer  uint64 // the guest's EFER

	where  atomic.Uint32 // CPU + 1 while the guest may run there, else 0
	kicked atomic.Uint32 // someone wants attention
	inside uint32        // hostcpu.InGo, InGuest or MustEnter
	parked atomic.Uint32
	seen   atomic.Uint64 // generation of the table that the TLB is clean for

	spins bool         // there are others: set before any of them runs
	poll  hostcpu.Poll // of kicks, when halted

	cpu      int  // where the last entry was, -1 before
	ask      bool // consult has to ask Fast
	tag      bool // the ASID has to be looked at
	asid     asid
	away     bool          // Fast.Away was told
	sti      bool          // the last entry was in the shadow of an STI
	flush    bool          // drop the guest's translations
	live     bool          // the guest's extended state is in the processor
	drUsed   bool          // the guest owns the debug registers
	event    svm.EventInfo // to inject at the next entry
	deferred svm.EventInfo // an interrupt that had to stand back
	window   bool          // VINTR intercept is set
	nmi      nmiState
	rip      uint64 // at the last exit
	clean    uint32

	xsave           []byte
	vmcbPA, xsavePA uint64
	xsavePages      int
	closed          bool
}

// NewEngine implements vcpu.Factory.
func (f *Factory) NewEngine(index int, nt vcpu.NestedTable, fast vcpu.Fast) (vcpu.Engine, error) {
	t, ok := nt.(*table)
	if !ok {
		return nil, ErrOtherTable
	}
	e := &Engine{f: f, host: f.host, ops: f.ops, fast: fast, t: t, id: f.ids.Add(1), cpu: -1, asid: asid{cpu: -1}}
	e.tpr, _ = fast.(vcpu.TaskPriority)
	var ok1, ok2, ok3 bool
	e.vmcbPA, ok1 = f.host.Alloc(1, 1)
	e.frame.Host, ok2 = f.host.Alloc(1, 1)
	e.xsavePages = (f.cfg.XSAVESize + 4095) >> 12
	e.xsavePA, ok3 = f.host.Alloc(e.xsavePages, 1)
	if !ok1 || !ok2 || !ok3 {
		e.free(ok1, ok2, ok3)
		return nil, fmt.Errorf("svmcpu: virtual CPU %d: %w", index, ErrNoMemory)
	}
	e.vmcb = f.vmcb(e.vmcbPA)
	e.frame.VMCB = e.vmcbPA
	e.frame.Mitigate = f.cure.Always
	e.xsave = f.bytes(e.xsavePA, f.cfg.XSAVESize)
	e.xsave[0], e.xsave[1] = 0x40, 0 // FCW after reset
	e.xsave[24], e.xsave[25] = 0x80, 0x1F
	e.ext = svm.ExtendedState{Area: f.host.Virt(e.xsavePA), HostXCR0: f.cfg.XCR0, GuestXCR0: reg.XCR0_X87}
	if f.cfg.XCR0 == 0 {
		e.ext.GuestXCR0 = 0
	}
	e.initVMCB()
	t.add(e)
	return e, nil
}

func (e *Engine) free(vmcb, host, xsave bool) {
	if vmcb {
		e.host.Free(e.vmcbPA, 1)
	}
	if host {
		e.host.Free(e.frame.Host, 1)
	}
	if xsave {
		e.host.Free(e.xsavePA, e.xsavePages)
	}
}

// Close implements vcpu.Engine. The owner calls it; Run is over.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.t.remove(e)
	clear(e.xsave)
	e.free(true, true, true)
	return nil
}

// initVMCB sets the controls that never change.
func (e *Engine) initVMCB() {
	c := &e.vmcb.Control
	c.InterceptCRWrite = 1<<0 | 1<<4
	if e.tpr == nil {
		c.InterceptCRRead |= 1 << 8
		c.InterceptCRWrite |= 1 << 8
	}
	c.InterceptDRWrite, c.InterceptDRRead = 0xFF, 0xFF
	// #AC and #DB can repeat for ever inside their own delivery; #MC is the
	// host's.
	c.InterceptExceptions = 1<<reg.DB | 1<<reg.AC | 1<<reg.MC
	c.Intercept1 = svm.BaseIntercept1
	c.Intercept2 = svm.BaseIntercept2
	c.IOPM, c.MSRPM = e.f.iopm, e.f.msrpm
	c.VCtl = svm.VCtlMasking
	c.NestedCtl = svm.NestedPaging
	c.NCR3 = e.t.Root()
	e.vmcb.Save.GPAT = reg.PATReset
	e.vmcb.Save.EFER = reg.EFER_SVME
	e.vmcb.Save.CR0 = reg.CR0_ET
	e.vmcb.Save.DR6, e.vmcb.Save.DR7 = reg.DR6_Reset, reg.DR7_Reset
	e.regs.RFLAGS = reg.RFLAGS_1
}

// Pause filter (APM Vol. 2, 15.14.4): a loop of so many PAUSEs, not further apart than
// so many cycles, is an exit.
const (
	pauseCount     = 3000
	pauseThreshold = 128
)

// meetOthers says that the machine has more than one processor: one may wait for
// another. No engine runs yet.
func (e *Engine) meetOthers() {
	e.spins = true
	if caps := &e.f.cfg.Caps; caps.Has(reg.SVM_PauseFilter) {
		c := &e.vmcb.Control
		c.Intercept1 |= svm.Intercept1PAUSE
		c.PauseFilterCount = pauseCount
		if caps.Has(reg.SVM_PauseFilterThr) {
			c.PauseFilterThresh = pauseThreshold
		}
	}
}

// Run implements vcpu.Engine.
func (e *Engine) Run(x *vcpu.Exit) error {
	if e.closed {
		return fmt.Errorf("svmcpu: Run after Close")
	}
	hostcpu.Block(func() { e.loop(x) })
	return nil
}

// GuestWord implements vcpu.Guarded.
func (e *Engine) GuestWord() *uint32 { return &e.inside }

// Kick implements vcpu.Engine. For any goroutine, and W1.
func (e *Engine) Kick() {
	if e.kicked.Swap(1) != 0 {
		return
	}
	if w := e.where.Load(); w != 0 {
		e.host.Kick(int(w) - 1)
	}
	if e.parked.Load() != 0 {
		e.unpark()
	}
}

// Regs implements vcpu.Engine. W1.
func (e *Engine) Regs() *vcpu.Regs { return &e.regs }

// Inject implements vcpu.Engine. A software interrupt or exception is dropped: RIP
// still stands at its instruction, which simply runs again.
func (e *Engine) Inject(ev vcpu.Event) {
	typ := uint8(svm.EventException)
	switch ev.Type {
	case vcpu.EventExtInt:
		typ = svm.EventINTR
	case vcpu.EventNMI:
		typ = svm.EventNMI
	case vcpu.EventSoftInt:
		return
	}
	e.queue(svm.MakeEvent(ev.Vector, typ, ev.HasError, ev.Error))
}

// DropEvents implements vcpu.Engine.
func (e *Engine) DropEvents() {
	e.event, e.deferred = 0, 0
	e.nmi = nmiState{}
	c := &e.vmcb.Control
	c.EventInj, c.ExitIntInfo = 0, 0
	c.Intercept1 &^= svm.Intercept1IRET
	e.clean &^= svm.CleanIntercepts
}

// Events implements vcpu.Engine.
func (e *Engine) Events() (next, behind vcpu.Event, nmi bool) {
	e.unstep()
	return event(e.event), event(e.deferred), e.nmi.pending
}

func event(i svm.EventInfo) vcpu.Event {
	if !i.Valid() {
		return vcpu.Event{}
	}
	var x vcpu.Exit
	fillEvent(&x, i)
	return x.Event
}

// SetInterruptShadow implements vcpu.Engine. W1.
func (e *Engine) SetInterruptShadow(on bool) {
	if on {
		e.vmcb.Control.Shadow = svm.ShadowSTI
	} else {
		e.vmcb.Control.Shadow = 0
	}
}

// SetTSCOffset implements vcpu.Engine.
func (e *Engine) SetTSCOffset(offset uint64) {
	e.vmcb.Control.TSCOffset = offset
	e.clean &^= svm.CleanIntercepts
}

// XSAVE implements vcpu.Engine.
func (e *Engine) XSAVE() []byte { return e.xsave }

// FlushTLB implements vcpu.Engine.
func (e *Engine) FlushTLB() { e.flush, e.tag = true, true }
