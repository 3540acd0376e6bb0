package emul

import (
	"math/bits"

	"basalt/vmkernel/vcpu"
)

// Memory implements vcpu.Emulator: the instruction at RIP touched x.Mem, which
// is not memory.
func (e *Emulator) Memory(c vcpu.CPU, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	return settled(e.access(c, x))
}

func (e *Emulator) access(c vcpu.CPU, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	in, ev, res := e.fetch(c)
	if res != vcpu.Done {
		return res, ev
	}
	if in.op == opMov && in.mem && e.mov(c, in, x) {
		return vcpu.Done, vcpu.Event{}
	}
	if in.op == opIns || in.op == opOuts {
		// INS and OUTS exit for the port before they touch memory. Another
		// processor has changed the code since: whether this one may use the
		// port was never checked, so it has to run into its own exit.
		return vcpu.Again, vcpu.Event{}
	}
	if isString(in.op) {
		return e.str(c, in)
	}
	switch in.op {
	case opPush:
		return e.push(c, in)
	case opPop:
		return e.pop(c, in)
	case opUndefined:
		return vcpu.Faulted, fault(vecUD, 0)
	}
	if in.op == opNone || in.op >= opStos || !in.mem {
		return vcpu.Unable, vcpu.Event{}
	}
	switch in.op {
	case opVec, opVecLow, opVecHigh:
		return e.vector(c, in, x)
	case opCmpxchgN:
		return e.cmpxchgN(c, in, x)
	}
	return e.exec(c, in, x)
}

// mov is a MOV between a register and a device whose operand lies where the
// processor says: nearly every access. The checks are those of direct, in line: each
// access that ordinary Go answers would pay for the call. False, and nothing has happened, for others.
func (e *Emulator) mov(c vcpu.CPU, in *inst, x *vcpu.Exit) bool {
	r, s := c.Regs(), c.Mode()
	n := in.msize
	if n == 0 {
		n = in.size
	}
	low := x.Mem.GPA & 0xfff
	if in.memDst != x.Mem.Write {
		return false // the code has changed since: the processor checked another access
	}
	base, known := baseOf(s, in.seg)
	if !known || n > 8 || 0x116>>n&1 == 0 || low+uint64(n) > 0x1000 || (base+in.addr(r))&0xfff != low {
		return false
	}
	if in.memDst {
		v := in.imm
		if !in.hasImm {
			v = in.getReg(r)
		}
		e.setValue(v)
		e.io.WriteMMIO(x.Mem.GPA, e.buf[:n])
	} else {
		e.setValue(0)
		e.io.ReadMMIO(x.Mem.GPA, e.buf[:n])
		in.setReg(r, e.value()) // the bytes behind the operand are 0
	}
	r.RIP += uint64(in.len)
	if !s.Long() {
		r.RIP &= 0xffffffff
	}
	return true
}

// getReg is the register operand.
func (in *inst) getReg(r *vcpu.Regs) uint64 {
	v := r.GPR[in.reg]
	if in.high {
		v >>= 8
	}
	return v & sizeMask(in.size)
}

// setReg writes the register operand; 32 bits clear the upper half.
func (in *inst) setReg(r *vcpu.Regs, v uint64) { set(r, in.reg, in.size, in.high, v) }

func set(r *vcpu.Regs, n, size uint8, high bool, v uint64) {
	g := &r.GPR[n]
	switch {
	case high:
		*g = *g&^0xff00 | v&0xff<<8
	case size == 1:
		*g = *g&^0xff | v&0xff
	case size == 2:
		*g = *g&^0xffff | v&0xffff
	case size == 4:
		*g = v & 0xffffffff
	default:
		*g = v
	}
}

// exec runs an instruction with one memory operand.
func (e *Emulator) exec(c vcpu.CPU, in *inst, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	r := c.Regs()
	var t target
	n := in.msize
	if n == 0 {
		n = in.size
	}
	if n != 1 && n != 2 && n != 4 && n != 8 {
		return vcpu.Unable, vcpu.Event{}
	}
	acc := accRead
	if in.memDst && in.op != opCmp && in.op != opTest && in.op != opBt || in.op == opXchg || in.op == opXadd || in.op == opCmpxchg {
		acc = accWrite
	}
	if ev, ok := e.resolve(c, in, x, n, acc, &t); !ok {
		return vcpu.Faulted, ev
	}
	if !t.device() {
		return vcpu.Again, vcpu.Event{}
	}
	switch in.op {
	case opMov, opMovbe:
		if in.memDst {
			v := in.imm
			if !in.hasImm {
				v = in.getReg(r)
			}
			if in.op == opMovbe {
				v = swap(v, n)
			}
			e.store(&t, v)
		} else {
			v := e.load(&t)
			if in.op == opMovbe {
				v = swap(v, n)
			}
			in.setReg(r, v)
		}
	case opMovzx:
		in.setReg(r, e.load(&t))
	case opMovsx:
		sh := 64 - 8*uint(n)
		in.setReg(r, uint64(int64(e.load(&t)<<sh)>>sh))
	case opXchg:
		v := e.load(&t)
		e.store(&t, in.getReg(r))
		in.setReg(r, v)
	case opXadd:
		old := e.load(&t)
		sum, f := alu(opAdd, old, in.getReg(r), n, r.RFLAGS)
		e.store(&t, sum)
		in.setReg(r, old)
		r.RFLAGS = f
	case opCmpxchg:
		old := e.load(&t)
		acc := r.GPR[vcpu.RAX] & sizeMask(n)
		_, f := alu(opSub, acc, old, n, r.RFLAGS)
		if acc == old {
			e.store(&t, in.getReg(r))
		} else {
			e.store(&t, old) // the processor writes in both cases
			set(r, vcpu.RAX, n, false, old)
		}
		r.RFLAGS = f
	case opBt, opBts, opBtr, opBtc:
		e.bit(in, r, &t, n)
	case opInc, opDec, opNot, opNeg:
		e.unary(in, r, &t, n)
	default:
		e.binary(in, r, &t, n)
	}
	e.advance(c, in)
	return vcpu.Done, vcpu.Event{}
}

func swap(v uint64, n uint8) uint64 { return bits.ReverseBytes64(v) >> (64 - 8*uint(n)) }

func (e *Emulator) unary(in *inst, r *vcpu.Regs, t *target, n uint8) {
	v := e.load(t)
	switch in.op {
	case opNot:
		e.store(t, ^v)
	case opNeg:
		res, f := alu(opSub, 0, v, n, r.RFLAGS)
		e.store(t, res)
		r.RFLAGS = f
	default:
		o := opAdd
		if in.op == opDec {
			o = opSub
		}
		res, f := alu(o, v, 1, n, r.RFLAGS)
		e.store(t, res)
		r.RFLAGS = f&^vcpu.FlagCF | r.RFLAGS&vcpu.FlagCF
	}
}

// binary is a destination and a source; either may be the memory.
func (e *Emulator) binary(in *inst, r *vcpu.Regs, t *target, n uint8) {
	m := e.load(t)
	other := in.imm
	if in.hasReg {
		other = in.getReg(r)
	}
	a, b := m, other
	if !in.memDst {
		a, b = other, m
	}
	res, f := alu(in.op, a, b, n, r.RFLAGS)
	r.RFLAGS = f
	if in.op == opCmp || in.op == opTest {
		return
	}
	if in.memDst {
		e.store(t, res)
	} else {
		in.setReg(r, res)
	}
}

// bitAddr is the address of the operand that holds the bit: the bit offset in a
// register reaches beyond the operand (SDM Vol. 2A, BT).
func (in *inst) bitAddr(r *vcpu.Regs, off uint64) uint64 {
	w := 8 * uint(in.size)
	i := int64(in.getReg(r)<<(64-w)) >> (64 - w)
	units := i >> uint(bits.TrailingZeros8(in.size)+3)
	return (off + uint64(units)*uint64(in.size)) & sizeMask(in.asize)
}

func (e *Emulator) bit(in *inst, r *vcpu.Regs, t *target, n uint8) {
	i := in.imm
	if in.hasReg && !in.hasImm {
		i = in.getReg(r)
	}
	m := uint64(1) << (i & uint64(8*n-1))
	v := e.load(t)
	r.RFLAGS &^= vcpu.FlagCF
	if v&m != 0 {
		r.RFLAGS |= vcpu.FlagCF
	}
	switch in.op {
	case opBts:
		e.store(t, v|m)
	case opBtr:
		e.store(t, v&^m)
	case opBtc:
		e.store(t, v^m)
	}
}
