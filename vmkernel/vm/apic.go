package vm

import (
	"sync/atomic"

	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/lapic"
	"basalt/vmkernel/vdev/pic"
)

// localAPIC joins a local APIC, the PIC behind LINT0 of the boot processor and
// the guest's counter into what vcpu asks for. W1, but for Reset, Init and TakeEvents.
type localAPIC struct {
	a    *lapic.APIC
	pic  *pic.PIC // boot processor only
	cpu  *vcpu.VCPU
	phys uint8
	// present is false as long as the machine does not have this processor.
	present atomic.Bool
	ext     bool // the vector of the last Pending came from the PIC
}

var _ vcpu.Lender = (*localAPIC)(nil)

func (l *localAPIC) ReadMSR(i uint32) (uint64, bool) {
	switch i {
	case lapic.MSRAPICBase:
		return l.a.Base(), true
	case lapic.MSRTSCDeadline:
		return l.a.TSCDeadline(), true
	}
	return l.a.ReadMSR(i, l.cpu.TSC())
}

func (l *localAPIC) WriteMSR(i uint32, v uint64) bool {
	switch i {
	case lapic.MSRAPICBase:
		return l.a.SetBase(v, l.phys)
	case lapic.MSRTSCDeadline:
		l.a.SetTSCDeadline(v, l.cpu.TSC())
		return true
	}
	return l.a.WriteMSR(i, v, l.cpu.TSC())
}

// enterX2APIC is WRMSR by a processor that does not run yet.
func (l *localAPIC) enterX2APIC() { l.a.SetBase(l.a.Base()|lapic.BaseEXTD, l.phys) }

func (l *localAPIC) WriteEOI() (quiet, ok bool) {
	if !l.a.X2APIC() {
		return false, false
	}
	l.a.EOI()
	return l.a.NoRequest(), true
}

// Pending offers the PIC first: its INTR is a pin of the processor.
func (l *localAPIC) Pending() (uint8, bool) {
	if d := l.a.Deadline(); d != 0 {
		if tsc := l.cpu.TSC(); tsc >= d {
			l.a.Expire(tsc)
		}
	}
	if l.pic != nil {
		if v, ok := l.pic.Peek(); ok && l.a.ExtINTOpen() {
			l.ext = true
			return v, true
		}
	}
	l.ext = false
	return l.a.Pending()
}

func (l *localAPIC) Accept(vector uint8) {
	if l.ext {
		l.pic.Take(vector)
		return
	}
	l.a.Ack(vector)
}

// Lend, Reclaim, Ended and X2APIC implement vcpu.Lender.
func (l *localAPIC) Lend(p *vcpu.APICPage, eoi *[4]uint64) (status uint16, vector uint8, offered bool) {
	vector, _ = l.Pending()
	return l.a.Lend(p, eoi), vector, l.ext
}

func (l *localAPIC) Reclaim(p *vcpu.APICPage, status uint16) { l.a.Reclaim(p, status) }

func (l *localAPIC) Ended(vector uint8) { l.a.Ended(vector) }

func (l *localAPIC) X2APIC() bool { return l.a.X2APIC() }

func (l *localAPIC) EOI() { l.a.EOI() }

func (l *localAPIC) CanSkipEOI(uint8) bool { return !l.ext && l.a.EOISkippable() }

func (l *localAPIC) TPR() uint8 { return uint8(l.a.CR8()) }

func (l *localAPIC) SetTPR(cr8 uint8) { l.a.SetCR8(uint64(cr8)) }

func (l *localAPIC) DeadlineTSC() uint64 { return l.a.Deadline() }

func (l *localAPIC) HasEvents() bool { return l.a.HasEvents() }

func (l *localAPIC) TakeEvents() vcpu.Events {
	e := l.a.TakeEvents()
	if !l.present.Load() {
		return vcpu.Events{}
	}
	page, sipi := e.StartUp()
	return vcpu.Events{NMI: e.NMI(), NMIAgain: e.NMIAgain(), INIT: e.INIT(), StartUp: sipi, Vector: page}
}

func (l *localAPIC) Init() {
	l.ext = false
	l.a.Init()
}

func (l *localAPIC) Reset() {
	l.ext = false
	l.a.Reset()
}
