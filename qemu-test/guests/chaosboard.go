package guests

import (
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/kbd"
)

// What chaos does to the board: ports, memory of devices, model-specific registers,
// interrupt controllers.

// ranges of ports that have a device; what is not in them is tried too.
var boardPorts = []struct {
	base uint32
	n    uint32 // a power of two
}{{0x20, 2}, {0xA0, 2}, {0x40, 4}, {0x60, 8}, {0x70, 4}, {0x80, 1}, {0xE8, 2}, {com1, 8}, {0x400, 8}, {0x4D0, 2}, {acpipm.Base, 16}, {configAddress, 8}}

// deadly are the ports that end or reset the machine: they are left out almost always.
var deadly = []uint32{acpipm.ResetPort, acpipm.ControlAt, acpipm.ControlAt + 1, 0x64, kbd.PortA}

func (p *Program) chaosBoard() {
	// anyPort: one access of port EDX, of any size, in or out of EAX.
	p.Label("anyPort")
	for _, d := range deadly {
		p.CmpImm(EDX, d)
		p.If(Equal, "deadly")
	}
	p.Label("anyPort.do")
	p.MovReg(ECX, EAX)
	p.rand(8)
	p.Push(EAX)
	p.MovReg(EAX, ECX)
	p.Pop(ECX)
	p.jump(ECX,
		func() { p.OutDX(1) }, func() { p.Bytes(0x66); p.OutDX(4) }, func() { p.OutDX(4) }, func() { p.OutDX(1) },
		func() { p.InDX(1) }, func() { p.Bytes(0x66); p.InDX(4) }, func() { p.InDX(4) }, func() { p.OutDX(4) })
	p.Ret()
	p.Label("deadly")
	p.MovReg(ECX, EAX)
	p.rand(1 << 12)
	p.Test(EAX, EAX)
	p.MovReg(EAX, ECX)
	p.If(Equal, "anyPort.do")
	p.Ret()

	// anyPortNumber: EDX.
	p.Label("anyPortNumber")
	p.rand(uint32(16))
	p.MovReg(ECX, EAX)
	var picks []func()
	for _, r := range boardPorts {
		picks = append(picks, func() { p.rand(r.n); p.AddImm(EAX, r.base) })
	}
	picks = append(picks,
		func() { p.rand(1 << 16) },
		func() { p.rand(1 << 12); p.AddImm(EAX, 0x1000) }, // devices behind root ports
		func() { p.rand(1 << 14); p.AddImm(EAX, 0xFFF) },
		func() { p.Call("pickVirtio"); p.Load(EAX, EBX, 0x18); p.AndImm(EAX, 0xFFFC) })
	p.jump(ECX, picks...)
	p.MovReg(EDX, EAX)
	p.Ret()

	p.Label("port")
	p.Mov(EDI, 8)
	p.Label("port.next")
	p.Call("anyPortNumber")
	p.Push(EDX)
	p.Call("word")
	p.Pop(EDX)
	p.Call("anyPort")
	p.Dec(EDI)
	p.If(NotEqual, "port.next")
	p.Ret()

	// string: INS or OUTS between a port and play pages, or the end of memory.
	p.Label("string")
	p.Call("anyPortNumber")
	for _, d := range append(deadly, com1, 0x402) {
		p.CmpImm(EDX, d)
		p.If(Equal, "string.end")
	}
	p.Push(EDX)
	p.rand(256)
	p.MovReg(EDI, EAX)
	p.Call("addr")
	p.MovReg(ESI, EAX)
	p.MovReg(ECX, EDI)
	p.MovReg(EDI, EAX)
	p.CmpImm(EAX, play) // its own code is not to be a buffer
	p.If(Below, "string.pop")
	p.rand(8)
	p.Pop(EDX)
	p.jump(EAX,
		func() { p.Bytes(0xF3, 0x6E) }, func() { p.Bytes(0xF3, 0x66, 0x6F) }, func() { p.Bytes(0xF3, 0x6F) }, func() { p.Bytes(0xFD, 0xF3, 0x6E, 0xFC) },
		func() { p.Bytes(0xF3, 0x6C) }, func() { p.Bytes(0xF3, 0x66, 0x6D) }, func() { p.Bytes(0xF3, 0x6D) }, func() { p.Bytes(0xFD, 0xF3, 0x6D, 0xFC) })
	p.Ret()
	p.Label("string.pop")
	p.Pop(EDX)
	p.Label("string.end")
	p.Ret()

	// anyMemory: one access at EBX by one of many instructions.
	p.Label("anyMemory")
	p.Call("word")
	p.MovReg(ECX, EAX)
	p.rand(16)
	p.jump(EAX,
		func() { p.Bytes(0x88, 0x0B) },             // mov [ebx], cl
		func() { p.Bytes(0x66, 0x89, 0x0B) },       // mov [ebx], cx
		func() { p.Bytes(0x89, 0x0B) },             // mov [ebx], ecx
		func() { p.Bytes(0x89, 0x0B) },             //
		func() { p.Bytes(0x8A, 0x0B) },             // mov cl, [ebx]
		func() { p.Bytes(0x66, 0x8B, 0x0B) },       // mov cx, [ebx]
		func() { p.Bytes(0x8B, 0x0B) },             // mov ecx, [ebx]
		func() { p.Bytes(0x89, 0x0B) },             //
		func() { p.Bytes(0x87, 0x0B) },             // xchg [ebx], ecx
		func() { p.Bytes(0xF0, 0xFF, 0x03) },       // lock inc dword [ebx]
		func() { p.Bytes(0xF0, 0x0F, 0xB1, 0x0B) }, // lock cmpxchg [ebx], ecx
		func() { p.Bytes(0x80, 0x0B, 0x7F) },       // or byte [ebx], 7Fh
		func() { p.Bytes(0xFF, 0x33, 0x58) },       // push dword [ebx]; pop eax
		func() { p.Bytes(0x0F, 0xB6, 0x0B) },       // movzx ecx, byte [ebx]
		func() { // rep movsd from there
			p.MovReg(ESI, EBX)
			p.Mov(EDI, play+0x1000)
			p.rand(32)
			p.MovReg(ECX, EAX)
			p.Bytes(0xF3, 0xA5)
		},
		func() { // rep stosd to there
			p.MovReg(EDI, EBX)
			p.rand(32)
			p.MovReg(ECX, EAX)
			p.Bytes(0xF3, 0xAB)
		})
	p.Ret()

	// board: registers of the board in memory, and holes.
	p.Label("board")
	p.Mov(EDI, 4)
	p.Label("board.next")
	p.Push(EDI)
	p.oneOf(
		choice{2, func() { p.rand(0x1000); p.OrImm(EAX, ioapic) }},
		choice{3, func() { p.rand(0x1000); p.OrImm(EAX, lapicBase) }},
		choice{1, func() { p.rand(0x400); p.OrImm(EAX, hpetCounter&^0x3FF) }},
		choice{1, func() { p.rand(1 << 25); p.OrImm(EAX, 0xFE00_0000) }},
		choice{1, func() { p.rand(1 << 24); p.Shl(EAX, 5); p.OrImm(EAX, 0xC000_0000) }},
	)
	p.MovReg(EBX, EAX)
	p.Call("anyMemory")
	p.Pop(EDI)
	p.Dec(EDI)
	p.If(NotEqual, "board.next")
	p.Ret()

	// controllers: redirections, local vectors and interrupt commands that can work.
	// INIT is left out almost always: it starts the machine again.
	p.Label("controllers")
	p.oneOf(
		choice{4, func() {
			p.rand(64)
			p.StoreAbs(ioapic, EAX)
			p.Call("mode")
			p.StoreAbs(ioapic+0x10, EAX)
		}},
		choice{2, func() { // LVT registers 320h to 370h
			p.rand(8)
			p.Shl(EAX, 4)
			p.MovReg(EBX, EAX)
			p.Call("mode")
			p.AddImm(EBX, lapicBase+0x320)
			p.Store(EBX, 0, EAX)
		}},
		choice{1, func() {
			p.Call("mode")
			p.StoreAbs(lapicBase+0x300, EAX)
		}},
		choice{1, func() {
			p.Call("mode")
			p.MovReg(EBX, EAX)
			p.rand(4)
			p.MovReg(EDX, EAX)
			p.MovReg(EAX, EBX)
			p.Mov(ECX, msrICR)
			p.Op("wrmsr")
		}},
	)
	p.Ret()
	p.Label("mode")
	p.Call("rand")
	p.MovReg(EBX, EAX)
	p.AndImm(EBX, 0x700)
	p.CmpImm(EBX, 0x500)
	p.If(NotEqual, "mode.end")
	p.AndImm(EAX, ^uint32(0x500))
	p.Label("mode.end")
	p.Ret()

	// msr: a register that is likely to be there, or any.
	p.Label("msr")
	p.Mov(EDI, 4)
	p.Label("msr.next")
	p.oneOf(
		choice{3, func() { p.rand(0x400) }},
		choice{3, func() { p.rand(0x40); p.OrImm(EAX, 0x800) }},
		choice{2, func() { p.rand(16); p.OrImm(EAX, 0x4B56_4D00) }},
		choice{1, func() { p.rand(2); p.OrImm(EAX, 0x10) }},
		choice{2, func() { p.rand(0x200); p.OrImm(EAX, 0xC000_0000) }},
		choice{2, func() { p.rand(0x2000); p.OrImm(EAX, 0xC001_0000) }},
		choice{1, func() { p.rand(0x200); p.OrImm(EAX, 0x4000_0000) }},
		choice{1, func() { p.Call("rand") }},
		choice{1, func() { p.Mov(EAX, msrTSCDeadline) }},
	)
	p.CmpImm(EAX, msrICR) // see controllers
	p.If(Equal, "msr.end")
	p.Push(EAX)
	p.Call("word")
	p.MovReg(EBX, EAX)
	p.Call("word")
	p.MovReg(EDX, EAX)
	p.rand(4)
	p.Pop(ECX)
	p.jump(EAX,
		func() { p.MovReg(EAX, EBX); p.Op("wrmsr") },
		func() { p.Op("rdmsr"); p.Xor(EAX, EBX); p.Op("wrmsr") },
		func() { p.MovReg(EAX, EBX); p.Clear(EDX); p.Op("wrmsr") },
		func() { p.Op("rdmsr") })
	p.Dec(EDI)
	p.If(NotEqual, "msr.next")
	p.Label("msr.end")
	p.Ret()

	// hypercall: with any number; and, by the boot processor, the others start again.
	p.Label("hypercall")
	p.Call("word")
	p.MovReg(ECX, EAX)
	p.Call("addr")
	p.MovReg(EBX, EAX)
	p.rand(16)
	p.Op("vmmcall")
	p.CmpImm(ESP, stackTop-0x1000)
	p.If(Above, "startup")
	p.Ret()

	// startup: the others, by whichever interface is on.
	p.Label("startup")
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.OrImm(EAX, 0x800)
	p.Op("wrmsr")
	p.AndImm(EAX, 0x400)
	p.If(NotEqual, "startup.x2")
	p.Clear(EBX)
	p.StoreAbs(lapicBase+0x310, EBX)
	for _, low := range []uint32{icrINIT, icrStartUp | apPage, icrStartUp | apPage} {
		p.Mov(EAX, low|icrOthers)
		p.StoreAbs(lapicBase+0x300, EAX)
	}
	p.Ret()
	p.Label("startup.x2")
	p.sendOthers(icrINIT)
	p.sendOthers(icrStartUp | apPage)
	p.sendOthers(icrStartUp | apPage)
	p.Ret()
}

// jump does one of the bodies, which are a power of two, by the number in r, without
// changing a register.
func (p *Program) jump(r Reg, bodies ...func()) {
	if n := len(bodies); n&(n-1) != 0 {
		panic("guests: no power of two")
	}
	table, end := p.Local("table"), p.Local("end")
	p.JmpOf(table, r)
	var labels []string
	p.Label(table)
	for range bodies {
		l := p.Local("to")
		labels = append(labels, l)
		p.Addr(l)
	}
	for i, b := range bodies {
		p.Label(labels[i])
		b()
		p.Jmp(end)
	}
	p.Label(end)
}
