package vcpu

import (
	"encoding/binary"
	"fmt"
	"runtime"
)

func (v *VCPU) exitNothing() outcome { return carryOn }

func (v *VCPU) exitSkip() outcome { return v.done() }

// exitKick: Run looks at the request on its way round.
func (v *VCPU) exitKick() outcome { return carryOn }

func (v *VCPU) exitPause() outcome {
	runtime.Gosched()
	return v.done()
}

// exitHLT comes here for the length only, or because something wants the owner. The
// processor stands at the HLT from now on: what wakes it moves it past, and if nothing
// does, the guest executes it again and Fast blocks. The interrupt shadow of an STI in
// front of it must not be relied on for that second time: under QEMU 7.2 an interrupt
// was taken between the two after the entry (ioapic of kvm-unit-tests), and the guest
// then slept at the HLT for ever.
func (v *VCPU) exitHLT() outcome {
	if n := v.length(); n != 0 {
		v.halted, v.haltRIP, v.haltLen = true, v.x.RIP, n
		v.eng.SetInterruptShadow(false)
	}
	return carryOn
}

// exitIRQWindow: an interrupt waits, and the processor has forgotten the shadow of the STI
// in front of this instruction. An HLT is over then as if the interrupt had come behind
// it; any other instruction may as well come after the interrupt.
func (v *VCPU) exitIRQWindow() outcome {
	var code [1]byte
	if v.Mode().CPL() == 0 && v.Emul.Code(v, code[:]) == 1 && code[0] == opHLT {
		v.halted, v.haltRIP, v.haltLen = true, v.x.RIP, 1
	}
	v.eng.SetInterruptShadow(false)
	return carryOn
}

// opHLT is the opcode of HLT (SDM Vol. 2A).
const opHLT = 0xf4

func (v *VCPU) exitINVLPG() outcome {
	v.eng.FlushTLB()
	return v.done()
}

func (v *VCPU) exitPIO() outcome {
	p := &v.x.PIO
	if p.String {
		return v.result(v.Emul.String(v, &v.x))
	}
	n := v.length()
	if n == 0 {
		return carryOn
	}
	r := v.Regs()
	b := v.buf[:p.Size]
	if p.In {
		v.IO.ReadPort(p.Port, b)
		switch p.Size {
		case 1:
			setIn(r, 1, uint32(b[0]))
		case 2:
			setIn(r, 2, uint32(binary.LittleEndian.Uint16(b)))
		default:
			setIn(r, 4, binary.LittleEndian.Uint32(b))
		}
	} else {
		binary.LittleEndian.PutUint64(v.buf[:], r.GPR[RAX])
		v.IO.WritePort(p.Port, b)
	}
	v.skip(n)
	return carryOn
}

// result ends an exit that the emulator has worked on. The emulator has moved
// RIP itself.
func (v *VCPU) result(res Result, ev Event) outcome {
	switch res {
	case Done:
		v.retired(v.Regs())
	case Faulted:
		v.inject(ev)
	case Unable:
		if v.Mode().CPL() == 3 {
			return v.injectUD() // a process does not take its machine down
		}
		return v.crash("an instruction that the emulator does not know touched a device")
	}
	return carryOn
}

func (v *VCPU) exitMemory() outcome {
	m := &v.x.Mem
	ok, err := v.IO.Backed(m.GPA, m.Write)
	if err != nil {
		return v.crash(err.Error())
	}
	if ok {
		return carryOn
	}
	if v.x.Event.Valid {
		// The access was not of the instruction at RIP.
		return v.shutdown("an interrupt or exception cannot be delivered: its table or its stack is where there is no memory")
	}
	if m.Fetch {
		return v.injectUD() // all ones is FF /7, which is undefined
	}
	if m.PageWalk {
		// All ones has reserved bits: a page fault whose handler cannot be
		// found either.
		return v.shutdown("page tables are where there is no memory")
	}
	res, ev := v.Emul.Memory(v, &v.x)
	if res == Done {
		v.retired(v.regs)
		return carryOn
	}
	return v.result(res, ev)
}

func (v *VCPU) exitHypercall() outcome {
	n := v.length()
	if n == 0 {
		return carryOn
	}
	v.Regs().GPR[RAX] = hypercall(&v.x)
	v.skip(n)
	return carryOn
}

// exitRDTSC: only while the counter is intercepted. RDTSCP is told by its length
// (0F 01 F9 against 0F 31).
func (v *VCPU) exitRDTSC() outcome {
	n := v.length()
	if n == 0 {
		return carryOn
	}
	r := v.Regs()
	t := v.TSC()
	r.GPR[RAX], r.GPR[RDX] = t&0xffffffff, t>>32
	if n >= 3 {
		r.GPR[RCX] = v.System().TSCAUX
	}
	v.skip(n)
	return carryOn
}

func (v *VCPU) exitXSETBV() outcome {
	n := v.length()
	if n == 0 {
		return carryOn
	}
	r := v.Regs()
	val := r.GPR[RAX]&0xffffffff | r.GPR[RDX]<<32
	if v.Mode().CR4&CR4OSXSAVE == 0 {
		return v.injectUD()
	}
	// SDM Vol. 2D, XSETBV; Vol. 1, 13.3.
	if v.Mode().CPL() != 0 || uint32(r.GPR[RCX]) != 0 || val&1 == 0 || val&6 == 4 ||
		val&^v.CPUID.feat.XCR0 != 0 {
		return v.injectGP0()
	}
	v.change().XCR0 = val
	v.xcr0 = val
	v.skip(n)
	return carryOn
}

// exitTripleFault is what a PC's reset line does, but the registers stay in the
// reason: a guest that means it uses a reset register.
func (v *VCPU) exitTripleFault() outcome { return v.shutdown("triple fault") }

func (v *VCPU) shutdown(why string) outcome {
	v.stopped = Stop{StopReset, fmt.Sprintf("CPU %d: %s; %s", v.Index, why, Dump(v.Regs(), v.System()))}
	return leave
}
