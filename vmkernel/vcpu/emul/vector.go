package emul

import (
	"encoding/binary"

	"basalt/vmkernel/vcpu"
)

// Offsets in the XSAVE area, standard format, and bits of XSTATE_BV (SDM Vol. 1,
// 10.5.1 and 13.4).
const (
	xmmAt     = 160
	xstateAt  = 512
	ymmAt     = 576 // upper halves
	ymmEnd    = ymmAt + 16*16
	legacyEnd = 512 // an area that ends before ymmAt is FXSAVE's and has no header
	xstateSSE = 1 << 1
	xstateAVX = 1 << 2
)

// vectorFault is what the processor checks before it touches memory (SDM Vol. 2A,
// 2.4, exception types 1, 4 and 5).
func vectorFault(c vcpu.CPU, in *inst) (vcpu.Event, bool) {
	s := c.Mode()
	if in.vex {
		if s.CR0&vcpu.CR0PE == 0 || c.Regs().RFLAGS&vcpu.FlagVM != 0 || s.CR4&vcpu.CR4OSXSAVE == 0 || c.System().XCR0&6 != 6 {
			return fault(vecUD, 0), false
		}
	} else if s.CR0&vcpu.CR0EM != 0 || s.CR4&vcpu.CR4OSFXSR == 0 {
		return fault(vecUD, 0), false
	}
	if s.CR0&vcpu.CR0TS != 0 {
		return fault(vecNM, 0), false
	}
	return vcpu.Event{}, true
}

// vector moves between memory and a vector register. Devices see accesses of 8 bytes,
// in ascending order.
func (e *Emulator) vector(c vcpu.CPU, in *inst, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	if ev, ok := vectorFault(c, in); !ok {
		return vcpu.Faulted, ev
	}
	area := c.XSAVE()
	n := in.msize
	if len(area) < legacyEnd || in.vex && len(area) < ymmEnd || n < 4 || n > 32 || n&(n-1) != 0 {
		return vcpu.Unable, vcpu.Event{}
	}
	acc := accRead
	if in.memDst {
		acc = accWrite
	}
	var t target
	if ev, ok := e.resolve(c, in, x, n, acc, &t); !ok {
		return vcpu.Faulted, ev
	}
	if in.aligned && t.gpa[0]&uint64(n-1) != 0 {
		return vcpu.Faulted, fault(vecGP, 0)
	}
	if !t.device() {
		return vcpu.Again, vcpu.Event{}
	}
	from := 0
	if in.op == opVecHigh {
		from = 8
	}
	if in.memDst {
		var v [32]byte
		getVector(area, in.reg, &v)
		copy(e.wide[:n], v[from:])
		e.write(&t, e.wide[:n])
	} else {
		e.read(&t, e.wide[:n])
		var v [32]byte
		if in.op != opVec {
			getVector(area, in.reg, &v)
		}
		copy(v[from:], e.wide[:n])
		setVector(area, in.reg, &v, in.vex)
	}
	e.advance(c, in)
	return vcpu.Done, vcpu.Event{}
}

// getVector reads a YMM register. A component whose bit in XSTATE_BV is clear is in its
// initial state, whatever the area holds.
func getVector(area []byte, reg uint8, v *[32]byte) {
	present := uint64(xstateSSE)
	if len(area) >= ymmAt {
		present = binary.LittleEndian.Uint64(area[xstateAt:])
	}
	if present&xstateSSE != 0 {
		copy(v[:16], area[xmmAt+16*int(reg):])
	}
	if present&xstateAVX != 0 && len(area) >= ymmEnd {
		copy(v[16:], area[ymmAt+16*int(reg):][:16])
	}
}

// setVector writes an XMM register, and with whole the upper half as well.
func setVector(area []byte, reg uint8, v *[32]byte, whole bool) {
	if len(area) >= ymmAt {
		present := binary.LittleEndian.Uint64(area[xstateAt:])
		if present&xstateSSE == 0 {
			clear(area[xmmAt:][:16*16])
			present |= xstateSSE
		}
		if whole {
			if present&xstateAVX == 0 {
				clear(area[ymmAt:ymmEnd])
				present |= xstateAVX
			}
			copy(area[ymmAt+16*int(reg):], v[16:])
		}
		binary.LittleEndian.PutUint64(area[xstateAt:], present)
	}
	copy(area[xmmAt+16*int(reg):], v[:16])
}

// cmpxchgN is CMPXCHG8B and CMPXCHG16B (SDM Vol. 2A). They write in both cases.
func (e *Emulator) cmpxchgN(c vcpu.CPU, in *inst, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	n := in.msize
	if n != 8 && n != 16 {
		return vcpu.Unable, vcpu.Event{}
	}
	var t target
	if ev, ok := e.resolve(c, in, x, n, accWrite, &t); !ok {
		return vcpu.Faulted, ev
	}
	if n == 16 && t.gpa[0]&15 != 0 {
		return vcpu.Faulted, fault(vecGP, 0)
	}
	if !t.device() {
		return vcpu.Again, vcpu.Event{}
	}
	r := c.Regs()
	half := n / 2
	m := sizeMask(half)
	e.read(&t, e.wide[:n])
	low := binary.LittleEndian.Uint64(e.wide[:]) & m
	high := binary.LittleEndian.Uint64(e.wide[half:]) & m
	if low == r.GPR[vcpu.RAX]&m && high == r.GPR[vcpu.RDX]&m {
		r.RFLAGS |= vcpu.FlagZF
		binary.LittleEndian.PutUint64(e.wide[:], r.GPR[vcpu.RBX])
		binary.LittleEndian.PutUint64(e.wide[half:], r.GPR[vcpu.RCX])
	} else {
		r.RFLAGS &^= vcpu.FlagZF
		set(r, vcpu.RAX, half, false, low)
		set(r, vcpu.RDX, half, false, high)
	}
	e.write(&t, e.wide[:n])
	e.advance(c, in)
	return vcpu.Done, vcpu.Event{}
}
