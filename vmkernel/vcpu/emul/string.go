package emul

import "basalt/vmkernel/vcpu"

// String implements vcpu.Emulator: INS and OUTS (SDM Vol. 2A, INS; 2B, OUTS).
func (e *Emulator) String(c vcpu.CPU, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	return settled(e.ports(c, x))
}

func (e *Emulator) ports(c vcpu.CPU, x *vcpu.Exit) (vcpu.Result, vcpu.Event) {
	in, ev, res := e.fetch(c)
	if res != vcpu.Done {
		return res, ev
	}
	if in.op != opIns && in.op != opOuts {
		return vcpu.Unable, vcpu.Event{}
	}
	if in.size != x.PIO.Size || (in.op == opIns) != x.PIO.In {
		return vcpu.Again, vcpu.Event{} // not what the processor checked the ports for
	}
	return e.str(c, in)
}

// str runs a string instruction, at most maxRep elements of it.
func (e *Emulator) str(c vcpu.CPU, in *inst) (vcpu.Result, vcpu.Event) {
	r := c.Regs()
	repeat := in.rep || in.repne
	am := sizeMask(in.asize)
	for i := 0; ; i++ {
		if repeat {
			if r.GPR[vcpu.RCX]&am == 0 {
				break
			}
			if i == maxRep {
				return vcpu.Again, vcpu.Event{}
			}
		}
		ev, ok := e.element(c, in)
		if !ok {
			return vcpu.Faulted, ev
		}
		if !repeat {
			break
		}
		set(r, vcpu.RCX, in.asize, false, (r.GPR[vcpu.RCX]-1)&am)
		if in.op == opScas || in.op == opCmps {
			if zf := r.RFLAGS&vcpu.FlagZF != 0; zf == in.repne {
				break
			}
		}
	}
	e.advance(c, in)
	return vcpu.Done, vcpu.Event{}
}

// element does one step and moves the index registers. Nothing has changed when
// it faults.
func (e *Emulator) element(c vcpu.CPU, in *inst) (vcpu.Event, bool) {
	r := c.Regs()
	am := sizeMask(in.asize)
	n := in.size
	port := uint16(r.GPR[vcpu.RDX])
	var src, dst target
	reads := in.op == opLods || in.op == opMovs || in.op == opCmps || in.op == opOuts
	if reads {
		if ev, ok := e.locate(c, in.seg, r.GPR[vcpu.RSI]&am, n, accRead, &src); !ok {
			return ev, false
		}
	}
	touches := in.op != opLods && in.op != opOuts
	if touches {
		acc := accWrite
		if in.op == opScas || in.op == opCmps {
			acc = accRead
		}
		if ev, ok := e.locate(c, segES, r.GPR[vcpu.RDI]&am, n, acc, &dst); !ok {
			return ev, false
		}
	}
	switch in.op {
	case opStos:
		e.store(&dst, r.GPR[vcpu.RAX])
	case opLods:
		set(r, vcpu.RAX, n, false, e.load(&src))
	case opMovs:
		e.store(&dst, e.load(&src))
	case opScas:
		_, r.RFLAGS = alu(opSub, r.GPR[vcpu.RAX], e.load(&dst), n, r.RFLAGS)
	case opCmps:
		a := e.load(&src)
		_, r.RFLAGS = alu(opSub, a, e.load(&dst), n, r.RFLAGS)
	case opIns:
		e.io.ReadPort(port, e.buf[:n])
		e.store(&dst, e.value())
	case opOuts:
		v := e.load(&src)
		e.setValue(v)
		e.io.WritePort(port, e.buf[:n])
	}
	step := uint64(n)
	if r.RFLAGS&vcpu.FlagDF != 0 {
		step = -step
	}
	if reads {
		set(r, vcpu.RSI, in.asize, false, (r.GPR[vcpu.RSI]+step)&am)
	}
	if touches {
		set(r, vcpu.RDI, in.asize, false, (r.GPR[vcpu.RDI]+step)&am)
	}
	return vcpu.Event{}, true
}
