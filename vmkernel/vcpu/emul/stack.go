package emul

import "basalt/vmkernel/vcpu"

// stackWidth is the size of the stack pointer in bytes (SDM Vol. 1, 6.2.3).
func stackWidth(s *vcpu.System) uint8 {
	switch {
	case s.Long():
		return 8
	case s.SS.Attr&vcpu.AttrDB != 0:
		return 4
	}
	return 2
}

// push is PUSH (SDM Vol. 2B) where the stack, the operand or both are a device. An
// operand that is addressed by RSP, and PUSH RSP itself, use RSP before it moves.
func (e *Emulator) push(c vcpu.CPU, in *inst) (vcpu.Result, vcpu.Event) {
	r := c.Regs()
	width := stackWidth(c.Mode())
	var src, dst target
	if in.mem {
		if ev, ok := e.locate(c, in.seg, in.addr(r), in.size, accRead, &src); !ok {
			return vcpu.Faulted, ev
		}
	}
	sp := (r.GPR[vcpu.RSP] - uint64(in.size)) & sizeMask(width)
	if ev, ok := e.locate(c, segSS, sp, in.size, accWrite, &dst); !ok {
		return vcpu.Faulted, ev
	}
	if !dst.device() && !(in.mem && src.device()) {
		return vcpu.Again, vcpu.Event{}
	}
	var v uint64
	switch {
	case in.mem:
		v = e.load(&src)
	case in.hasReg:
		v = in.getReg(r)
	default:
		v = in.imm
	}
	e.store(&dst, v)
	set(r, vcpu.RSP, width, false, sp)
	e.advance(c, in)
	return vcpu.Done, vcpu.Event{}
}

// pop is POP: an operand that is addressed by RSP uses it after it has moved, and POP
// RSP keeps what was on the stack.
func (e *Emulator) pop(c vcpu.CPU, in *inst) (vcpu.Result, vcpu.Event) {
	r := c.Regs()
	width := stackWidth(c.Mode())
	var src, dst target
	sp := r.GPR[vcpu.RSP] & sizeMask(width)
	if ev, ok := e.locate(c, segSS, sp, in.size, accRead, &src); !ok {
		return vcpu.Faulted, ev
	}
	if in.mem {
		off := in.addr(r)
		if in.base == vcpu.RSP {
			off = (off + uint64(in.size)) & sizeMask(in.asize)
		}
		if ev, ok := e.locate(c, in.seg, off, in.size, accWrite, &dst); !ok {
			return vcpu.Faulted, ev
		}
	}
	if !src.device() && !(in.mem && dst.device()) {
		return vcpu.Again, vcpu.Event{}
	}
	v := e.load(&src)
	set(r, vcpu.RSP, width, false, (sp+uint64(in.size))&sizeMask(width))
	if in.mem {
		e.store(&dst, v)
	} else {
		in.setReg(r, v)
	}
	e.advance(c, in)
	return vcpu.Done, vcpu.Event{}
}
