package emul

import (
	"encoding/binary"

	"basalt/vmkernel/vcpu"
)

// span is memory that the processor itself uses, in two pages at the most.
type span struct {
	gpa [2]uint64
	n   [2]uint64
}

// system finds n bytes of a system table: the access is the supervisor's, whatever the
// privilege level.
func (e *Emulator) system(s *vcpu.System, lin, n uint64, acc access, to *span) (vcpu.Event, bool) {
	if s.CR4&vcpu.CR4SMAP != 0 {
		acc |= accSMAP
	}
	return e.cross(s, lin, n, acc|accSystem, to)
}

// cross translates up to a page of memory, where it may cross into a second one.
func (e *Emulator) cross(s *vcpu.System, lin, n uint64, acc access, to *span) (ev vcpu.Event, ok bool) {
	for i := range to.gpa {
		lin &= 0xffffffff // no such table is used in 64-bit mode
		if to.n[i] = min(n, 0x1000-lin&0xfff); to.n[i] == 0 {
			break
		}
		if to.gpa[i], ev, ok = e.walk(s, lin, acc); !ok {
			return ev, false
		}
		lin, n = lin+to.n[i], n-to.n[i]
	}
	return vcpu.Event{}, true
}

// get and put are of at most as many bytes as were asked for. What is no memory reads
// as all ones.
func (e *Emulator) get(at *span, p []byte) {
	for i, gpa := range at.gpa {
		k := min(at.n[i], uint64(len(p)))
		if e.mem.Read(gpa, p[:k]) != nil {
			for j := range p[:k] {
				p[j] = 0xff
			}
		}
		p = p[k:]
	}
}

func (e *Emulator) put(at *span, p []byte) {
	for i, gpa := range at.gpa {
		k := min(at.n[i], uint64(len(p)))
		_ = e.mem.Write(gpa, p[:k])
		p = p[k:]
	}
}

// descriptor reads the one at a linear address.
func (e *Emulator) descriptor(s *vcpu.System, lin uint64) (uint64, vcpu.Event, bool) {
	var at span
	if ev, ok := e.system(s, lin, 8, accRead, &at); !ok {
		return 0, ev, false
	}
	var b [8]byte
	e.get(&at, b[:])
	return binary.LittleEndian.Uint64(b[:]), vcpu.Event{}, true
}

// unpack is what a segment register has of a descriptor (SDM Vol. 3A, 3.4.5).
func unpack(sel uint16, d uint64) vcpu.Segment {
	g := vcpu.Segment{Selector: sel, Base: d>>16&0xffffff | d>>56<<24, Limit: uint32(d&0xffff | d>>32&0xf0000), Attr: uint32(d>>40) & 0xf0ff}
	if g.Attr&vcpu.AttrG != 0 {
		g.Limit = g.Limit<<12 | 0xfff
	}
	return g
}

// Bits of a code or data descriptor's type.
const (
	typeAccessed   = 1 << 0
	typeWritable   = 1 << 1 // data; code: readable
	typeConforming = 1 << 2 // code
	typeCode       = 1 << 3
)

// segments loads LDTR and the six segment registers of a new task (SDM Vol. 3A, Table
// 8-1). All selectors are there before the first is checked; with a fault the registers
// that were not loaded cannot be used, but for CS and SS, which nothing can run without:
// they are flat.
func (e *Emulator) segments(s *vcpu.System, ldt uint16, sel *[6]uint16, vm bool) (vcpu.Event, bool) {
	regs := [6]*vcpu.Segment{&s.ES, &s.CS, &s.SS, &s.DS, &s.FS, &s.GS}
	cpl := uint32(sel[segCS] & 3)
	if vm {
		cpl = 3
	}
	for i, g := range regs {
		switch *g = (vcpu.Segment{Selector: sel[i], Attr: vcpu.AttrUnusable}); {
		case vm:
			*g = vcpu.Segment{Selector: sel[i], Base: uint64(sel[i]) << 4, Limit: 0xffff, Attr: 0xf3}
		case i == segCS:
			*g = vcpu.Segment{Selector: sel[i], Limit: 0xffffffff, Attr: 0xc09b | cpl<<5}
		case i == segSS:
			*g = vcpu.Segment{Selector: sel[i]&^3 | uint16(cpl), Limit: 0xffffffff, Attr: 0xc093 | cpl<<5}
		}
	}
	s.LDTR = vcpu.Segment{Selector: ldt, Attr: vcpu.AttrUnusable}
	if ldt&^3 != 0 {
		bad := fault(vecTS, uint32(ldt&^3))
		if ldt&4 != 0 || uint32(ldt|7) > uint32(s.GDTR.Limit) {
			return bad, false
		}
		d, ev, ok := e.descriptor(s, s.GDTR.Base+uint64(ldt&^7))
		if !ok {
			return ev, false
		}
		if g := unpack(ldt, d); g.Attr&(vcpu.AttrP|vcpu.AttrS|0xf) == vcpu.AttrP|2 {
			s.LDTR = g
		} else {
			return bad, false
		}
	}
	if vm {
		return vcpu.Event{}, true
	}
	for _, i := range [6]uint8{segCS, segSS, segES, segDS, segFS, segGS} {
		if ev, ok := e.loadSegment(s, i, sel[i], cpl, regs[i]); !ok {
			return ev, false
		}
	}
	return vcpu.Event{}, true
}

// loadSegment loads one of them at the new privilege level.
func (e *Emulator) loadSegment(s *vcpu.System, i uint8, sel uint16, cpl uint32, to *vcpu.Segment) (vcpu.Event, bool) {
	bad := fault(vecTS, uint32(sel&^3))
	if sel&^3 == 0 {
		return bad, i != segCS && i != segSS
	}
	base, limit := s.GDTR.Base, uint32(s.GDTR.Limit)
	if sel&4 != 0 {
		base, limit = s.LDTR.Base, s.LDTR.Limit
		if s.LDTR.Attr&vcpu.AttrUnusable != 0 {
			return bad, false
		}
	}
	if uint32(sel|7) > limit {
		return bad, false
	}
	var at span
	if ev, ok := e.system(s, base+uint64(sel&^7), 8, accRead, &at); !ok {
		return ev, false
	}
	var b [8]byte
	e.get(&at, b[:])
	g := unpack(sel, binary.LittleEndian.Uint64(b[:]))
	rpl, dpl, code := uint32(sel&3), g.Attr>>5&3, g.Attr&typeCode != 0
	missing := uint8(vecNP)
	ok := g.Attr&vcpu.AttrS != 0
	switch conforming := code && g.Attr&typeConforming != 0; i {
	case segCS:
		ok = ok && code && (conforming && dpl <= rpl || !conforming && dpl == rpl)
	case segSS:
		missing = vecSS
		ok = ok && !code && g.Attr&typeWritable != 0 && rpl == cpl && dpl == cpl
	default:
		ok = ok && (!code || g.Attr&typeWritable != 0) && (conforming || dpl >= max(rpl, cpl))
	}
	switch {
	case !ok:
		return bad, false
	case g.Attr&vcpu.AttrP == 0:
		return fault(missing, uint32(sel&^3)), false
	}
	if g.Attr&typeAccessed == 0 {
		// The processor sets it with the rights of the supervisor.
		if ev, ok := e.system(s, base+uint64(sel&^7), 8, accWrite, &at); !ok {
			return ev, false
		}
		b[5] |= typeAccessed
		e.put(&at, b[:])
		g.Attr |= typeAccessed
	}
	*to = g
	return vcpu.Event{}, true
}
