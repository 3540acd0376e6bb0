package vcpu

import (
	"encoding/binary"
	"fmt"

	"basalt/vmkernel/checkpoint"
)

const stateVersion = 1

// Activity of a processor in its state.
const (
	activityRun  = 0
	activityHalt = 1 // RIP stands at a HLT that waits for an interrupt
	activitySIPI = 2 // it waits for a start-up IPI
)

// saved is a processor's state between the stream and the engine.
type saved struct {
	regs     Regs
	sys      System
	halted   bool
	waiting  bool
	haltLen  uint8
	nmi      bool
	events   [3]Event // queued here; the engine's next; the one behind that
	tsc      uint64
	msr      msrState
	pv       paravirt
	reported uint64 // steal time in ns that the guest has been told
	xsave    []byte
}

// SaveState writes everything that the guest can see or has coming, but for the
// local APIC, which has a section of its own. stopped is the host's counter when the
// machine stopped: the guest's counter stands at what it was then. The owner's thread
// calls it, after Run has returned: VT-x reads the VMCS on the processor where it is
// active.
func (v *VCPU) SaveState(stopped uint64) ([]byte, error) {
	if v.crashed != "" {
		return nil, fmt.Errorf("vcpu: CPU %d: save state: %s", v.Index, v.crashed)
	}
	next, behind, nmi := v.eng.Events()
	if !v.dirty {
		v.full = false // the cache may be older than SetInterruptShadow
	}
	s := saved{regs: *v.regs, sys: *v.System(), waiting: v.waiting, halted: !v.waiting && v.halted && v.regs.RIP == v.haltRIP, haltLen: v.haltLen,
		nmi: nmi || v.nmi.Load(), events: [3]Event{v.queued, next, behind}, tsc: stopped + v.tscOffset, msr: v.msr, pv: v.pv,
		reported: v.pv.stealLast - v.pv.stolen, xsave: v.area()}
	s.sys.settle()
	b := s.encode()
	// A state that no host would take is better known while the machine is here.
	var again saved
	if err := again.decode(b, len(s.xsave)); err != nil {
		return nil, fmt.Errorf("CPU %d: save state: %w", v.Index, err)
	}
	if field := v.refuse(&again, len(s.xsave)); field != "" {
		return nil, fmt.Errorf("CPU %d: vcpu: save state: %s: %w", v.Index, field, checkpoint.ErrInvalid)
	}
	return b, nil
}

// settle makes what engines leave undefined into one value: the hidden parts of
// unusable segments, and XCR0 where there is none.
func (s *System) settle() {
	s.XCR0 |= 1
	for _, g := range s.segments() {
		g.at.Attr &= attrKnown
		if g.at.Attr&AttrUnusable == 0 {
			continue
		}
		switch g.name {
		case "ES", "CS", "SS", "DS":
			g.at.Base &= 0xffffffff
		default:
			if !canonical(g.at.Base) {
				g.at.Base = 0
			}
		}
	}
}

// area is what of the engine's XSAVE area the machine uses.
func (v *VCPU) area() []byte {
	x := v.eng.XSAVE()
	return x[:min(len(x), int(v.CPUID.xsaveSize(v.CPUID.feat.XCR0)))]
}

func (s *saved) encode() []byte {
	e := checkpoint.NewEncoder(stateVersion)
	for _, r := range s.regs.GPR {
		e.U64(r)
	}
	e.U64(s.regs.RIP)
	e.U64(s.regs.RFLAGS)
	for _, f := range s.sys.words() {
		e.U64(*f.at)
	}
	for _, g := range s.sys.segments() {
		e.U64(g.at.Base)
		e.U32(g.at.Limit)
		e.U32(g.at.Attr)
		e.U16(g.at.Selector)
	}
	for _, t := range []*Table{&s.sys.GDTR, &s.sys.IDTR} {
		e.U64(t.Base)
		e.U16(t.Limit)
	}
	e.Bool(s.sys.InterruptShadow)
	e.Bool(s.sys.NMIBlocked)
	e.Bool(s.nmi)
	if s.waiting {
		e.U8(activitySIPI)
	} else if s.halted {
		e.U8(activityHalt)
	} else {
		e.U8(activityRun)
	}
	e.U8(s.haltLen)
	for _, ev := range s.events {
		if !ev.Valid {
			ev = Event{}
		} else if !ev.HasError {
			ev.Error = 0
		}
		e.Bool(ev.Valid)
		e.U8(ev.Vector)
		e.U8(uint8(ev.Type))
		e.Bool(ev.HasError)
		e.U32(ev.Error)
	}
	e.U64(s.tsc)
	e.U64(s.msr.tscAdjust)
	e.U64(s.msr.miscEnable)
	e.U64(s.msr.mcgStatus)
	e.U64(s.msr.mtrrDef)
	for _, m := range s.msr.mtrrFix {
		e.U64(m)
	}
	for _, m := range s.msr.mtrrVar {
		e.U64(m)
	}
	p := &s.pv
	for _, m := range []uint64{p.clockMSR, p.wallMSR, p.stealMSR, p.eoiMSR, s.reported} {
		e.U64(m)
	}
	e.U32(p.version)
	e.U32(p.stealVersion)
	e.Bool(p.eoi != 0)
	e.Bool(p.eoiOffered)
	e.U8(p.eoiVector)
	e.Var(s.xsave)
	return e.Bytes()
}

func (s *saved) decode(b []byte, area int) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	for i := range s.regs.GPR {
		s.regs.GPR[i] = d.U64()
	}
	s.regs.RIP = d.U64()
	s.regs.RFLAGS = d.U64()
	for _, f := range s.sys.words() {
		*f.at = d.U64()
	}
	for _, g := range s.sys.segments() {
		g.at.Base, g.at.Limit, g.at.Attr, g.at.Selector = d.U64(), d.U32(), d.U32(), d.U16()
	}
	for _, t := range []*Table{&s.sys.GDTR, &s.sys.IDTR} {
		t.Base, t.Limit = d.U64(), d.U16()
	}
	s.sys.InterruptShadow, s.sys.NMIBlocked, s.nmi = d.Bool(), d.Bool(), d.Bool()
	a := d.U8()
	d.Check(a <= activitySIPI, "activity")
	s.waiting, s.halted, s.haltLen = a == activitySIPI, a == activityHalt, d.U8()
	d.Check(s.haltLen <= 15 && (!s.halted || s.haltLen > 0), "length of HLT")
	for i := range s.events {
		s.events[i] = Event{Valid: d.Bool(), Vector: d.U8(), Type: EventType(d.U8()), HasError: d.Bool(), Error: d.U32()}
	}
	s.tsc = d.U64()
	s.msr.tscAdjust, s.msr.miscEnable, s.msr.mcgStatus, s.msr.mtrrDef = d.U64(), d.U64(), d.U64(), d.U64()
	for i := range s.msr.mtrrFix {
		s.msr.mtrrFix[i] = d.U64()
	}
	for i := range s.msr.mtrrVar {
		s.msr.mtrrVar[i] = d.U64()
	}
	p := &s.pv
	for _, m := range []*uint64{&p.clockMSR, &p.wallMSR, &p.stealMSR, &p.eoiMSR, &s.reported} {
		*m = d.U64()
	}
	p.version, p.stealVersion = d.U32(), d.U32()
	if d.Bool() {
		p.eoi = p.eoiMSR &^ 3
	}
	p.eoiOffered, p.eoiVector = d.Bool(), d.U8()
	s.xsave = d.Var(area)
	return d.Done("vcpu")
}

// LoadState replaces the processor's state, or changes nothing and says which field
// a guest could not have brought about. The local APIC and the guest's memory have
// been loaded before. stopped is the value of this host's counter at which the guest's
// goes on: one for all processors of a machine, so that their counters keep together.
// The processor does not run; any thread may call it.
func (v *VCPU) LoadState(b []byte, stopped uint64) error {
	area := v.area()
	var s saved
	if err := s.decode(b, len(area)); err != nil {
		return fmt.Errorf("CPU %d: %w", v.Index, err)
	}
	if field := v.refuse(&s, len(area)); field != "" {
		return fmt.Errorf("CPU %d: vcpu: load state: %s: %w", v.Index, field, checkpoint.ErrInvalid)
	}
	v.stopped, v.mode, v.full, v.dirty = Stop{}, false, false, false
	v.lengths = lengthCache{}
	v.waiting = s.waiting
	v.halted, v.haltRIP, v.haltLen = s.halted, s.regs.RIP, s.haltLen
	v.nmi.Store(s.nmi)
	v.msr = s.msr
	base, _ := v.APIC.ReadMSR(msrAPICBase)
	v.msr.apicOff = base&apicBaseEnable == 0
	v.pv = s.pv
	v.pv.resume(v.Time.Stolen(v.Index), s.reported)
	v.osxsave, v.xcr0 = s.sys.CR4&CR4OSXSAVE != 0, s.sys.XCR0

	v.eng.DropEvents()
	x := v.eng.XSAVE()
	clear(x[copy(x, s.xsave):])
	*v.regs = s.regs
	s.sys.CR8 = uint64(v.APIC.TPR())
	v.sys = s.sys
	v.ContinueTSC(s.tsc, stopped)
	v.eng.FlushTLB()
	if err := v.eng.StoreSystem(&v.sys); err != nil {
		return fmt.Errorf("CPU %d: vcpu: load state: %w", v.Index, err)
	}
	// The last first: the engine puts an interrupt behind an exception.
	for _, i := range []int{2, 1} {
		if s.events[i].Valid {
			v.eng.Inject(s.events[i])
		}
	}
	v.queued = s.events[0]
	return nil
}

// ContinueTSC makes the guest's counter go on from value at the moment when the host's
// was at. The owner's, between two calls of Run.
func (v *VCPU) ContinueTSC(value, at uint64) {
	v.tscOffset = value - at
	v.eng.SetTSCOffset(v.tscOffset)
}

// TSCOffset is the guest's counter less the host's.
func (v *VCPU) TSCOffset() uint64 { return v.tscOffset }

// resume sets up what follows from the registers, on a host whose count of stolen
// time is another one.
func (p *paravirt) resume(stolen, reported uint64) {
	if p.clockMSR&1 != 0 {
		p.clock, p.clockDirty, p.work = p.clockMSR&^1, true, true
	}
	if p.stealMSR&1 != 0 {
		p.steal, p.stolen, p.stealLast, p.work = p.stealMSR&^0x3f, stolen-reported, stolen, true
	}
}

// xsaveHeader checks what XRSTOR would answer with #GP, which would be the host's:
// MXCSR, and the header of the standard format (SDM Vol. 1, 13.8.1, 10.2.3; APM
// Vol. 2, 11.5.9).
func (v *VCPU) xsaveHeader(x []byte) bool {
	mask := uint32(0xffff) // with DAZ, which every 64-bit processor but the first has
	if r := v.CPUID.find(0x80000001, 0); r != nil && r.ecx&bits(7) != 0 {
		mask |= 1 << 17 // MISALIGNSSE
	}
	if binary.LittleEndian.Uint32(x[24:])&^mask != 0 {
		return false
	}
	if v.CPUID.feat.XCR0&2 == 0 {
		return true // FXRSTOR reads no header
	}
	if binary.LittleEndian.Uint64(x[512:])&^v.CPUID.feat.XCR0 != 0 {
		return false
	}
	for _, c := range x[520:576] {
		if c != 0 {
			return false
		}
	}
	return true
}
