package vcpu

import (
	"fmt"
	"sync/atomic"
)

// Config is what a virtual CPU is made of.
type Config struct {
	Index int
	CPUID *CPUID
	APIC  APIC
	IO    IO
	Fast  FastIO // may be nil
	Emul  Emulator
	Mem   PVMemory // guest memory for the paravirtual pages
	Time  Time
}

// PVMemory is the part of guest memory that the paravirtual pages need. Load and
// Store are W1.
type PVMemory interface {
	Load(gpa uint64, n int) (uint64, bool)
	Store(gpa uint64, n int, v uint64) bool
	CompareAndSwap32(gpa uint64, old, new uint32) (swapped, ok bool)
	Write(gpa uint64, p []byte) error
	PutUint32(gpa uint64, v uint32) bool
}

// Time is the clocks that a processor shows. TSC is W1.
type Time interface {
	// TSC is the host's counter, KHz its frequency.
	TSC() uint64
	KHz() uint64
	// Epoch is a value of TSC and the machine's own clock in ns at one moment. It
	// is the same for all processors until the clock stops: their paravirtual
	// clocks agree to the nanosecond.
	Epoch() (tsc uint64, now int64)
	// Now is the machine's own clock in ns since power-on, Wall the time of
	// day in ns since 1970, Stolen the time in ns that this thread was ready
	// and did not run.
	Now() int64
	Wall() int64
	Stolen(index int) uint64
}

// VCPU is one virtual CPU over an engine.
type VCPU struct {
	Config
	eng    Engine
	regs   *Regs  // the engine's
	lender Lender // the APIC, if it can
	stats  Stats
	x      Exit

	mode, full bool // sys holds the mode / everything of this exit
	dirty      bool // sys has to be stored before the next entry
	sys        System
	queued     Event // exception to inject at the next entry
	crashed    string
	stopped    Stop

	stop      atomic.Bool // the owner wants Run to return
	nmi       atomic.Bool
	nmiAgain  bool // another one behind it
	tscOffset uint64
	halted    bool // W1: RIP stands at an HLT
	waiting   bool // for a start-up IPI
	haltRIP   uint64
	haltLen   uint8
	pv        paravirt
	msr       msrState
	lengths   lengthCache
	slow      slowPages
	osxsave   bool // CR4.OSXSAVE, for CPUID
	xcr0      uint64
	buf       [8]byte
}

// New makes a processor without an engine; Attach gives it one.
func New(c Config) *VCPU {
	v := &VCPU{Config: c, xcr0: 1}
	v.msr.reset()
	return v
}

// Attach makes the engine over table t. The VCPU is the engine's Fast.
func (v *VCPU) Attach(f Factory, t NestedTable) error {
	v.lender, _ = v.APIC.(Lender)
	e, err := f.NewEngine(v.Index, t, v)
	if err != nil {
		return fmt.Errorf("vcpu: engine of CPU %d: %w", v.Index, err)
	}
	v.eng, v.regs = e, e.Regs()
	if f, ok := e.(Forbidder); ok && v.CPUID != nil && !v.CPUID.invpcid() {
		f.ForbidINVPCID()
	}
	return nil
}

// Engine is the engine below; nil before Attach.
func (v *VCPU) Engine() Engine { return v.eng }

// Stats are the counters.
func (v *VCPU) Stats() *Stats { return &v.stats }

// Close gives the engine back.
func (v *VCPU) Close() error {
	if v.eng == nil {
		return nil
	}
	return v.eng.Close()
}

// Reset puts the processor into its state after power-on; set may then change
// it for a direct boot (nil: none). The caller owns the processor.
func (v *VCPU) Reset(set func(*Regs, *System)) error {
	v.queued, v.crashed, v.stopped = Event{}, "", Stop{}
	v.halted, v.mode, v.full, v.dirty = false, false, false, false
	v.waiting = v.Index != 0 // the boot processor's number is 0
	v.pv = paravirt{}
	v.msr.reset()
	v.lengths = lengthCache{}
	v.slow = slowPages{}
	v.nmi.Store(false)
	v.nmiAgain = false
	v.APIC.Reset()
	v.eng.DropEvents()
	x := v.eng.XSAVE()
	clear(x)
	initXSAVE(x)
	ResetState(v.regs, &v.sys, v.CPUID.Signature())
	if set != nil {
		set(v.regs, &v.sys)
	}
	v.osxsave, v.xcr0 = v.sys.CR4&CR4OSXSAVE != 0, v.sys.XCR0
	v.SetTSC(0)
	v.eng.FlushTLB()
	if err := v.eng.StoreSystem(&v.sys); err != nil {
		return fmt.Errorf("vcpu: state after reset: %w", err)
	}
	return nil
}

// initXSAVE writes FCW and MXCSR of the state after reset (SDM Vol. 1, 13.6).
func initXSAVE(x []byte) {
	if len(x) >= 512 {
		x[0], x[1] = 0x40, 0x00 // FNINIT has not run: FCW 0x40 after reset
		x[24], x[25] = 0x80, 0x1f
	}
}

// SetTSC makes the guest's counter continue from value.
func (v *VCPU) SetTSC(value uint64) { v.SetTSCOffset(value - v.Time.TSC()) }

// SetTSCOffset sets what the guest's counter is ahead of the host's (modulo 2^64):
// one value for all processors of a machine, so that their counters agree. The owner
// calls it while the processor does not run.
func (v *VCPU) SetTSCOffset(offset uint64) {
	v.tscOffset = offset
	v.eng.SetTSCOffset(offset)
}

// HoldTSC takes ticks of the host's counter in which the machine stood still out of
// the guest's. What a guest has done to one of its counters stays. The owner calls
// it while the processor does not run.
func (v *VCPU) HoldTSC(ticks uint64) { v.SetTSCOffset(v.tscOffset - ticks) }

// TSC is the guest's counter now. W1.
func (v *VCPU) TSC() uint64 { return v.Time.TSC() + v.tscOffset }

// RequestStop makes Run return soon with StopRequested. For any goroutine.
func (v *VCPU) RequestStop() {
	v.stop.Store(true)
	v.Kick()
}

// ClearStop takes a request back.
func (v *VCPU) ClearStop() { v.stop.Store(false) }

// GuestWord is the engine's word for the host's scheduler; nil if it has none.
func (v *VCPU) GuestWord() *uint32 {
	if g, ok := v.eng.(Guarded); ok {
		return g.GuestWord()
	}
	return nil
}

// Kick makes the processor look at its APIC again. For any goroutine.
func (v *VCPU) Kick() {
	if v.eng != nil {
		v.eng.Kick()
	}
}

// NMI makes an NMI pending. For any goroutine.
func (v *VCPU) NMI() {
	v.nmi.Store(true)
	v.Kick()
}

// Regs are the live registers.
func (v *VCPU) Regs() *Regs { return v.regs }

// XSAVE is the guest's extended state.
func (v *VCPU) XSAVE() []byte { return v.eng.XSAVE() }

// Mode is the part of the state that page walks need.
func (v *VCPU) Mode() *System {
	if !v.mode && !v.full {
		v.eng.LoadMode(&v.sys)
		v.mode = true
	}
	return &v.sys
}

// System is all of the state.
func (v *VCPU) System() *System {
	if !v.full {
		v.eng.LoadSystem(&v.sys)
		v.full = true
	}
	return &v.sys
}

// change is System for a handler that writes it.
func (v *VCPU) change() *System {
	s := v.System()
	v.dirty = true
	return s
}
