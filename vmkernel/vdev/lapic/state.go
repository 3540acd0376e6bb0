package lapic

import (
	"fmt"

	"basalt/vmkernel/checkpoint"
)

// stateVersion is 2 since the ID in xAPIC mode is in it.
const stateVersion = 2

// SaveState writes the registers. The CPU is paused; the timer's deadline is in
// guest TSC, so it moves with the guest's TSC. World W2.
func (a *APIC) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.U64(a.base.Load())
	for i := range a.irr {
		e.U32(a.irr[i].Load())
		e.U32(a.tmr[i].Load())
		e.U32(a.isr[i])
	}
	for i := range numLVT {
		e.U32(a.lvt[i].Load())
	}
	for _, v := range []uint32{
		a.events.Load(), a.errs.Load(), a.svr.Load(), a.ldr.Load(), a.dfr.Load(),
		a.tpr, a.icrLow, a.icrHigh, a.esr, a.timer.initial, a.timer.divide,
	} {
		e.U32(v)
	}
	e.U64(a.timer.deadline)
	e.U8(uint8(a.xid.Load()))
	return e.Bytes(), nil
}

// LoadState replaces the registers, or changes nothing and says why. World W2.
func (a *APIC) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	base := d.U64()
	var irr, tmr, isr [8]uint32
	for i := range irr {
		irr[i], tmr[i], isr[i] = d.U32(), d.U32(), d.U32()
	}
	var lvt [numLVT]uint32
	for i := range lvt {
		lvt[i] = d.U32()
		d.Check(lvt[i]&^lvtValid[i] == 0, fmt.Sprintf("lvt %d", i))
	}
	var r [11]uint32
	for i := range r {
		r[i] = d.U32()
	}
	deadline := d.U64()
	xid := a.id & 0xFF
	if d.Version() >= 2 {
		xid = uint32(d.U8())
	}
	events, errs, svr, ldr, dfr, tpr := r[0], r[1], r[2], r[3], r[4], r[5]
	const mode = BaseEN | BaseEXTD
	d.Check(base&0xFF == 0 && base&(1<<9) == 0 && base>>52 == 0 && base&mode != BaseEXTD &&
		(base&BaseBSP != 0) == (a.id == 0) && (a.cfg.X2APIC || base&BaseEXTD == 0), "base")
	d.Check((irr[0]|tmr[0]|isr[0])&0xFFFF == 0, "vector below 16")
	d.Check(events&^0xFF3F == 0 && (events&uint32(evNMIAgain) == 0 || events&uint32(evNMI) != 0), "events")
	d.Check((errs|r[8])&^(esrSendIllegal|esrReceiveIllegal|esrRegister) == 0, "esr")
	d.Check(svr&^svrValid == 0, "svr")
	d.Check(dfr&0x0FFF_FFFF == 0x0FFF_FFFF, "dfr")
	x2 := base&BaseEXTD != 0
	d.Check(x2 && ldr == a.id>>4<<16|1<<(a.id&15) || !x2 && ldr&0xFF_FFFF == 0, "ldr")
	d.Check(base&mode == BaseEN || xid == a.id&0xFF, "id")
	d.Check(tpr <= 0xFF, "tpr")
	d.Check(r[6]&^icrValid == 0, "icr")
	d.Check(r[10]&^0xB == 0, "tdcr")
	if err := d.Done("lapic"); err != nil {
		return err
	}
	a.base.Store(base)
	a.setXID(xid)
	for i := range irr {
		a.irr[i].Store(irr[i])
		a.tmr[i].Store(tmr[i])
		a.isr[i] = isr[i]
	}
	for i := range lvt {
		a.lvt[i].Store(lvt[i])
	}
	a.events.Store(events)
	a.errs.Store(errs)
	a.svr.Store(svr)
	a.ldr.Store(ldr)
	a.dfr.Store(dfr)
	a.icrLow, a.icrHigh, a.esr = r[6], r[7], r[8]
	a.timer = timer{initial: r[9], divide: r[10], deadline: deadline}
	a.irrSum.Store(0xFF)
	for i := range a.irr {
		a.summarise(uint8(i))
	}
	a.isrTop = a.highestISR()
	a.lent = false
	a.setTPR(tpr)
	return nil
}
