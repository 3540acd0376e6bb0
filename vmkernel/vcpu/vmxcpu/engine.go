package vmxcpu

import (
	"errors"
	"fmt"
	"sync/atomic"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// Errors of Run: the host cannot run this virtual CPU.
var (
	ErrClosed = errors.New("vmxcpu: Run after Close")
	ErrMoved  = errors.New("vmxcpu: the thread changed its processor without Detach")
	ErrVMXON  = errors.New("vmxcpu: the processor refuses VMXON")
	ErrVMCS   = errors.New("vmxcpu: the processor refuses the VMCS")
)

// fault is an error as a number: W1 may not write pointers, and an error is one.
type fault uint8

const (
	faultNone fault = iota
	faultMoved
	faultVMXON
	faultVMCS
)

var faults = [...]error{faultMoved: ErrMoved, faultVMXON: ErrVMXON, faultVMCS: ErrVMCS}

// Engine is one virtual CPU on VT-x. It implements vcpu.Engine.
type Engine struct {
	f    *Factory
	host *hostcpu.Host
	ops  *ops
	fast vcpu.Fast
	tpr  vcpu.TaskPriority // nil: CR8 always exits
	t    *table
	id   uint64

	frame vmx.Frame
	regs  *vcpu.Regs // lies over frame
	ext   vmx.ExtendedState
	dr    vmx.DebugRegisters
	msrs  vmx.MSRs // the guest's
	cr2   uint64   // the guest's, while not live

	spins bool         // there are others: set before any of them runs
	poll  hostcpu.Poll // of kicks, when halted

	where  atomic.Uint32 // CPU + 1 while the guest may run there, else 0
	kicked atomic.Uint32 // someone wants attention
	inside uint32        // hostcpu.InGo, InGuest or MustEnter
	parked atomic.Uint32
	seen   atomic.Uint64 // generation of the table that has been flushed

	controls  vmx.Controls // at the first entry
	vpid      uint16
	shadowTPR bool // MOV CR8 works on the virtual-APIC page
	active    int  // CPU + 1 where the VMCS is active, 0 none
	inited    bool
	live      bool // the guest's extended state, CR2 and MSRs are in the processor
	drUsed    bool // the guest owns the debug registers
	away      bool // Fast.Away was told
	flush     bool // INVVPID before the next entry
	fresh     bool // the next entry follows something else than an exit
	fault     fault
	failFlags vmx.Flags
	pae       bool      // the stored state uses PAE paging
	pdpte     [4]uint64 // its page-directory pointers
	explain   bool      // the VMCS of a failed entry waits to be reported
	reported  bool

	// What the VMCS holds.
	proc, entry    uint32
	hostFS         uint64
	hostCR3        uint64
	timer          uint64
	guard          uint64 // longest value of the timer
	turns          uint32 // exits until the host's interrupts have their turn
	deadline       uint64 // for the timer: Fast's, when it was asked last
	tsc, tscWanted uint64
	threshold      uint64
	lent           lending

	event      vmx.InterruptionInfo // to inject at the next entry
	eventError uint32
	deferred   vmx.InterruptionInfo // an interrupt that had to stand back
	nmiPending bool
	nmiAgain   bool // another waits behind it
	ask        bool // prepare has to ask Fast
	shadow     shadowOp
	rip        uint64 // at the last exit

	// sys is the state to store (pending), or what LoadSystem saw since the
	// last entry (known); old is what the VMCS holds while pending.
	sys, old       vcpu.System
	pending, known bool
	values         [numStateFields]uint64 // of stateFields, as read last
	diff           bool

	xsave                   []byte
	vtpr                    *uint8 // in the virtual-APIC page
	vmcsPA, xsavePA, apicPA uint64
	xsavePages              int
	closed                  bool
}

// shadowOp is what to do with the interrupt shadow before the next entry.
type shadowOp uint8

const (
	shadowKeep shadowOp = iota
	shadowClear
	shadowSet
)

// NewEngine implements vcpu.Factory.
func (f *Factory) NewEngine(index int, nt vcpu.NestedTable, fast vcpu.Fast) (vcpu.Engine, error) {
	t, ok := nt.(*table)
	if !ok {
		return nil, ErrOtherTable
	}
	e := &Engine{f: f, host: f.host, ops: f.ops, fast: fast, t: t, id: f.ids.Add(1)}
	e.regs = regs(&e.frame)
	e.tpr, _ = fast.(vcpu.TaskPriority)
	var ok1, ok2, ok3 bool
	e.vmcsPA, ok1 = f.host.Alloc(1, 1)
	e.apicPA, ok2 = f.host.Alloc(1, 1)
	e.xsavePages = (f.cfg.XSAVESize + 4095) >> 12
	e.xsavePA, ok3 = f.host.Alloc(e.xsavePages, 1)
	if !ok1 || !ok2 || !ok3 {
		e.free(ok1, ok2, ok3)
		return nil, fmt.Errorf("vmxcpu: virtual CPU %d: %w", index, ErrNoMemory)
	}
	f.setRevision(e.vmcsPA, f.caps.Revision)
	e.vtpr = &f.bytes(e.apicPA, 4096)[0x80]
	e.lent.page = f.apicPage(e.apicPA)
	e.xsave = f.bytes(e.xsavePA, f.cfg.XSAVESize)
	e.xsave[0], e.xsave[1] = 0x40, 0 // FCW after reset
	e.xsave[24], e.xsave[25] = 0x80, 0x1f
	e.ext = vmx.ExtendedState{Area: f.host.Virt(e.xsavePA), HostXCR0: f.cfg.XCR0, GuestXCR0: reg.XCR0_X87}
	if f.cfg.XCR0 == 0 {
		e.ext.GuestXCR0 = 0
	}
	if l, ok := fast.(lender); ok && e.tpr != nil && f.virtual && l.Lends() {
		e.lent.from, e.lent.first = l, true
	}
	e.controls = f.controls(e.tpr != nil, e.lent.from != nil)
	e.shadowTPR = e.controls.Proc&vmx.ProcUseTPRShadow != 0
	e.frame.Mitigate = f.cure.Always
	e.guard = max(1, uint64(guardTicks)>>f.caps.PreemptionShift)
	e.vpid = f.allocVPID()
	if e.vpid == 0 {
		e.controls.Proc2 &^= vmx.Proc2EnableVPID
	}
	e.frame.RFLAGS = reg.RFLAGS_1
	e.sys = vcpu.System{CR0: reg.CR0_ET, PAT: reg.PATReset, DR6: reg.DR6_Reset, DR7: reg.DR7_Reset, XCR0: e.ext.GuestXCR0}
	e.pending = true
	t.add(e)
	return e, nil
}

// lender is a Fast that knows whether it can lend.
type lender interface {
	vcpu.Lender
	Lends() bool
}

// controls are the factory's choice for an engine. The TPR shadow needs a Fast
// that takes the value, virtual-interrupt delivery one that lends.
func (f *Factory) controls(tpr, lends bool) vmx.Controls {
	c := f.caps.Controls
	c.Proc2 &^= (vmx.Proc2VirtualizeX2APIC | vmx.Proc2PAUSELoopExiting) &^ f.caps.Proc2.Must
	if !lends {
		c.Proc2 &^= vmx.Proc2VirtualInterruptDelivery &^ f.caps.Proc2.Must
	}
	if !tpr && c.Proc&vmx.ProcUseTPRShadow != 0 {
		c.Proc &^= vmx.ProcUseTPRShadow
		c.Proc |= vmx.ProcCR8LoadExiting | vmx.ProcCR8StoreExiting
	}
	if !f.aux {
		c.Proc2 &^= vmx.Proc2EnableRDTSCP
	}
	if !f.cfg.INVPCID {
		c.Proc2 &^= vmx.Proc2EnableINVPCID
	}
	return c
}

// ForbidINVPCID implements vcpu.Forbidder.
func (e *Engine) ForbidINVPCID() { e.controls.Proc2 &^= vmx.Proc2EnableINVPCID }

// PAUSE-loop exiting (SDM Vol. 3C, 25.6.13): PAUSEs not further apart than the gap, for
// longer than the window, are an exit. Both in ticks of the TSC.
const (
	pauseGap    = 128
	pauseWindow = 4096
)

// meetOthers says that the machine has more than one processor: one may wait for
// another. No engine runs yet.
func (e *Engine) meetOthers() {
	e.spins = true
	e.controls.Proc2 |= e.f.caps.Controls.Proc2 & vmx.Proc2PAUSELoopExiting
}

func (e *Engine) free(vmcs, apic, xsave bool) {
	if vmcs {
		e.host.Free(e.vmcsPA, 1)
	}
	if apic {
		e.host.Free(e.apicPA, 1)
	}
	if xsave {
		e.host.Free(e.xsavePA, e.xsavePages)
	}
}

// Close implements vcpu.Engine. The owner calls it; Run is over. A VMCS that is
// active on another processor stays allocated until an engine runs there.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.t.remove(e)
	clear(e.xsave)
	e.f.freeVPID(e.vpid)
	cleared := e.Detach() == nil
	if !cleared {
		// One waiting VMCS a processor is remembered; more are leaked, one
		// frame each, rather than freed under a processor's feet.
		e.f.cpus[e.active-1].dead.CompareAndSwap(0, e.vmcsPA)
	}
	e.free(cleared, true, true)
	return nil
}

// Detach takes the VMCS off the processor, so that the owner's thread may move to
// another. Call it on the processor where the engine ran last.
func (e *Engine) Detach() error {
	if e.active == 0 {
		return nil
	}
	e.ops.cli()
	ok := e.host.CPU() == e.active-1
	if ok {
		if !e.pending && !e.known {
			e.current()
			e.readSystem(&e.sys)
			e.known = true
		}
		e.ops.vmclear(e.vmcsPA)
		pc := &e.f.cpus[e.active-1]
		if pc.current == e.vmcsPA {
			pc.current = 0
		}
		e.active = 0
		e.frame.Forget()
	}
	e.ops.sti()
	if !ok {
		return ErrMoved
	}
	return nil
}

// Run implements vcpu.Engine.
func (e *Engine) Run(x *vcpu.Exit) error {
	if e.closed {
		return ErrClosed
	}
	hostcpu.Block(func() { e.loop(x) })
	return e.result(x)
}

// result is what Run says after the loop.
func (e *Engine) result(x *vcpu.Exit) error {
	if x.Kind == vcpu.KindWRMSR {
		e.lent.first = e.lent.from != nil
	}
	if e.explain {
		return e.report(x)
	}
	return faults[e.fault]
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
func (e *Engine) Regs() *vcpu.Regs { return e.regs }

// Inject implements vcpu.Engine. A software interrupt or exception is dropped: RIP
// still stands at its instruction, which simply runs again.
func (e *Engine) Inject(ev vcpu.Event) {
	typ := vmx.HardwareException
	switch ev.Type {
	case vcpu.EventExtInt:
		typ = vmx.ExternalInterrupt
	case vcpu.EventNMI:
		typ = vmx.NMI
	case vcpu.EventSoftInt:
		return
	}
	e.queue(vmx.MakeInfo(ev.Vector, typ, ev.HasError), ev.Error)
}

// DropEvents implements vcpu.Engine. The VMCS holds no event between two runs: an
// entry that succeeds takes it, and one that fails takes it out.
func (e *Engine) DropEvents() {
	e.event, e.deferred, e.nmiPending, e.nmiAgain = 0, 0, false, false
	e.frame.IDTVectoring = 0
	// The next StoreSystem writes everything, pending debug exceptions too.
	e.known, e.diff = false, false
}

// Events implements vcpu.Engine. A state that LoadSystem has cached follows what
// SetInterruptShadow said since.
func (e *Engine) Events() (next, behind vcpu.Event, nmi bool) {
	if e.shadow != shadowKeep && (e.pending || e.known) {
		e.sys.InterruptShadow = e.shadow == shadowSet
	}
	return event(e.event, e.eventError), event(e.deferred, 0), e.nmiPending
}

func event(i vmx.InterruptionInfo, code uint32) vcpu.Event {
	if !i.Valid() {
		return vcpu.Event{}
	}
	ev := vcpu.Event{Valid: true, Vector: i.Vector(), HasError: i.HasError(), Type: vcpu.EventException}
	switch i.Type() {
	case vmx.ExternalInterrupt:
		ev.Type = vcpu.EventExtInt
	case vmx.NMI:
		ev.Type = vcpu.EventNMI
	}
	if ev.HasError {
		ev.Error = code
	}
	return ev
}

// SetNMIPending implements vcpu.Engine.
func (e *Engine) SetNMIPending() {
	e.nmiAgain = e.nmiPending && vmx.Interruptibility(e.frame.Interruptible)&vmx.BlockingByNMI == 0
	e.nmiPending = true
}

// SetInterruptShadow implements vcpu.Engine. W1.
func (e *Engine) SetInterruptShadow(on bool) {
	if on {
		e.shadow = shadowSet
	} else {
		e.shadow = shadowClear
	}
}

// SetTSCOffset implements vcpu.Engine.
func (e *Engine) SetTSCOffset(offset uint64) { e.tscWanted = offset }

// XSAVE implements vcpu.Engine.
func (e *Engine) XSAVE() []byte { return e.xsave }

// FlushTLB implements vcpu.Engine.
func (e *Engine) FlushTLB() { e.flush = true }
