package lapic

import "math/bits"

// top is the number of the highest bit of v, which is not 0.
func top(v uint32) int { return bits.Len32(v) - 1 }

// highestIRR is the highest requested vector, or -1.
func (a *APIC) highestIRR() int32 {
	for sum := a.irrSum.Load() & 0xFF; sum != 0; {
		w := int32(top(sum))
		if v := a.irr[w&7].Load(); v != 0 {
			return w<<5 + int32(top(v))
		}
		sum &^= 1 << (w & 7)
	}
	return -1
}

// summarise drops word w from the summary once it is 0. A request that comes in
// between is found by the second look: request sets the word before the summary.
func (a *APIC) summarise(w uint8) {
	if a.irr[w&7].Load() != 0 {
		return
	}
	a.irrSum.And(^(uint32(1) << (w & 7)))
	if a.irr[w&7].Load() != 0 {
		a.irrSum.Or(1 << (w & 7))
	}
}

func (a *APIC) highestISR() int32 {
	for w := int32(7); w >= 0; w-- {
		if v := a.isr[w&7]; v != 0 {
			return w<<5 + int32(top(v))
		}
	}
	return -1
}

// updatePPR follows 11.8.3.1: the higher class of TPR and the vector in service.
func (a *APIC) updatePPR() {
	ppr := a.tpr
	if a.isrTop >= 0 {
		if isrv := uint32(a.isrTop) & 0xF0; isrv > a.tpr&0xF0 {
			ppr = isrv
		}
	}
	if ppr != a.ppr.Load() {
		a.ppr.Store(ppr)
	}
}

func (a *APIC) setTPR(v uint32) {
	a.tpr = v & 0xFF
	a.updatePPR()
}

// CR8 is the guest's CR8: the class of TPR. Owner.
func (a *APIC) CR8() uint64 { return uint64(a.tpr >> 4) }

// SetCR8 is MOV to CR8; the upper bits were checked by the CPU. Owner.
func (a *APIC) SetCR8(v uint64) { a.setTPR(uint32(v&0xF) << 4) }

// Pending is the vector to deliver now: the highest request whose class is
// above the processor priority (11.8.3.1). Owner.
func (a *APIC) Pending() (vector uint8, ok bool) {
	v := a.highestIRR()
	if v < 0 || uint32(v)&0xF0 <= a.ppr.Load()&0xF0 || !a.present() {
		return 0, false
	}
	return uint8(v), true
}

// NoRequest says that no vector is requested; false may mean either. Any thread.
func (a *APIC) NoRequest() bool { return a.irrSum.Load() == 0 }

// Requested is the highest vector in IRR whatever the priority, for a TPR
// threshold or a look before HLT. Owner.
func (a *APIC) Requested() (vector uint8, ok bool) {
	v := a.highestIRR()
	return uint8(v), v >= 0 && a.present()
}

// Ack moves vector from IRR to ISR: the processor took it. Owner.
func (a *APIC) Ack(vector uint8) {
	w, bit := vector>>5, uint32(1)<<(vector&31)
	a.irr[w&7].And(^bit)
	a.summarise(w)
	a.isr[w&7] |= bit
	a.lent = false
	if int32(vector) > a.isrTop {
		a.isrTop = int32(vector)
	}
	a.updatePPR()
}

// EOI ends the highest interrupt in service; a level-triggered one is broadcast
// unless the guest suppressed that (11.8.5). Owner.
func (a *APIC) EOI() {
	if a.isrTop < 0 {
		return
	}
	vector := uint8(a.isrTop)
	w, bit := vector>>5, uint32(1)<<(vector&31)
	a.isr[w&7] &^= bit
	a.lent = false
	a.isrTop = a.highestISR()
	a.updatePPR()
	a.Ended(vector)
}

// EOISkippable says whether the guest may end the interrupt in service without
// telling us (paravirtual EOI): one edge-triggered vector in service, nothing
// requested. The later clearing is an ordinary EOI. Owner.
func (a *APIC) EOISkippable() bool {
	if a.isrTop < 0 || a.highestIRR() >= 0 {
		return false
	}
	w, bit := uint32(a.isrTop)>>5&7, uint32(1)<<(uint32(a.isrTop)&31)
	if a.tmr[w].Load()&bit != 0 {
		return false
	}
	rest := a.isr[w] &^ bit
	for i := range a.isr {
		if uint32(i) != w {
			rest |= a.isr[i]
		}
	}
	return rest == 0
}
