package vcpu

import "encoding/binary"

// The paravirtual interface of KVM (Linux Documentation/virt/kvm/x86/msr.rst).
const (
	msrWallClock     = 0x11
	msrSystemTime    = 0x12
	msrWallClockNew  = 0x4b564d00
	msrSystemTimeNew = 0x4b564d01
	msrStealTime     = 0x4b564d03
	msrPVEOI         = 0x4b564d04
)

// paravirt is the pages that a guest has registered.
type paravirt struct {
	work               bool // something to do at the next entry
	clockMSR, stealMSR uint64
	eoiMSR, wallMSR    uint64
	clock              uint64 // address, 0: off
	version            uint32
	clockDirty         bool
	steal              uint64
	stolen, stealLast  uint64 // at registration; as last written
	stealVersion       uint32
	eoi                uint64
	eoiOffered         bool // the flag in the guest is set for eoiVector
	eoiVector          uint8
}

func readKVM(v *VCPU, i uint32) (uint64, bool) {
	switch i {
	case msrWallClock, msrWallClockNew:
		return v.pv.wallMSR, true
	case msrSystemTime, msrSystemTimeNew:
		return v.pv.clockMSR, true
	case msrStealTime:
		return v.pv.stealMSR, true
	}
	return v.pv.eoiMSR, true
}

func writeKVM(v *VCPU, i uint32, val uint64) bool {
	p := &v.pv
	switch i {
	case msrWallClock, msrWallClockNew:
		p.wallMSR = val
		v.writeWallClock(val)
	case msrSystemTime, msrSystemTimeNew:
		p.clockMSR = val
		p.clock = 0
		if val&1 != 0 {
			p.clock = val &^ 1
			p.clockDirty = true
			p.work = true
		}
	case msrStealTime:
		if val&0x3e != 0 {
			return false
		}
		p.stealMSR, p.steal = val, 0
		if val&1 != 0 {
			p.steal = val &^ 0x3f
			p.stolen = v.Time.Stolen(v.Index)
			p.stealLast = p.stolen
			p.work = true
			_ = v.Mem.Write(p.steal, make([]byte, 64))
		}
	case msrPVEOI:
		if val&2 != 0 {
			return false
		}
		v.pvSyncEOI()
		p.eoiMSR, p.eoi, p.eoiOffered = val, 0, false
		// The flag is one byte of an aligned word that is present.
		if val&1 != 0 && v.Mem.PutUint32(val&^3, 0) {
			p.eoi = val &^ 3
		}
	}
	return true
}

// writeWallClock writes struct pvclock_wall_clock: the time of day at power-on.
func (v *VCPU) writeWallClock(gpa uint64) {
	t := v.Time.Wall() - v.Time.Now()
	var b [12]byte
	binary.LittleEndian.PutUint32(b[0:], 2) // even: consistent
	binary.LittleEndian.PutUint32(b[4:], uint32(t/1e9))
	binary.LittleEndian.PutUint32(b[8:], uint32(t%1e9))
	_ = v.Mem.Write(gpa, b[:])
}

// ClockChanged makes the guest's clock page follow a change of the machine's
// clock (after a pause) or of the guest's counter. The owner calls it while the
// processor does not run, or the processor itself.
func (v *VCPU) ClockChanged() {
	if v.pv.clock != 0 {
		v.pv.clockDirty, v.pv.work = true, true
	}
}

// pvEnter updates the pages before an entry.
func (v *VCPU) pvEnter() {
	p := &v.pv
	if p.clockDirty && p.clock != 0 {
		v.writeClock()
	}
	p.clockDirty = false
	p.work = p.steal != 0
	if p.steal != 0 {
		v.writeSteal()
	}
}

// writeClock writes struct pvclock_vcpu_time_info.
func (v *VCPU) writeClock() {
	p := &v.pv
	mul, shift := pvScale(v.Time.KHz() * 1000)
	tsc, now := v.Time.Epoch()
	tsc += v.tscOffset
	p.version += 2
	var b [32]byte
	binary.LittleEndian.PutUint32(b[0:], p.version)
	binary.LittleEndian.PutUint64(b[8:], tsc)
	binary.LittleEndian.PutUint64(b[16:], uint64(now))
	binary.LittleEndian.PutUint32(b[24:], mul)
	b[28] = uint8(shift)
	b[29] = 1 // PVCLOCK_TSC_STABLE_BIT
	v.Mem.PutUint32(p.clock, p.version-1)
	_ = v.Mem.Write(p.clock+4, b[4:])
	v.Mem.PutUint32(p.clock, p.version)
}

// pvScale is the factor from a counter of hz to ns: ns = (ticks << shift) * mul >> 32.
func pvScale(hz uint64) (mul uint32, shift int8) {
	if hz == 0 {
		return 0, 0
	}
	num, den := uint64(1e9), hz
	for num > den {
		den <<= 1
		shift++
	}
	for num<<1 <= den {
		num <<= 1
		shift--
	}
	// num <= den < 2*num and both are below 2^40.
	q := uint64(0)
	rem := num
	for range 32 {
		rem <<= 1
		q <<= 1
		if rem >= den {
			rem -= den
			q |= 1
		}
	}
	if num == den {
		return 1 << 31, shift + 1
	}
	return uint32(q), shift
}

// writeSteal writes struct kvm_steal_time.
func (v *VCPU) writeSteal() {
	p := &v.pv
	now := v.Time.Stolen(v.Index)
	if now == p.stealLast {
		return
	}
	p.stealLast = now
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], now-p.stolen)
	p.stealVersion += 2
	v.Mem.PutUint32(p.steal+8, p.stealVersion-1)
	_ = v.Mem.Write(p.steal, b[:])
	v.Mem.PutUint32(p.steal+8, p.stealVersion)
}

// The byte preempted of struct kvm_steal_time, and its bits.
const (
	stealPreempted = 16
	vcpuPreempted  = 1 << 0
	vcpuFlushTLB   = 1 << 1 // set by another processor of the guest, if the first one is
)

// Away implements Fast. It tells the guest's other processors, which then leave a
// wish in the same byte instead of an interrupt that this one would have to take.
func (v *VCPU) Away() bool {
	at := v.pv.steal
	return at != 0 && v.Mem.Store(at+stealPreempted, 1, vcpuPreempted)
}

// Back implements Fast. The guest has the whole word in its hands: a wish that cannot
// be read counts as one.
func (v *VCPU) Back() (flush bool) {
	const tries = 8
	at := v.pv.steal + stealPreempted
	for range tries {
		w, ok := v.Mem.Load(at, 4)
		if !ok {
			return true
		}
		switch swapped, ok := v.Mem.CompareAndSwap32(at, uint32(w), uint32(w)&^0xff); {
		case !ok:
			return true
		case swapped:
			return w&vcpuFlushTLB != 0
		}
	}
	v.Mem.Store(at, 1, 0)
	return true
}

// pvOfferEOI sets the guest's flag when the end of vector needs no exit. W1.
func (v *VCPU) pvOfferEOI(vector uint8) {
	p := &v.pv
	if p.eoi == 0 || !v.APIC.CanSkipEOI(vector) {
		return
	}
	if v.Mem.Store(p.eoi, 4, 1) {
		p.eoiOffered, p.eoiVector = true, vector
	}
}

// pvSyncEOI looks whether the guest has ended its interrupt by clearing the
// flag. W1.
func (v *VCPU) pvSyncEOI() {
	p := &v.pv
	if !p.eoiOffered {
		return
	}
	f, ok := v.Mem.Load(p.eoi, 4)
	if !ok || f&1 == 0 {
		p.eoiOffered = false
		v.APIC.EOI()
		return
	}
	// Still in service. Something that arrived since needs the real EOI.
	if !v.APIC.CanSkipEOI(p.eoiVector) {
		v.Mem.Store(p.eoi, 4, f&^1)
		p.eoiOffered = false
	}
}
