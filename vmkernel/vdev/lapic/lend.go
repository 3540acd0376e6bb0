package lapic

// Page is a virtual-APIC page: registers at the offsets of the xAPIC page (SDM Vol. 3C,
// 30.1.1), four bytes each.
type Page = [PageSize / 4]uint32

// Lend moves the requested vectors into p and copies there which are in service, for a
// processor that delivers virtual interrupts by itself (SDM Vol. 3C, 30.2). status is
// the guest interrupt status (25.4.2): the highest requested vector in bits 7:0, the
// highest in service in bits 15:8. eoi becomes the EOI-exit bitmap (25.6.8): the
// vectors whose end somebody else wants to hear of.
//
// What is requested afterwards is new to Accept and comes with a kick. Until Reclaim the
// APIC knows nothing of what was lent: only the methods for any thread may be called.
// Owner.
func (a *APIC) Lend(p *Page, eoi *[4]uint64) (status uint16) {
	if !a.lent {
		a.lendService(p, eoi)
	}
	if a.irrSum.Load() != 0 && a.present() {
		status = a.lendRequests(p, eoi)
	}
	if a.isrTop > 0 {
		status |= uint16(a.isrTop) << 8
	}
	return status
}

// lendService writes what is in service: something else than the processor has changed
// it.
func (a *APIC) lendService(p *Page, eoi *[4]uint64) {
	a.lent = true
	for w := range uint32(8) {
		p[(ISR>>2)+w<<2] = a.isr[w]
		a.wantEOI(w, eoi)
	}
}

// lendRequests moves what is requested, and gives the highest.
func (a *APIC) lendRequests(p *Page, eoi *[4]uint64) (high uint16) {
	for sum := a.irrSum.Load() & 0xFF; sum != 0; {
		w := uint32(top(sum)) & 7
		sum &^= 1 << w
		if v := a.irr[w].Swap(0); v != 0 {
			p[(IRR>>2)+w<<2] = v
			if high == 0 {
				high = uint16(w<<5) + uint16(top(v))
			}
			// After the swap: request sets the bit in TMR before the one in IRR.
			a.wantEOI(w, eoi)
		}
		a.summarise(uint8(w))
	}
	return high
}

// wantEOI puts word w of TMR into the EOI-exit bitmap: the end of a level is broadcast.
func (a *APIC) wantEOI(w uint32, eoi *[4]uint64) {
	e, shift := &eoi[w>>1&3], w&1*32
	*e = *e&^(0xFFFF_FFFF<<shift) | uint64(a.tmr[w&7].Load())<<shift
}

// Reclaim takes back what Lend gave, as the processor has left it; status is the guest
// interrupt status now. Owner.
func (a *APIC) Reclaim(p *Page, status uint16) {
	if status == 0 && a.isrTop < 0 {
		return // nothing is in service, as before, and nothing requested
	}
	for w := range uint32(8) {
		a.isr[w] = p[(ISR>>2)+w<<2]
	}
	if uint8(status) != 0 {
		for w := range uint32(8) {
			if v := p[(IRR>>2)+w<<2]; v != 0 {
				p[(IRR>>2)+w<<2] = 0
				a.irr[w].Or(v)
				a.irrSum.Or(1 << w)
			}
		}
	}
	a.isrTop = -1 // no vector is 0
	if v := status >> 8; v != 0 {
		a.isrTop = int32(v)
	}
	a.updatePPR()
}

// Ended is the end of a vector that the processor has taken out of service by itself:
// the rest of EOI. Owner.
func (a *APIC) Ended(vector uint8) {
	if a.tmr[vector>>5].Load()>>(vector&31)&1 != 0 && a.svr.Load()&svrSuppress == 0 {
		a.set.broadcastEOI(vector)
	}
}
