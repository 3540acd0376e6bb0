package vcpu

// APICPage is a virtual-APIC page: the registers of a local APIC at their offsets, four
// bytes each.
type APICPage = [1024]uint32

// Lender may be implemented by a Fast, and by the APIC behind a VCPU: then a processor
// that delivers virtual interrupts by itself takes the requested vectors without exits.
// World W1, like Fast; everything is called by the processor's own thread.
type Lender interface {
	// Lend is asked instead of PendingInterrupt before an entry. It puts what is
	// requested and in service into page, for the time until the next exit. status has
	// the highest requested vector in bits 7:0 and the highest one in service in bits
	// 15:8; eoi becomes a bit for each vector whose end must be told to Ended, and
	// changes only when something is requested or after StoreSystem. If offered, vector
	// is for AckInterrupt: it is none of the APIC's.
	Lend(page *APICPage, eoi *[4]uint64) (status uint16, vector uint8, offered bool)
	// Reclaim takes back what Lend gave, as the processor has left it; status is its now.
	Reclaim(page *APICPage, status uint16)
	// Ended says that the processor has ended vector by itself.
	Ended(vector uint8)
	// X2APIC says that the guest's APIC is in x2APIC mode: its EOI is a WRMSR. It
	// changes by an exit that ends a Run, WRMSR, or with StoreSystem.
	X2APIC() bool
}

// Lends says whether the APIC behind this processor can lend. Engines ask it of a Fast
// that is a Lender.
func (v *VCPU) Lends() bool { return v.lender != nil }

// Lend implements Lender. A vector that the processor takes at once ends an HLT, as
// AckInterrupt does.
func (v *VCPU) Lend(page *APICPage, eoi *[4]uint64) (status uint16, vector uint8, offered bool) {
	if v.pv.eoiOffered { // by a host that injects, in a state from there
		v.pvSyncEOI()
	}
	status, vector, offered = v.lender.Lend(page, eoi)
	if requested := uint8(status); requested != 0 {
		if requested>>4 > max(uint8(status>>12), v.APIC.TPR()) && v.regs.RFLAGS&FlagIF != 0 {
			if v.stats.halted.Load() != 0 {
				v.unblocked()
			}
			v.wake()
		}
	}
	return status, vector, offered
}

// Reclaim implements Lender.
func (v *VCPU) Reclaim(page *APICPage, status uint16) { v.lender.Reclaim(page, status) }

// Ended implements Lender.
func (v *VCPU) Ended(vector uint8) { v.lender.Ended(vector) }

// X2APIC implements Lender.
func (v *VCPU) X2APIC() bool { return v.lender.X2APIC() }
