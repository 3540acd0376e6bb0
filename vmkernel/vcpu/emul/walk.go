package emul

import "basalt/vmkernel/vcpu"

// access is what a page walk checks for.
type access uint8

const (
	accRead  access = 0
	accWrite access = 1 << iota
	accFetch
	accUser
	accNoCheck // the processor has made the access already: only translate
	accSMAP    // a page that users reach is out of bounds
	accSystem  // the processor's own, of a table: the supervisor's at any level
)

// Bits of page-table entries and of the error code (SDM Vol. 3A, 4.5, 4.7).
const (
	pteP   = 1 << 0
	pteW   = 1 << 1
	pteU   = 1 << 2
	pteA   = 1 << 5
	pteD   = 1 << 6
	ptePS  = 1 << 7
	pteNX  = 1 << 63
	pfP    = 1 << 0
	pfW    = 1 << 1
	pfU    = 1 << 2
	pfRSVD = 1 << 3
	pfI    = 1 << 4
)

// Vectors of faults.
const (
	vecDB = 1
	vecUD = 6
	vecNM = 7
	vecTS = 10
	vecNP = 11
	vecSS = 12
	vecGP = 13
	vecPF = 14
)

func fault(vector uint8, code uint32) vcpu.Event {
	return vcpu.Event{Valid: true, Vector: vector, Type: vcpu.EventException, HasError: true, Error: code}
}

func pageFault(lin uint64, code uint32) vcpu.Event {
	e := fault(vecPF, code)
	e.CR2 = lin
	return e
}

// maxWalks is how often a walk begins again because another processor has changed an
// entry under it.
const maxWalks = 8

// walk translates a linear address. ok is false with the fault to inject, or with no
// event: the tables would not hold still, and the guest has to try again.
func (e *Emulator) walk(s *vcpu.System, lin uint64, acc access) (gpa uint64, ev vcpu.Event, ok bool) {
	for range maxWalks {
		if gpa, ev, ok = e.tryWalk(s, lin, acc); ok || ev.Valid {
			return gpa, ev, ok
		}
	}
	return 0, vcpu.Event{}, false
}

func (e *Emulator) tryWalk(s *vcpu.System, lin uint64, acc access) (gpa uint64, ev vcpu.Event, ok bool) {
	if s.CR0&vcpu.CR0PG == 0 {
		return lin & 0xffffffff, ev, true
	}
	if acc&(accNoCheck|accSystem) == 0 && s.CPL() == 3 {
		acc |= accUser
	}
	switch {
	case s.EFER&vcpu.EFERLMA != 0:
		return e.walk64(s, lin, s.CR3&e.physMask&^0xfff, 39, acc)
	case s.CR4&vcpu.CR4PAE != 0:
		lin &= 0xffffffff
		p, present := e.entry64(s.CR3&0xffffffe0 + lin>>30*8)
		if !present {
			p = ^uint64(0)
		}
		if p&pteP == 0 {
			return 0, pageFault(lin, code(s, acc)), false
		}
		if p&^(e.physMask&^0xfff|0xe19) != 0 {
			return 0, pageFault(lin, code(s, acc)|pfP|pfRSVD), false
		}
		return e.walk64(s, lin, p&e.physMask&^0xfff, 21, acc)
	}
	return e.walk32(s, lin&0xffffffff, acc)
}

// code is the part of the error code that describes the access.
func code(s *vcpu.System, acc access) (c uint32) {
	if acc&accWrite != 0 {
		c |= pfW
	}
	if acc&accUser != 0 {
		c |= pfU
	}
	if acc&accFetch != 0 && (s.EFER&vcpu.EFERNXE != 0 && (s.CR4&vcpu.CR4PAE != 0) || s.CR4&vcpu.CR4SMEP != 0) {
		c |= pfI
	}
	return c
}

// entry64 reads an entry; where there is no memory it has reserved bits.
func (e *Emulator) entry64(gpa uint64) (uint64, bool) { return e.mem.Uint64(gpa) }

// walk64 walks 8-byte entries from the level whose index starts at bit shift.
func (e *Emulator) walk64(s *vcpu.System, lin, table uint64, shift uint, acc access) (uint64, vcpu.Event, bool) {
	var at [4]uint64
	var val [4]uint64
	rights := uint64(pteW | pteU)
	nx := uint64(0)
	for n := 0; ; n++ {
		gpa := table + (lin>>shift&0x1ff)*8
		p, present := e.entry64(gpa)
		if !present {
			p = ^uint64(0)
		}
		if p&pteP == 0 {
			return 0, pageFault(lin, code(s, acc)), false
		}
		at[n], val[n] = gpa, p
		rights &= p
		nx |= p & pteNX
		leaf := shift == 12 || shift <= 30 && p&ptePS != 0
		// 62:52 are free for software in long mode, reserved with PAE.
		reserved := 0x000fffffffffffff &^ e.physMask
		if s.EFER&vcpu.EFERLMA == 0 {
			reserved |= 0x7ff0000000000000
		}
		if s.EFER&vcpu.EFERNXE == 0 {
			reserved |= pteNX
		}
		size := uint64(1) << shift
		if leaf && shift > 12 {
			reserved |= (size - 1) &^ 0x1fff
		} else if shift == 39 {
			reserved |= ptePS
		}
		if p&reserved != 0 {
			return 0, pageFault(lin, code(s, acc)|pfP|pfRSVD), false
		}
		if !leaf {
			table = p & e.physMask &^ 0xfff
			shift -= 9
			continue
		}
		if !allowed(s, acc, rights, nx) {
			return 0, pageFault(lin, code(s, acc)|pfP), false
		}
		if !e.mark64(&at, &val, n, acc) {
			return 0, vcpu.Event{}, false
		}
		return p&e.physMask&^(size-1) | lin&(size-1), vcpu.Event{}, true
	}
}

// mark64 sets A on the way and D on the leaf, as a processor does: each in the entry
// that the translation was made from. False if another processor has changed one
// meanwhile; what is marked by then stays.
func (e *Emulator) mark64(at, val *[4]uint64, n int, acc access) bool {
	if acc&accNoCheck != 0 {
		return true
	}
	for i := 0; i <= n; i++ {
		want := uint64(pteA)
		if i == n && acc&accWrite != 0 {
			want |= pteD
		}
		if val[i]&want == want {
			continue
		}
		if swapped, ok := e.mem.CompareAndSwap64(at[i], val[i], val[i]|want); ok && !swapped {
			return false
		}
	}
	return true
}

// allowed is SDM Vol. 3A, 4.6.1.
func allowed(s *vcpu.System, acc access, rights, nx uint64) bool {
	if acc&accNoCheck != 0 {
		return true
	}
	user, userPage := acc&accUser != 0, rights&pteU != 0
	if user && !userPage {
		return false
	}
	if acc&accFetch != 0 {
		return nx == 0 && (user || !userPage || s.CR4&vcpu.CR4SMEP == 0)
	}
	if acc&accSMAP != 0 && userPage {
		return false
	}
	if acc&accWrite != 0 && rights&pteW == 0 && (user || s.CR0&vcpu.CR0WP != 0) {
		return false
	}
	return true
}

// walk32 walks 4-byte entries (SDM Vol. 3A, 4.3).
func (e *Emulator) walk32(s *vcpu.System, lin uint64, acc access) (uint64, vcpu.Event, bool) {
	pdeAt := s.CR3&0xfffff000 + lin>>22*4
	pde := e.entry32(pdeAt)
	if pde&pteP == 0 {
		return 0, pageFault(lin, code(s, acc)), false
	}
	mark := func(at uint64, val, want uint32) bool {
		if acc&accNoCheck != 0 || val&want == want {
			return true
		}
		swapped, ok := e.mem.CompareAndSwap32(at, val, val|want)
		return swapped || !ok
	}
	leafBits := uint32(pteA)
	if acc&accWrite != 0 {
		leafBits |= pteD
	}
	if pde&ptePS != 0 && s.CR4&vcpu.CR4PSE != 0 {
		high := uint64(pde>>13&0xff) << 32
		if pde&(1<<21) != 0 || high&^e.physMask != 0 {
			return 0, pageFault(lin, code(s, acc)|pfP|pfRSVD), false
		}
		if !allowed(s, acc, uint64(pde), 0) {
			return 0, pageFault(lin, code(s, acc)|pfP), false
		}
		if !mark(pdeAt, pde, leafBits) {
			return 0, vcpu.Event{}, false
		}
		return high | uint64(pde)&0xffc00000 | lin&0x3fffff, vcpu.Event{}, true
	}
	pteAt := uint64(pde)&0xfffff000 + lin>>12&0x3ff*4
	pte := e.entry32(pteAt)
	if pte&pteP == 0 {
		return 0, pageFault(lin, code(s, acc)), false
	}
	if !allowed(s, acc, uint64(pde&pte), 0) {
		return 0, pageFault(lin, code(s, acc)|pfP), false
	}
	if !mark(pdeAt, pde, pteA) || !mark(pteAt, pte, leafBits) {
		return 0, vcpu.Event{}, false
	}
	return uint64(pte)&0xfffff000 | lin&0xfff, vcpu.Event{}, true
}

// entry32 reads an entry; 4-byte entries have no reserved bits, so where there
// is no memory it is simply all ones.
func (e *Emulator) entry32(gpa uint64) uint32 {
	v, ok := e.mem.Uint32(gpa)
	if !ok {
		return ^uint32(0)
	}
	return v
}
