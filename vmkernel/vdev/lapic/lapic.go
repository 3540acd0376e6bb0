package lapic

import "sync/atomic"

// Kicker ends the target's stay in the guest or in HLT. Any thread, W1, never
// blocks.
type Kicker interface{ Kick() }

// Config is what one APIC is made of.
type Config struct {
	Kicker  Kicker // nil: nobody needs a kick (tests)
	TSCHz   uint64 // guest TSC frequency; 0: 1 GHz
	TimerHz uint64 // input of the timer's divider; 0: 1 GHz
	X2APIC  bool   // the CPU has x2APIC mode
	// MinPeriod is the shortest period of the periodic timer in guest TSC; a
	// guest that asks for less gets this. 0: no limit (tests).
	MinPeriod uint64
}

// APIC is one local APIC. Its ID follows from its index in the Set; in xAPIC mode the
// guest can give it another one.
type APIC struct {
	// Shared with every thread.
	irr    [8]atomic.Uint32
	irrSum atomic.Uint32 // a bit for each word of irr that may not be 0
	tmr    [8]atomic.Uint32
	events atomic.Uint32 // Events
	errs   atomic.Uint32 // errors since the last write of ESR
	svr    atomic.Uint32
	ldr    atomic.Uint32 // as the mode wants it: bits 31:24, or the x2APIC form
	dfr    atomic.Uint32
	xid    atomic.Uint32    // the ID in xAPIC mode, 8 bits
	lvt    [8]atomic.Uint32 // numLVT used; eight so that a masked index is always inside
	ppr    atomic.Uint32
	base   atomic.Uint64

	// Constant after New.
	id     uint32
	set    *Set
	kicker Kicker
	cfg    Config

	// The owner's.
	isr     [8]uint32
	isrTop  int32 // highest bit in isr, or -1
	lent    bool  // the virtual-APIC page has isr
	tpr     uint32
	icrLow  uint32
	icrHigh uint32
	esr     uint32
	timer   timer
}

type noKick struct{}

func (noKick) Kick() {}

func (a *APIC) init(set *Set, id uint32, cfg Config) {
	a.set, a.id, a.cfg, a.kicker = set, id, cfg, cfg.Kicker
	if a.kicker == nil {
		a.kicker = noKick{}
	}
	if a.cfg.TSCHz == 0 {
		a.cfg.TSCHz = 1e9
	}
	if a.cfg.TimerHz == 0 {
		a.cfg.TimerHz = 1e9
	}
	a.Reset()
}

// ID is the APIC ID that the processor starts with. Any thread.
func (a *APIC) ID() uint32 { return a.id }

// Name is the device's name in a list.
func (a *APIC) Name() string { return "lapic" }

// Reset is power-on: Init, and the base MSR back to xAPIC mode at DefaultBase.
// Owner, or nobody runs.
func (a *APIC) Reset() {
	base := uint64(DefaultBase | BaseEN)
	if a.id == 0 {
		base |= BaseBSP
	}
	a.base.Store(base)
	a.xid.Store(a.id & 0xFF)
	a.events.Store(0)
	a.Init()
}

// Init is what the INIT signal does to the APIC (11.4.7.3): every register but
// the ID and the base MSR. Collected events stay: a start-up IPI may already have
// come. Owner.
func (a *APIC) Init() {
	a.irrSum.Store(0)
	for i := range a.irr {
		a.irr[i].Store(0)
		a.tmr[i].Store(0)
		a.isr[i] = 0
	}
	for i := range a.lvt {
		a.lvt[i].Store(lvtMasked)
	}
	a.errs.Store(0)
	a.svr.Store(0xFF)
	a.dfr.Store(0xFFFF_FFFF)
	a.ldr.Store(a.resetLDR())
	a.isrTop = -1
	a.lent = false
	a.icrLow, a.icrHigh, a.esr = 0, 0, 0
	a.timer = timer{}
	a.setTPR(0)
}

// resetLDR is the LDR after a reset or a change of mode: 0 in xAPIC mode, made
// from the ID in x2APIC mode (11.12.10.2).
func (a *APIC) resetLDR() uint32 {
	if a.x2APIC() {
		return a.id>>4<<16 | 1<<(a.id&15)
	}
	return 0
}

// VirtualWire enables the APIC as firmware leaves it on the boot processor
// before the operating system takes over: software-enabled, LINT0 ExtINT, LINT1
// NMI (MultiProcessor Specification 1.4, 3.6.2.2). For loaders that boot without
// firmware. Owner.
func (a *APIC) VirtualWire() {
	a.writeSVR(svrEnable | 0xFF)
	a.lvt[lvtLINT0].Store(uint32(ExtINT) << lvtModeShift)
	a.lvt[lvtLINT1].Store(uint32(NMI) << lvtModeShift)
}

func (a *APIC) x2APIC() bool  { return a.base.Load()&BaseEXTD != 0 }
func (a *APIC) present() bool { return a.base.Load()&BaseEN != 0 }

// enabled: hardware and software enabled; only then interrupts are accepted.
func (a *APIC) enabled() bool { return a.present() && a.svr.Load()&svrEnable != 0 }

// Base is IA32_APIC_BASE. Any thread.
func (a *APIC) Base() uint64 { return a.base.Load() }

// X2APIC says whether the APIC is in x2APIC mode. Any thread.
func (a *APIC) X2APIC() bool { return a.x2APIC() }

// SetBase is WRMSR of IA32_APIC_BASE; false means #GP: a reserved bit, or a
// change of mode that 11.12.5 forbids. physBits is MAXPHYADDR. Owner.
func (a *APIC) SetBase(v uint64, physBits uint8) bool {
	valid := (uint64(1)<<(physBits&63)-1)&^0xFFF | BaseEN | BaseBSP
	if a.cfg.X2APIC {
		valid |= BaseEXTD
	}
	old := a.base.Load()
	if v&^valid != 0 {
		return false
	}
	const mode = BaseEN | BaseEXTD
	switch {
	case v&mode == BaseEXTD: // never valid
		return false
	case old&mode == mode && v&mode == BaseEN: // x2APIC to xAPIC
		return false
	case old&mode == 0 && v&mode == mode: // disabled to x2APIC
		return false
	}
	v = v&^BaseBSP | old&BaseBSP
	a.base.Store(v)
	if old&mode == v&mode {
		return true
	}
	if v&BaseEN == 0 || old&BaseEN == 0 {
		a.Init()
	}
	a.xid.Store(a.id & 0xFF) // a new mode, a new start (11.4.3, 11.12.5.1)
	a.ldr.Store(a.resetLDR())
	a.icrHigh = 0
	return true
}
