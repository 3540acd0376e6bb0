package vcpu

// This file is world W1. It uses no struct copies and no calls into packages
// that do: the guest's SIMD state is live in the registers while it runs.

// MSR indices that Fast knows.
const (
	msrAPICBase    = 0x1b
	msrTSCDeadline = 0x6e0
	msrX2APICFirst = 0x800
	msrX2APICEOI   = 0x80b
	msrX2APICLast  = 0x8ff
	msrX2APICICR   = 0x830
)

const apicBaseEnable = 1 << 11

// FastExit implements Fast.
func (v *VCPU) FastExit(x *Exit) Verdict {
	k := x.Kind
	if k >= NumKinds {
		return Return
	}
	v.stats.exits[k].Add(1)
	if v.stats.halted.Load() != 0 {
		v.unblocked()
	}
	if x.Event.Valid && k != KindException {
		return Return
	}
	switch k {
	case KindInterrupt:
		return Resume
	case KindKick:
		if v.stop.Load() || v.nmi.Load() || v.APIC.HasEvents() {
			return Return
		}
		return v.idle()
	case KindCPUID:
		return v.fastCPUID(x)
	case KindHLT:
		return v.fastHLT(x)
	case KindWRMSR:
		if x.MSR.Index == msrX2APICEOI && x.MSR.Value == 0 {
			return v.fastEOI(x)
		}
		if fastMSR(x.MSR.Index) {
			return v.fastWRMSR(x)
		}
	case KindRDMSR:
		if fastMSR(x.MSR.Index) {
			return v.fastRDMSR(x)
		}
	case KindHypercall:
		return v.fastHypercall(x)
	case KindPIO:
		return v.fastPIO(x)
	}
	// Behind the switch: one more case there is an instruction or three for all.
	switch k {
	case KindPause:
		return v.fastPause(x)
	case KindMemory:
		return v.fastMemory(x)
	}
	return Return
}

// fastPause is a loop around PAUSE: what it waits for may need this processor.
func (v *VCPU) fastPause(x *Exit) Verdict {
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	if !ok {
		return Return
	}
	r.RIP = next
	return Yield
}

func fastMSR(i uint32) bool {
	return i-msrX2APICFirst <= msrX2APICLast-msrX2APICFirst || i == msrTSCDeadline
}

// lengthOf is the length of the instruction of this exit, 0 when it is not known.
func (v *VCPU) lengthOf(x *Exit) uint8 {
	if x.InstLen != 0 {
		return x.InstLen
	}
	return v.lengths.get(x.Kind, x.RIP)
}

// next is RIP behind an instruction of n bytes. ok is false when its length is not
// known, when something has to happen at its end, or when RIP may have to wrap at
// 4 GiB: then ordinary Go looks. The interrupt shadow ends with the instruction:
// engines see to that when Fast answers Resume and has moved RIP.
func next(n uint8, r *Regs) (rip uint64, ok bool) {
	rip = r.RIP + uint64(n)
	return rip, n != 0 && r.RFLAGS&(FlagTF|FlagRF)|(rip^r.RIP)>>32 == 0
}

func (v *VCPU) fastCPUID(x *Exit) Verdict {
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	// Leaf 0xD shows the size for the current XCR0, which some engines know only
	// when ordinary Go runs.
	if !ok || uint32(r.GPR[RAX]) == 0xd {
		return Return
	}
	v.cpuid(r)
	r.RIP = next
	return Resume
}

// fastHLT leaves RIP at the HLT: AckInterrupt or wake moves it past.
func (v *VCPU) fastHLT(x *Exit) Verdict {
	n := v.lengthOf(x)
	if n == 0 {
		return Return
	}
	v.halted, v.haltRIP, v.haltLen = true, x.RIP, n
	v.eng.SetInterruptShadow(false)
	if v.stop.Load() || v.nmi.Load() || v.APIC.HasEvents() {
		return Return
	}
	return v.idle()
}

// idle decides whether a processor that stands at an HLT, or waits for a start-up
// IPI, goes on.
func (v *VCPU) idle() Verdict {
	if !v.halted {
		if v.waiting {
			return v.sleep()
		}
		return Resume
	}
	r := v.regs
	if r.RIP != v.haltRIP {
		v.halted = false
		return Resume
	}
	if r.RFLAGS&FlagIF != 0 {
		if _, ok := v.PendingInterrupt(); ok {
			return Resume
		}
	}
	return v.sleep()
}

// sleep begins a stay that is measured as idle.
func (v *VCPU) sleep() Verdict {
	v.stats.halted.Store(v.Time.TSC())
	return Block
}

// unblocked ends the measurement of a stay in HLT.
func (v *VCPU) unblocked() {
	if t := v.stats.halted.Load(); t != 0 {
		v.stats.halted.Store(0) // before the sum: Idle relies on it
		v.stats.idle.Add(v.Time.TSC() - t)
	}
}

// wake moves past the HLT, if there is one.
func (v *VCPU) wake() {
	if !v.halted {
		return
	}
	v.halted = false
	if r := v.regs; r.RIP == v.haltRIP {
		r.RIP += uint64(v.haltLen)
	}
}

func (v *VCPU) fastWRMSR(x *Exit) Verdict {
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	if !ok {
		return Return
	}
	if v.pv.eoiOffered {
		v.pvSyncEOI()
	}
	if !v.APIC.WriteMSR(x.MSR.Index, x.MSR.Value) {
		return Return // #GP needs ordinary Go; the write has changed nothing
	}
	r.RIP = next
	if x.MSR.Index == msrX2APICICR && v.APIC.HasEvents() {
		v.eng.Kick() // an NMI or INIT to itself: the sender is not kicked
	}
	return Resume
}

// fastEOI is the most frequent WRMSR.
func (v *VCPU) fastEOI(x *Exit) Verdict {
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	if !ok {
		return Return
	}
	if v.pv.eoiOffered {
		v.pvSyncEOI()
	}
	quiet, ok := v.APIC.WriteEOI()
	if !ok {
		return Return
	}
	r.RIP = next
	if quiet {
		return ResumeQuiet
	}
	return Resume
}

func (v *VCPU) fastRDMSR(x *Exit) Verdict {
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	if !ok {
		return Return
	}
	if v.pv.eoiOffered {
		v.pvSyncEOI()
	}
	val, ok := v.APIC.ReadMSR(x.MSR.Index)
	if !ok {
		return Return
	}
	r.GPR[RAX], r.GPR[RDX] = val&0xffffffff, val>>32
	r.RIP = next
	return Resume
}

// KVM's error numbers of hypercalls (Linux uapi/linux/kvm_para.h).
const (
	hcNoSys = ^uint64(1000) + 1
	hcPerm  = ^uint64(1) + 1
)

// fastHypercall: there is no hypercall that we carry.
func (v *VCPU) fastHypercall(x *Exit) Verdict {
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	if !ok {
		return Return
	}
	r.GPR[RAX] = hypercall(x)
	r.RIP = next
	return Resume
}

// hypercall is what one answers. W1.
func hypercall(x *Exit) uint64 {
	if x.CPL != 0 {
		return hcPerm
	}
	return hcNoSys
}

func (v *VCPU) fastPIO(x *Exit) Verdict {
	if v.Fast == nil || x.PIO.String {
		return Return
	}
	r := v.regs
	next, ok := next(v.lengthOf(x), r)
	if !ok {
		return Return
	}
	if !x.PIO.In {
		if !v.Fast.FastWritePort(x.PIO.Port, x.PIO.Size, uint32(r.GPR[RAX])) {
			return Return
		}
		r.RIP = next
		return ResumeQuiet
	}
	val, ok := v.Fast.FastReadPort(x.PIO.Port, x.PIO.Size)
	if !ok {
		return Return
	}
	setIn(r, x.PIO.Size, val)
	r.RIP = next
	return Resume
}

// setIn puts the result of IN into RAX as the size demands.
func setIn(r *Regs, size uint8, val uint32) {
	switch size {
	case 1:
		r.GPR[RAX] = r.GPR[RAX]&^0xff | uint64(val&0xff)
	case 2:
		r.GPR[RAX] = r.GPR[RAX]&^0xffff | uint64(val&0xffff)
	default:
		r.GPR[RAX] = uint64(val)
	}
}

// PendingInterrupt implements Fast.
func (v *VCPU) PendingInterrupt() (uint8, bool) {
	if v.pv.eoiOffered {
		v.pvSyncEOI()
	}
	return v.APIC.Pending()
}

// AckInterrupt implements Fast. It ends an HLT.
func (v *VCPU) AckInterrupt(vector uint8) {
	if v.stats.halted.Load() != 0 {
		v.unblocked()
	}
	v.wake()
	v.APIC.Accept(vector)
	v.pvOfferEOI(vector)
}

// Deadline implements Fast. A deadline that cannot come before the host's counter
// wraps is the end of time, not the past: it must not make the run loop look again
// at every entry.
func (v *VCPU) Deadline() uint64 {
	d := v.APIC.DeadlineTSC()
	if d == 0 {
		return 0
	}
	h := d - v.tscOffset
	switch {
	case int64(v.tscOffset) < 0: // the host's counter is ahead
		if h < d {
			return ^uint64(0)
		}
	case h > d || h == 0: // before the host's counter began
		return 1
	}
	return h
}

// TaskPriority and SetTaskPriority are CR8 for engines that keep it in hardware.
func (v *VCPU) TaskPriority() uint8 { return v.APIC.TPR() }

// SetTaskPriority takes the value of CR8 that the guest has written.
func (v *VCPU) SetTaskPriority(cr8 uint8) { v.APIC.SetTPR(cr8 & 15) }
