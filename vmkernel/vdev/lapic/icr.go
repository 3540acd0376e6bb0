package lapic

// writeICR sends an inter-processor interrupt (11.6.1). dest is in the 32-bit
// form. Owner.
func (a *APIC) writeICR(low, dest uint32) {
	m := Message{
		Dest:    dest,
		Logical: low&icrLogical != 0,
		Mode:    Mode(low >> 8 & 7),
		Vector:  uint8(low),
	}
	short := low >> icrShorthandShift & 3
	switch m.Mode {
	case Fixed, LowestPriority:
		if m.Vector < 16 {
			a.fail(esrSendIllegal)
			return
		}
	case INIT:
		if low&icrLevel != 0 && low&icrAssert == 0 {
			return // de-assert: nothing to do since the Pentium 4 (11.6.1)
		}
	case SMI, NMI, StartUp:
	default:
		return // reserved
	}
	switch short {
	case shortSelf:
		if m.Mode == Fixed || m.Mode == NMI {
			a.deliver(m.Mode, m.Vector, false)
		}
	case shortAll:
		m.Dest, m.Logical = Broadcast, false
		a.set.send(&m, a, m.Mode == INIT || m.Mode == StartUp)
	case shortOthers:
		m.Dest, m.Logical = Broadcast, false
		a.set.send(&m, a, true)
	default:
		a.set.send(&m, a, false)
	}
}

// sendXAPIC sends what ICR holds in xAPIC mode.
func (a *APIC) sendXAPIC() {
	dest := a.icrHigh >> 24
	if dest == 0xFF {
		dest = Broadcast
	}
	a.writeICR(a.icrLow, dest)
}

// SelfIPI requests a vector on this CPU (x2APIC SELF IPI, 11.12.11). Owner.
func (a *APIC) SelfIPI(vector uint8) {
	if vector < 16 {
		a.fail(esrSendIllegal)
		return
	}
	a.request(vector, false)
}
