package guests

import "basalt/vmkernel/vdev/pcie"

// What chaos does to configuration space.

const (
	configAddress = 0xCF8
	configData    = 0xCFC
	lapicBase     = 0xFEE0_0000
)

// chaosWords are the routines that make values.
func (p *Program) chaosWords() {
	// word: EAX is a value that is often at an edge.
	p.Label("word")
	p.oneOf(
		choice{8, func() { p.Call("rand") }},
		choice{2, func() { p.Clear(EAX) }},
		choice{1, func() { p.Mov(EAX, 0xFFFF_FFFF) }},
		choice{2, func() { p.rand(16) }},
		choice{3, func() { // one bit
			p.rand(32)
			p.MovReg(ECX, EAX)
			p.Mov(EAX, 1)
			p.Bytes(0xD3, 0xE0) // shl eax, cl
		}},
	)
	p.Ret()

	// addr: EDX:EAX is an address for a device.
	p.Label("addr")
	p.oneOf(
		choice{20, func() { p.rand(16); p.Shl(EAX, 12); p.AddImm(EAX, play); p.Clear(EDX) }},
		choice{4, func() { p.rand(playLen); p.AddImm(EAX, play); p.Clear(EDX) }},
		choice{2, func() { p.rand(0x200); p.AddImm(EAX, memTop-0x100); p.Clear(EDX) }},
		choice{1, func() { p.rand(0x2_0000); p.AddImm(EAX, 0xA_0000); p.Clear(EDX) }},
		choice{1, func() { p.rand(1 << 25); p.OrImm(EAX, 0xFE00_0000); p.Clear(EDX) }},
		choice{1, func() { p.rand(1 << 25); p.OrImm(EAX, pcie.ECAMBase); p.Clear(EDX) }},
		choice{1, func() { p.Call("word"); p.OrImm(EAX, 0xFFFF_F000); p.Mov(EDX, 0xFFFF_FFFF) }},
		choice{1, func() { p.Call("word"); p.Mov(EDX, 1) }},
		choice{1, func() { p.Call("rand"); p.MovReg(EDX, EAX); p.Call("rand") }},
	)
	p.Ret()

	// length: EAX is a number of bytes.
	p.Label("length")
	p.oneOf(
		choice{1, func() { p.Clear(EAX) }},
		choice{2, func() { p.rand(0x1000) }},
		choice{4, func() { p.Mov(EAX, 16) }},
		choice{1, func() { p.Mov(EAX, 1) }},
		choice{3, func() { p.Mov(EAX, 512) }},
		choice{2, func() { p.Mov(EAX, 4096) }},
		choice{1, func() { p.rand(1 << 20) }},
		choice{1, func() { p.Mov(EAX, 0xFFFF_FFFF) }},
		choice{1, func() { p.Call("rand") }},
	)
	p.Ret()
}

// chaosBus are the attacks on configuration space. A function is ESI, its address for
// configAddress, and EBX, where its first 256 bytes are as they were at the start.
func (p *Program) chaosBus() {
	// get and set: EAX is register ECX of the function.
	p.Label("get")
	p.MovReg(EAX, ESI)
	p.Or(EAX, ECX)
	p.Mov(EDX, configAddress)
	p.OutDX(4)
	p.Mov(EDX, configData)
	p.InDX(4)
	p.Ret()
	p.Label("set")
	p.Push(EAX)
	p.MovReg(EAX, ESI)
	p.Or(EAX, ECX)
	p.Mov(EDX, configAddress)
	p.OutDX(4)
	p.Pop(EAX)
	p.Mov(EDX, configData)
	p.OutDX(4)
	p.Ret()

	// scan: what firmware left, with memory, I/O and bus mastering on.
	p.Label("scan")
	p.Mov(ESI, 1<<31)
	p.Mov(EBX, saved)
	p.Label("scan.next")
	p.Clear(ECX)
	p.Call("get")
	p.CmpImm(EAX, 0xFFFF_FFFF)
	p.If(Equal, "scan.on")
	p.MovReg(EDI, EAX)
	p.Label("scan.save")
	p.Call("get")
	p.Push(EBX)
	p.Add(EBX, ECX)
	p.Store(EBX, 0, EAX)
	p.Pop(EBX)
	p.AddImm(ECX, 4)
	p.CmpImm(ECX, 256)
	p.If(NotEqual, "scan.save")
	p.Store(EBX, 0, ESI) // in place of the identity
	p.Load(EAX, EBX, 4)
	p.AndImm(EAX, 0xFFFF)
	p.OrImm(EAX, 7)
	p.Store(EBX, 4, EAX)
	p.Mov(ECX, 4)
	p.Call("set")
	p.AndImm(EDI, 0xFFFF)
	p.CmpImm(EDI, 0x1AF4)
	p.If(NotEqual, "scan.other")
	p.LoadAt(EAX, "virtios")
	p.MovLabel(EDX, "virtio")
	p.Bytes(0x89, 0x1C, 0x82) // mov [edx+4*eax], ebx
	p.LockInc("virtios")
	p.Label("scan.other")
	p.AddImm(EBX, 256)
	p.LockInc("functions")
	p.CmpImm(EBX, saved+maxSaved*256)
	p.If(Equal, "scan.end")
	p.Label("scan.on")
	p.MovReg(EAX, ESI)
	p.AddImm(ESI, 1<<8)
	p.AndImm(EAX, 0xFF<<16)
	p.If(Equal, "scan.more") // bus 0 has all; behind a root port is one function
	p.AddImm(ESI, 1<<16-1<<8)
	p.Label("scan.more")
	p.CmpImm(ESI, 1<<31|16<<16) // 16 buses
	p.If(NotEqual, "scan.next")
	p.Label("scan.end")
	p.Ret()

	// pick: any function; pickVirtio: one of virtio.
	p.Label("pick")
	p.Call("rand")
	p.Clear(EDX)
	p.LoadAt(ECX, "functions")
	p.Div(ECX)
	p.MovReg(EBX, EDX)
	p.Shl(EBX, 8)
	p.AddImm(EBX, saved)
	p.Load(ESI, EBX, 0)
	p.Ret()
	p.Label("pickVirtio")
	p.Call("rand")
	p.Clear(EDX)
	p.LoadAt(ECX, "virtios")
	p.Div(ECX)
	p.LoadOf(EBX, "virtio", EDX)
	p.Load(ESI, EBX, 0)
	p.Ret()

	// config: an access of any size by ports, to a function that is there or not.
	p.Label("config")
	p.Call("pick")
	p.oneOf(
		choice{7, func() {}},
		choice{1, func() { p.Call("rand"); p.MovReg(ESI, EAX) }},
	)
	p.rand(256)
	p.Or(EAX, ESI)
	p.Mov(EDX, configAddress)
	p.OutDX(4)
	p.Call("word")
	p.MovReg(EBX, EAX)
	p.rand(4)
	p.MovReg(EDX, EAX)
	p.AddImm(EDX, configData)
	p.MovReg(EAX, EBX)
	p.Call("anyPort")
	p.Ret()

	// ecam: the same by memory.
	p.Label("ecam")
	p.Call("pick")
	p.MovReg(EBX, ESI)
	p.Shl(EBX, 4)
	p.rand(0x1000)
	p.Or(EBX, EAX)
	p.AndImm(EBX, pcie.ECAMSize-1)
	p.OrImm(EBX, pcie.ECAMBase)
	p.Call("anyMemory")
	p.Ret()

	// bar: a base address register, or a port's windows and bus numbers, on top of RAM
	// or of another device.
	p.Label("bar")
	p.Call("pick")
	p.rand(8)
	p.Shl(EAX, 2)
	p.AddImm(EAX, 0x10)
	p.Push(EAX)
	p.oneOf(
		choice{2, func() { p.Call("addr") }},
		choice{2, func() { // where another one is
			p.Push(ESI)
			p.Call("pick")
			p.Load(EAX, EBX, 0x10)
			p.Pop(ESI)
		}},
		choice{1, func() { p.Mov(EAX, lapicBase) }},
		choice{1, func() { p.Mov(EAX, ioapic) }},
		choice{1, func() { p.Mov(EAX, pcie.ECAMBase) }},
		choice{1, func() { p.Call("word") }},
	)
	p.Pop(ECX)
	p.Call("set")
	p.Ret()

	// restore: header, or all registers, as they were.
	p.Label("restore")
	p.Call("pick")
	p.oneOf(
		choice{3, func() { p.Mov(EDI, 0x40) }},
		choice{1, func() { p.Mov(EDI, 0x100) }},
	)
	p.Label("restore.this")
	p.Mov(ECX, 4)
	p.Label("restore.next")
	p.MovReg(EDX, EBX)
	p.Add(EDX, ECX)
	p.Load(EAX, EDX, 0)
	p.Call("set")
	p.AddImm(ECX, 4)
	p.Cmp(ECX, EDI)
	p.If(NotEqual, "restore.next")
	p.Ret()
	p.Label("restoreAll")
	p.Mov(EBX, saved)
	p.LoadAt(EAX, "functions")
	p.Label("restoreAll.next")
	p.Push(EAX)
	p.Load(ESI, EBX, 0)
	p.Mov(EDI, 0x40)
	p.Call("restore.this")
	p.AddImm(EBX, 256)
	p.Pop(EAX)
	p.Dec(EAX)
	p.If(NotEqual, "restoreAll.next")
	p.Ret()
}
