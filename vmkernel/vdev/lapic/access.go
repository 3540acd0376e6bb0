package lapic

// read is the value of a register; ok is false when there is none.
func (a *APIC) read(reg uint32, now uint64) (v uint32, ok bool) {
	switch {
	case reg >= ISR && reg < TMR:
		return a.isr[(reg-ISR)>>4&7], true
	case reg >= TMR && reg < IRR:
		return a.tmr[(reg-TMR)>>4&7].Load(), true
	case reg >= IRR && reg < ESR:
		return a.irr[(reg-IRR)>>4&7].Load(), true
	case reg >= LVTT && reg <= LVTERR:
		return a.lvt[(reg-LVTT)>>4&7].Load(), true
	}
	switch reg {
	case ID:
		if a.x2APIC() {
			return a.id, true
		}
		return a.xid.Load() << 24, true
	case Version:
		return versionValue, true
	case TPR:
		return a.tpr, true
	case PPR:
		return a.ppr.Load(), true
	case APR, RRD, EOI:
		return 0, true
	case LDR:
		return a.ldr.Load(), true
	case DFR:
		return a.dfr.Load(), true
	case SVR:
		return a.svr.Load(), true
	case ESR:
		return a.esr, true
	case ICRLow:
		return a.icrLow, true
	case ICRHigh:
		return a.icrHigh, true
	case TMICT:
		return a.timer.initial, true
	case TMCCT:
		return a.currentCount(now), true
	case TDCR:
		return a.timer.divide, true
	}
	return 0, false
}

// write sets a register that both modes have; ok is false when there is none.
func (a *APIC) write(reg, v uint32, now uint64) (ok bool) {
	if reg >= LVTT && reg <= LVTERR {
		a.writeLVT(int((reg-LVTT)>>4), v)
		return true
	}
	switch reg {
	case TPR:
		a.setTPR(v)
	case EOI:
		a.EOI()
	case SVR:
		a.writeSVR(v)
	case ESR:
		a.esr = a.errs.Swap(0)
	case TMICT:
		a.writeTMICT(v, now)
	case TDCR:
		a.writeTDCR(v, now)
	default:
		return false
	}
	return true
}

// setXID is a write of the ID in xAPIC mode (11.4.6). Messages to an ID are no longer
// delivered by its number from the first one that is another.
func (a *APIC) setXID(id uint32) {
	if id != a.id&0xFF {
		a.set.renamed.Store(true)
	}
	a.xid.Store(id)
}

func (a *APIC) writeLVT(n int, v uint32) {
	v &= lvtValid[n&7]
	if a.svr.Load()&svrEnable == 0 {
		v |= lvtMasked // 11.4.7.2
	}
	if n == lvtTimer {
		a.writeLVTT(v)
		return
	}
	a.lvt[n&7].Store(v)
}

func (a *APIC) writeSVR(v uint32) {
	a.svr.Store(v & svrValid)
	if v&svrEnable == 0 {
		for i := range numLVT {
			a.lvt[i].Or(lvtMasked)
		}
	}
}

// xAPIC says that the page answers: in x2APIC mode, and disabled, it is a hole
// (11.12.2, table 11-6; 11.4.3).
func (a *APIC) xAPIC() bool { return a.base.Load()&(BaseEN|BaseEXTD) == BaseEN }

// Read is an aligned 32-bit read of the xAPIC page. now is the guest's TSC.
// Owner.
func (a *APIC) Read(off uint32, now uint64) uint32 {
	if !a.xAPIC() {
		return 0xFFFF_FFFF
	}
	if off&0xF != 0 || off >= PageSize {
		return 0
	}
	v, ok := a.read(off, now)
	if !ok {
		a.fail(esrRegister)
	}
	return v
}

// ReadSilent is Read of a register that there is: nothing changes, no error is raised.
// Owner.
func (a *APIC) ReadSilent(off uint32, now uint64) (v uint32, ok bool) {
	if !a.xAPIC() || off&0xF != 0 || off >= PageSize {
		return 0, false
	}
	return a.read(off, now)
}

// Write is an aligned 32-bit write to the xAPIC page. now is the guest's TSC.
// Owner.
func (a *APIC) Write(off, v uint32, now uint64) {
	switch {
	case !a.xAPIC() || off&0xF != 0 || off >= PageSize:
		return
	case a.write(off, v, now):
		return
	}
	switch off {
	case ICRLow:
		a.icrLow = v & icrValid
		a.sendXAPIC()
	case ICRHigh:
		a.icrHigh = v & 0xFF00_0000
	case LDR:
		a.ldr.Store(v & 0xFF00_0000)
	case DFR:
		a.dfr.Store(v | 0x0FFF_FFFF)
	case ID:
		a.setXID(v >> 24)
	case Version, APR, PPR, RRD, TMCCT:
		// read-only
	default:
		if off >= ISR && off < ESR {
			return // read-only
		}
		a.fail(esrRegister)
	}
}

// ReadBytes is a read of any width at any offset of the xAPIC page: bytes
// outside the low 32 bits of a register are 0 (11.4.1 leaves them undefined).
// Owner.
func (a *APIC) ReadBytes(off uint64, data []byte, now uint64) {
	at := off & 0xF
	v := uint64(0)
	if off < PageSize && at < 4 {
		v = uint64(a.Read(uint32(off&^0xF), now)) >> (8 * at)
	}
	for i := range data { // no clear(): that uses XMM registers
		data[i] = byte(v)
		v >>= 8
	}
}

// WriteBytes is a write of any width: only aligned writes of 4 bytes or more
// reach a register (11.4.1). Owner.
func (a *APIC) WriteBytes(off uint64, data []byte, now uint64) {
	if off < PageSize && len(data) >= 4 {
		a.Write(uint32(off), uint32(data[0])|uint32(data[1])<<8|uint32(data[2])<<16|uint32(data[3])<<24, now)
	}
}

// ReadMSR is RDMSR of 0x800 to 0x8FF; false means #GP (11.12.1.2). Owner.
func (a *APIC) ReadMSR(index uint32, now uint64) (uint64, bool) {
	if !a.x2APIC() || index < MSRx2APIC || index > MSRx2APIC+0xFF {
		return 0, false
	}
	reg := (index - MSRx2APIC) << 4
	switch reg {
	case EOI, DFR, ICRHigh, APR, RRD:
		return 0, false
	case ICRLow:
		return uint64(a.icrHigh)<<32 | uint64(a.icrLow), true
	}
	v, ok := a.read(reg, now)
	return uint64(v), ok
}

// WriteMSR is WRMSR of 0x800 to 0x8FF; false means #GP: no such register, a
// read-only one or a reserved bit. now is the guest's TSC. Owner.
func (a *APIC) WriteMSR(index uint32, v, now uint64) bool {
	if !a.x2APIC() || index < MSRx2APIC || index > MSRx2APIC+0xFF {
		return false
	}
	reg := (index - MSRx2APIC) << 4
	switch {
	case reg == EOI: // the most frequent one
		if v != 0 {
			return false
		}
		a.EOI()
		return true
	case reg == ICRLow:
		low := uint32(v) &^ icrStatus // Intel ignores it, AMD calls it reserved
		if low&^uint32(icrValid) != 0 {
			return false
		}
		a.icrLow, a.icrHigh = low, uint32(v>>32)
		a.writeICR(low, a.icrHigh)
		return true
	case reg == SelfIPI:
		if v > 0xFF {
			return false
		}
		a.SelfIPI(uint8(v))
		return true
	case v>>32 != 0 || uint32(v)&^x2Valid(reg) != 0:
		return false
	}
	return a.write(reg, uint32(v), now)
}

// x2Valid are the bits of a register that a write in x2APIC mode may have set.
// Read-only bits of an LVT entry are not reserved ones: Linux writes back what it
// may have read there.
func x2Valid(reg uint32) uint32 {
	if reg >= LVTT && reg <= LVTERR {
		return lvtValid[(reg-LVTT)>>4&7] | lvtStatus | lvtRemoteIRR
	}
	switch reg {
	case TPR:
		return 0xFF
	case SVR:
		return svrValid | svrFocus
	case TMICT:
		return 0xFFFF_FFFF
	case TDCR:
		return 0xB
	}
	return 0 // ESR takes only 0; the rest does not exist
}
