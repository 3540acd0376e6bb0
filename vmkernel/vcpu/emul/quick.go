package emul

import "basalt/vmkernel/vcpu"

// Quick implements vcpu.Emulator: a MOV between a register and a device, in W1. Nothing
// is decoded here: the cache has to know the instruction, and the guest's memory to have
// the same bytes still.
func (e *Emulator) Quick(c vcpu.CPU, x *vcpu.Exit, io vcpu.FastIO) vcpu.Quick {
	r := c.Regs()
	h := &e.cache[(r.RIP^r.RIP>>7)%cacheSize]
	in := &h.inst
	if h.rip != r.RIP || in.op != opMov || !in.mem || in.memDst != x.Mem.Write || r.RFLAGS&(vcpu.FlagTF|vcpu.FlagRF) != 0 {
		return vcpu.QuickUnknown
	}
	s := c.Mode()
	n, rip := in.direct(r, s, x), r.RIP+uint64(in.len)
	if n == 0 || (rip^r.RIP)>>32 != 0 || !e.unchanged(h, r, s) {
		return vcpu.QuickUnknown
	}
	if !in.memDst {
		v, ok := io.FastReadMMIO(x.Mem.GPA, n)
		if !ok {
			return vcpu.QuickRefused
		}
		in.setReg(r, v&sizeMask(n))
		r.RIP = rip
		return vcpu.QuickSilent
	}
	v := in.imm
	if !in.hasImm {
		v = in.getReg(r)
	}
	silent, ok := io.FastWriteMMIO(x.Mem.GPA, n, v&sizeMask(n))
	if !ok {
		return vcpu.QuickRefused
	}
	r.RIP = rip
	if silent {
		return vcpu.QuickSilent
	}
	return vcpu.QuickDone
}

// direct says how many bytes a MOV moves whose memory operand lies where the processor
// says; 0 when it does not, or may not. W1.
func (in *inst) direct(r *vcpu.Regs, s *vcpu.System, x *vcpu.Exit) uint8 {
	n := in.msize
	if n == 0 {
		n = in.size
	}
	low := x.Mem.GPA & 0xfff
	base, known := baseOf(s, in.seg)
	if !known || n > 8 || 0x116>>n&1 == 0 || low+uint64(n) > 0x1000 || (base+in.addr(r))&0xfff != low {
		return 0
	}
	return n
}

// unchanged says that the instruction at RIP is still the one of the cache. W1.
func (e *Emulator) unchanged(h *cached, r *vcpu.Regs, s *vcpu.System) bool {
	bits := s.Bits()
	lin := r.RIP
	if bits != 64 {
		lin = (lin + s.CS.Base) & 0xffffffff
	}
	gpa, ok := e.peek(s, lin)
	if !ok || h.bits != uint8(bits) || gpa&0xfff > 0x1000-16 {
		return false
	}
	lo, hi, ok := e.mem.Load16(gpa)
	return ok && lo&h.mlo == h.lo && hi&h.mhi == h.hi
}

// peek translates the address of code that the processor has fetched just now: it has
// made the checks and set the marks. Without paging and with 4-level paging only; what
// is not there any more is for ordinary Go. W1.
func (e *Emulator) peek(s *vcpu.System, lin uint64) (gpa uint64, ok bool) {
	if s.CR0&vcpu.CR0PG == 0 {
		return lin & 0xffffffff, true
	}
	if s.EFER&vcpu.EFERLMA == 0 || s.CR4&vcpu.CR4LA57 != 0 {
		return 0, false
	}
	table := s.CR3 & e.physMask &^ 0xfff
	for shift := uint(39); ; shift -= 9 {
		p, ok := e.mem.Load(table+lin>>shift&0x1ff*8, 8)
		if !ok || p&pteP == 0 {
			return 0, false
		}
		if shift == 12 || shift <= 30 && p&ptePS != 0 {
			size := uint64(1) << (shift & 63)
			return p&e.physMask&^(size-1) | lin&(size-1), true
		}
		table = p & e.physMask &^ 0xfff
	}
}
