package emul

import (
	"encoding/binary"

	"basalt/vmkernel/vcpu"
)

// target is a resolved memory operand of at most 32 bytes: one or two pieces of
// guest-physical addresses.
type target struct {
	gpa   [2]uint64
	n     [2]uint8 // bytes of each piece; the second is 0 inside one page
	dev   [2]bool  // not memory
	total uint8
}

// addr is the offset of the memory operand in its segment.
func (in *inst) addr(r *vcpu.Regs) uint64 {
	a := uint64(in.disp)
	switch {
	case in.base >= 0:
		a += r.GPR[in.base]
	case in.base == -2:
		a += r.RIP + uint64(in.len)
	}
	if in.index >= 0 {
		a += r.GPR[in.index] * uint64(in.scale)
	}
	return a & sizeMask(in.asize)
}

func sizeMask(size uint8) uint64 {
	switch size {
	case 1:
		return 0xff
	case 2:
		return 0xffff
	case 4:
		return 0xffffffff
	}
	return ^uint64(0)
}

func segOf(s *vcpu.System, n uint8) *vcpu.Segment {
	switch n {
	case segES:
		return &s.ES
	case segCS:
		return &s.CS
	case segSS:
		return &s.SS
	case segFS:
		return &s.FS
	case segGS:
		return &s.GS
	}
	return &s.DS
}

// linear adds the segment and checks it (SDM Vol. 3A, 5.3; Vol. 1, 3.3.7.1).
func linear(s *vcpu.System, seg uint8, off uint64, n uint8, acc access) (uint64, vcpu.Event, bool) {
	vec := uint8(vecGP)
	if seg == segSS {
		vec = vecSS
	}
	if s.Long() {
		if seg >= segFS {
			off += segOf(s, seg).Base
		}
		end := off + uint64(n) - 1
		if uint64(int64(off)<<16>>16) != off || uint64(int64(end)<<16>>16) != end {
			return 0, fault(vec, 0), false
		}
		return off, vcpu.Event{}, true
	}
	g := segOf(s, seg)
	end := off + uint64(n) - 1
	protected := s.CR0&vcpu.CR0PE != 0
	bad := g.Attr&vcpu.AttrUnusable != 0
	if down := protected && g.Attr&0xc == 4; down {
		top := uint64(0xffff)
		if g.Attr&vcpu.AttrDB != 0 {
			top = 0xffffffff
		}
		bad = bad || off <= uint64(g.Limit) || end > top
	} else {
		bad = bad || end > uint64(g.Limit)
	}
	if protected && acc&accWrite != 0 && g.Attr&0xa != 2 {
		bad = true // read-only data or code
	}
	if protected && acc&accWrite == 0 && g.Attr&0xa == 8 {
		bad = true // code that can only be executed
	}
	if bad {
		return 0, fault(vec, 0), false
	}
	return (g.Base + off) & 0xffffffff, vcpu.Event{}, true
}

// resolve finds the memory operand of n bytes. With an exit x whose address can
// be nothing else, no walk is needed.
func (e *Emulator) resolve(c vcpu.CPU, in *inst, x *vcpu.Exit, n uint8, acc access, t *target) (vcpu.Event, bool) {
	off := in.addr(c.Regs())
	if in.op >= opBt && in.op <= opBtc && in.hasReg && !in.hasImm {
		off = in.bitAddr(c.Regs(), off)
	}
	// A write needs a walk of its own unless the exit was a write: the code may
	// have changed since, and the rights were checked for what it was.
	if x != nil && (acc&accWrite == 0 || x.Mem.Write) {
		low := x.Mem.GPA & 0xfff
		base, known := baseOf(c.Mode(), in.seg)
		if low+uint64(n) <= 0x1000 && (known && (base+off)&0xfff == low || !known && low != 0) {
			t.gpa[0], t.n[0], t.n[1], t.total = x.Mem.GPA, n, 0, n
			t.dev[0] = true
			return vcpu.Event{}, true
		}
	}
	return e.locate(c, in.seg, off, n, acc, t)
}

// baseOf is the base of a segment that the mode has.
func baseOf(s *vcpu.System, seg uint8) (base uint64, known bool) {
	switch {
	case s.Long():
		return 0, seg < segFS
	case seg == segDS:
		return s.DS.Base, true
	case seg == segSS:
		return s.SS.Base, true
	case seg == segCS:
		return s.CS.Base, true
	}
	return 0, false
}

// locate translates seg:off.
func (e *Emulator) locate(c vcpu.CPU, seg uint8, off uint64, n uint8, acc access, t *target) (vcpu.Event, bool) {
	// The mode is enough but for the segments that it lacks.
	s := c.Mode()
	if seg == segES && !s.Long() || seg >= segFS {
		s = c.System()
	}
	lin, ev, ok := linear(s, seg, off, n, acc)
	if !ok {
		return ev, false
	}
	if smap(c.Regs(), s) {
		acc |= accSMAP
	}
	t.total = n
	for i := range t.n {
		step := uint8(min(uint64(n), 0x1000-lin&0xfff))
		t.n[i] = step
		if step == 0 {
			break
		}
		if t.gpa[i], ev, ok = e.walk(s, lin, acc); !ok {
			return ev, false
		}
		t.dev[i] = !e.mem.Contains(t.gpa[i], uint64(step))
		lin += uint64(step)
		n -= step
	}
	return ev, true
}

// smap says that data accesses to user pages are forbidden now.
func smap(r *vcpu.Regs, s *vcpu.System) bool {
	return s.CR4&vcpu.CR4SMAP != 0 && s.CPL() != 3 && r.RFLAGS&(1<<18) == 0 && s.CR0&vcpu.CR0PG != 0
}

// device says that a part of the operand is not memory. Where all is, the code has
// changed since the exit, and the processor does it better: locked, for one.
func (t *target) device() bool { return t.dev[0] || t.n[1] != 0 && t.dev[1] }

// read copies the operand to p, which is in e.wide.
func (e *Emulator) read(t *target, p []byte) {
	e.readPiece(t.gpa[0], p[:t.n[0]], t.dev[0])
	if t.n[1] != 0 {
		e.readPiece(t.gpa[1], p[t.n[0]:t.total], t.dev[1])
	}
}

// write is the way back. The operand is at least as long as it was resolved for.
func (e *Emulator) write(t *target, p []byte) {
	e.writePiece(t.gpa[0], p[:t.n[0]], t.dev[0])
	if t.n[1] != 0 {
		e.writePiece(t.gpa[1], p[t.n[0]:t.total], t.dev[1])
	}
}

// bus is the size of the next access of at most 8 bytes to a device: what is left,
// if a bus can carry it.
func bus(left int) int {
	switch {
	case left >= 8:
		return 8
	case left >= 4:
		return 4
	case left >= 2:
		return 2
	}
	return 1
}

func (e *Emulator) readPiece(gpa uint64, p []byte, dev bool) {
	if !dev {
		_ = e.mem.Read(gpa, p)
		return
	}
	for len(p) > 0 {
		n := bus(len(p))
		e.io.ReadMMIO(gpa, p[:n])
		gpa, p = gpa+uint64(n), p[n:]
	}
}

func (e *Emulator) writePiece(gpa uint64, p []byte, dev bool) {
	if !dev {
		_ = e.mem.Write(gpa, p)
		return
	}
	for len(p) > 0 {
		n := bus(len(p))
		e.io.WriteMMIO(gpa, p[:n])
		gpa, p = gpa+uint64(n), p[n:]
	}
}

// load reads an operand of at most 8 bytes.
func (e *Emulator) load(t *target) uint64 {
	binary.LittleEndian.PutUint64(e.wide[:], 0)
	e.read(t, e.wide[:])
	return binary.LittleEndian.Uint64(e.wide[:]) & mask(int(t.total))
}

// store writes an operand of at most 8 bytes.
func (e *Emulator) store(t *target, val uint64) {
	binary.LittleEndian.PutUint64(e.wide[:], val)
	e.write(t, e.wide[:])
}

func (e *Emulator) value() uint64     { return binary.LittleEndian.Uint64(e.buf[:]) }
func (e *Emulator) setValue(v uint64) { binary.LittleEndian.PutUint64(e.buf[:], v) }
