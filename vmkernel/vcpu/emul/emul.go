package emul

import (
	"encoding/binary"
	"sync/atomic"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vcpu"
)

const (
	cacheSize = 128
	maxInst   = 15
	// maxRep is how many elements of a REP are done before the guest is entered.
	maxRep = 512
)

// Emulator executes instructions for one virtual CPU.
type Emulator struct {
	mem      *gmem.Memory
	io       vcpu.IO
	physMask uint64
	cache    [cacheSize]cached
	buf      [8]byte  // what the IO calls see; not on the stack, so nothing escapes
	wide     [32]byte // the same for operands of any size
	code     [16]byte

	hits, misses atomic.Uint64
}

type cached struct {
	rip      uint64
	bits     uint8
	lo, hi   uint64 // the instruction's bytes
	mlo, mhi uint64 // which of them count
	inst     inst
}

// New makes an emulator. physBits is the guest's width of physical addresses.
func New(mem *gmem.Memory, io vcpu.IO, physBits uint8) *Emulator {
	e := &Emulator{mem: mem, io: io, physMask: 1<<physBits - 1}
	// Quick looks here in W1, where a page that nobody has written yet is a page fault
	// that the host does not survive: it is larger than a page.
	for i := range e.cache {
		e.cache[i].bits = noBits
	}
	return e
}

// noBits is the mode of what is not in the cache.
const noBits = 0xff

// fetch decodes the instruction at RIP, from the cache if it can.
func (e *Emulator) fetch(c vcpu.CPU) (*inst, vcpu.Event, vcpu.Result) {
	r, s := c.Regs(), c.Mode()
	if s.CR4&vcpu.CR4LA57 != 0 && s.EFER&vcpu.EFERLMA != 0 {
		return nil, vcpu.Event{}, vcpu.Unable
	}
	bits := s.Bits()
	lin := r.RIP
	if bits != 64 {
		lin = (lin + s.CS.Base) & 0xffffffff
	}
	gpa, ev, ok := e.walk(s, lin, accFetch|accNoCheck)
	if !ok {
		return nil, ev, vcpu.Faulted
	}
	lo, hi, whole := uint64(0), uint64(0), false
	if gpa&0xfff <= 0x1000-16 {
		lo, hi, whole = e.mem.Load16(gpa)
	}
	n := maxInst
	if !whole {
		// The end of a page, or of memory: byte by byte.
		e.code = [16]byte{}
		n, ev, ok = e.bytes(s, lin, bits, e.code[:maxInst])
		lo, hi = binary.LittleEndian.Uint64(e.code[:]), binary.LittleEndian.Uint64(e.code[8:])
	}
	h := &e.cache[(r.RIP^r.RIP>>7)%cacheSize]
	if h.rip == r.RIP && h.bits == uint8(bits) && int(h.inst.len) <= n && lo&h.mlo == h.lo && hi&h.mhi == h.hi {
		e.hits.Add(1)
		return &h.inst, vcpu.Event{}, vcpu.Done
	}
	e.misses.Add(1)
	binary.LittleEndian.PutUint64(e.code[:], lo)
	binary.LittleEndian.PutUint64(e.code[8:], hi)
	if !decode(e.code[:n], bits, &h.inst) {
		h.bits = noBits
		if !ok {
			return nil, ev, vcpu.Faulted // cut short by what cannot be read
		}
		return nil, vcpu.Event{}, vcpu.Unable
	}
	h.rip, h.bits = r.RIP, uint8(bits)
	h.mlo, h.mhi = mask(int(h.inst.len)), mask(int(h.inst.len)-8)
	h.lo, h.hi = lo&h.mlo, hi&h.mhi
	return &h.inst, vcpu.Event{}, vcpu.Done
}

// CacheStats are how many instructions the decode cache had and had not. For any
// goroutine.
func (e *Emulator) CacheStats() (hits, misses uint64) { return e.hits.Load(), e.misses.Load() }

// settled is a result for the caller: a fault without an event is a page walk that the
// guest has to repeat.
func settled(res vcpu.Result, ev vcpu.Event) (vcpu.Result, vcpu.Event) {
	if res == vcpu.Faulted && !ev.Valid {
		return vcpu.Again, vcpu.Event{}
	}
	return res, ev
}

func mask(n int) uint64 {
	switch {
	case n <= 0:
		return 0
	case n >= 8:
		return ^uint64(0)
	}
	return 1<<(8*n) - 1
}

// bytes copies code from lin as far as it can be read; ok is false with the
// fault of the first byte that cannot.
func (e *Emulator) bytes(s *vcpu.System, lin uint64, bits int, p []byte) (n int, ev vcpu.Event, ok bool) {
	for n < len(p) {
		a := lin + uint64(n)
		if bits != 64 {
			a &= 0xffffffff
		}
		gpa, ev, ok := e.walk(s, a, accFetch|accNoCheck)
		if !ok {
			return n, ev, false
		}
		step := min(len(p)-n, int(0x1000-gpa&0xfff))
		if e.mem.Read(gpa, p[n:n+step]) != nil {
			return n, fault(vecUD, 0), false
		}
		n += step
	}
	return n, ev, true
}

// Code implements vcpu.Emulator.
func (e *Emulator) Code(c vcpu.CPU, p []byte) int {
	s := c.Mode()
	lin := c.Regs().RIP
	if s.Bits() != 64 {
		lin = (lin + s.CS.Base) & 0xffffffff
	}
	n, _, _ := e.bytes(s, lin, s.Bits(), p)
	return n
}

// Length implements vcpu.Emulator.
func (e *Emulator) Length(c vcpu.CPU) (uint8, vcpu.Event) {
	in, ev, res := e.fetch(c)
	switch res {
	case vcpu.Done:
		return in.len, vcpu.Event{}
	case vcpu.Faulted:
		return 0, ev
	}
	return 0, fault(vecUD, 0)
}

// CR implements vcpu.Emulator.
func (e *Emulator) CR(c vcpu.CPU, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	return settled(e.control(c, x))
}

func (e *Emulator) control(c vcpu.CPU, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	in, ev, res := e.fetch(c)
	if res != vcpu.Done {
		return res, ev
	}
	x.InstLen = in.len
	cr := &x.CR
	switch in.op {
	case opMovToCR:
		cr.Op, cr.Number, cr.GPR = vcpu.OpToCR, in.crn, in.reg
	case opMovFromCR:
		cr.Op, cr.Number, cr.GPR = vcpu.OpFromCR, in.crn, in.reg
	case opCLTS:
		cr.Op = vcpu.OpCLTS
	case opLMSW:
		if in.mem {
			return e.lmswMem(c, in, cr)
		}
		cr.Op, cr.Value = vcpu.OpLMSW, c.Regs().GPR[in.reg]&0xffff
	case opSMSW:
		if in.mem {
			return e.storeMem(c, in, c.Mode().CR0&0xffff)
		}
		in.setReg(c.Regs(), c.Mode().CR0)
		e.advance(c, in)
		return vcpu.Again, vcpu.Event{}
	default:
		return vcpu.Unable, vcpu.Event{}
	}
	return vcpu.Done, vcpu.Event{}
}

func (e *Emulator) lmswMem(c vcpu.CPU, in *inst, cr *vcpu.CRAccess) (vcpu.Result, vcpu.Event) {
	var t target
	if ev, ok := e.resolve(c, in, nil, 2, accRead, &t); !ok {
		return vcpu.Faulted, ev
	}
	cr.Op, cr.Value = vcpu.OpLMSW, e.load(&t)
	return vcpu.Done, vcpu.Event{}
}

func (e *Emulator) storeMem(c vcpu.CPU, in *inst, val uint64) (vcpu.Result, vcpu.Event) {
	var t target
	if ev, ok := e.resolve(c, in, nil, 2, accWrite, &t); !ok {
		return vcpu.Faulted, ev
	}
	e.store(&t, val)
	e.advance(c, in)
	return vcpu.Again, vcpu.Event{}
}

// advance moves RIP past in.
func (e *Emulator) advance(c vcpu.CPU, in *inst) {
	r := c.Regs()
	r.RIP += uint64(in.len)
	if s := c.Mode(); !s.Long() {
		r.RIP &= 0xffffffff
	}
}
