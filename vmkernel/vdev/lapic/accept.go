package lapic

// Events are the things that are not vectors, collected for the owner.
type Events uint32

const (
	evNMI Events = 1 << iota
	evSMI
	evINIT
	evStartUp
	evExtINT
	evNMIAgain

	evVectorShift = 8
)

// NMI says that at least one NMI came.
func (e Events) NMI() bool { return e&evNMI != 0 }

// NMIAgain says that another NMI came after the first one.
func (e Events) NMIAgain() bool { return e&evNMIAgain != 0 }

// SMI says that an SMI came.
func (e Events) SMI() bool { return e&evSMI != 0 }

// INIT says that an INIT came; it is to be handled before StartUp.
func (e Events) INIT() bool { return e&evINIT != 0 }

// StartUp is the vector of a start-up IPI: the CPU begins at vector<<12.
func (e Events) StartUp() (vector uint8, ok bool) {
	return uint8(e >> evVectorShift), e&evStartUp != 0
}

// ExtINT says that an ExtINT message came (from the IOAPIC, not by LINT0).
func (e Events) ExtINT() bool { return e&evExtINT != 0 }

// TakeEvents gives the collected events and forgets them. Owner.
func (a *APIC) TakeEvents() Events {
	if a.events.Load() == 0 {
		return 0
	}
	return Events(a.events.Swap(0))
}

// HasEvents looks without taking. Any thread.
func (a *APIC) HasEvents() bool { return a.events.Load() != 0 }

// post collects an event and says whether it is new. The owner takes INIT before
// StartUp: an INIT drops what came before it, as the processor does.
func (a *APIC) post(e Events) bool {
	for {
		old := Events(a.events.Load())
		all := old | e
		switch {
		case e&evINIT != 0:
			all = e
		case e&evNMI != 0 && old&evNMI != 0:
			all = old | evNMIAgain
		case old&e&0xFF == e&0xFF:
			return false // the first start-up vector stays
		}
		if all == old {
			return false
		}
		if a.events.CompareAndSwap(uint32(old), uint32(all)) {
			return true
		}
	}
}

// Accept requests a vector, level- or edge-triggered, and kicks the CPU if the
// request is new. False: the APIC is disabled or the vector is illegal. Any
// thread.
func (a *APIC) Accept(vector uint8, level bool) bool {
	ok, fresh := a.request(vector, level)
	if fresh {
		a.kicker.Kick()
	}
	return ok
}

// request sets the TMR bit, then the IRR bit (11.8.4).
func (a *APIC) request(vector uint8, level bool) (ok, fresh bool) {
	if !a.enabled() {
		return false, false
	}
	if vector < 16 {
		a.fail(esrReceiveIllegal)
		return false, true
	}
	w, bit := vector>>5, uint32(1)<<(vector&31)
	tmr := &a.tmr[w&7]
	if was := tmr.Load()&bit != 0; was != level {
		if level {
			tmr.Or(bit)
		} else {
			tmr.And(^bit)
		}
	}
	fresh = a.irr[w&7].Or(bit)&bit == 0
	if sum := uint32(1) << (w & 7); a.irrSum.Load()&sum == 0 {
		a.irrSum.Or(sum)
	}
	return true, fresh
}

// Post delivers something with a delivery mode to this APIC and kicks the CPU
// when that is news. False: not accepted. Any thread.
func (a *APIC) Post(mode Mode, vector uint8, level bool) bool {
	ok, fresh := a.deliver(mode, vector, level)
	if fresh {
		a.kicker.Kick()
	}
	return ok
}

func (a *APIC) deliver(mode Mode, vector uint8, level bool) (ok, fresh bool) {
	var e Events
	switch mode {
	case Fixed, LowestPriority:
		return a.request(vector, level)
	case NMI:
		e = evNMI
	case SMI:
		e = evSMI
	case INIT:
		e = evINIT
	case StartUp:
		e = evStartUp | Events(vector)<<evVectorShift
	case ExtINT:
		e = evExtINT
	default:
		return false, false
	}
	if !a.present() && mode != INIT && mode != StartUp {
		return false, false
	}
	return true, a.post(e)
}

// fail records an error and raises the error interrupt when the error is new
// (11.5.3). A bad vector in LVTERR itself ends at the second turn.
func (a *APIC) fail(bit uint32) {
	if a.errs.Or(bit)&bit == 0 {
		a.fireLVT(lvtError)
	}
}

// fireLVT delivers a local interrupt. Any thread. It says whether the owner
// has something new to look at.
func (a *APIC) fireLVT(n int) bool {
	e := a.lvt[n&7].Load()
	if e&lvtMasked != 0 {
		return false
	}
	mode := Mode(e >> lvtModeShift & 7)
	if n == lvtTimer || n == lvtError {
		mode = Fixed
	}
	if mode == LowestPriority || mode == StartUp {
		return false // reserved in the LVT
	}
	_, fresh := a.deliver(mode, uint8(e), false)
	return fresh
}

// LINT0 says that the pin wired to the PIC's INTR rose. In ExtINT mode the
// owner samples the PIC after the kick; other modes deliver now. Any thread.
func (a *APIC) LINT0() {
	if !a.present() {
		a.kicker.Kick() // the pin is INTR
		return
	}
	e := a.lvt[lvtLINT0].Load()
	if e&lvtMasked != 0 {
		return
	}
	if Mode(e>>lvtModeShift&7) == ExtINT || a.fireLVT(lvtLINT0) {
		a.kicker.Kick()
	}
}

// LINT1 says that the NMI pin rose. Any thread.
func (a *APIC) LINT1() {
	if !a.present() {
		if a.post(evNMI) {
			a.kicker.Kick()
		}
		return
	}
	if a.fireLVT(lvtLINT1) {
		a.kicker.Kick()
	}
}

// ExtINTOpen says whether the PIC's INTR reaches the CPU: LINT0 unmasked in
// ExtINT mode, or the APIC off so that the pin is INTR. Only the boot
// processor's pin is wired. Any thread.
func (a *APIC) ExtINTOpen() bool {
	if a.id != 0 {
		return false
	}
	e := a.lvt[lvtLINT0].Load()
	return !a.present() || e&(lvtMasked|lvtModeMask) == uint32(ExtINT)<<lvtModeShift
}
