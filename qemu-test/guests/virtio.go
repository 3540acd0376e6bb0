package guests

// A small driver for virtio 1.2 devices behind PCI, split rings only, one request at a
// time. Registers: see 4.1.4 and 2.7 of the specification. Rings and buffers are where
// nothing else of the guests is.

const (
	vecVirtio = 0x48

	blkDevice = 0x1042<<16 | 0x1AF4
	netDevice = 0x1041<<16 | 0x1AF4

	ioRing    = 8           // descriptors of each queue
	ringsAt   = 0x0300_0000 // 12 KiB for each queue
	buffersAt = 0x0310_0000

	notifyNone = 0xFFFF // no MSI-X vector
)

// ringAt is where queue i lies.
func ringAt(i uint32) (desc, avail, used uint32) {
	base := ringsAt + i*0x3000
	return base, base + 0x1000, base + 0x2000
}

// Stores to [EBX+off].
func (p *Program) reg8(off byte, v byte) { p.Bytes(0xC6, 0x43, off, v) }
func (p *Program) reg16(off byte, v uint16) {
	p.Bytes(0x66, 0xC7, 0x43, off, byte(v), byte(v>>8))
}
func (p *Program) reg32(off byte, v uint32) { p.Bytes(0xC7, 0x43, off); p.U32(v) }

// storeAbs is MOV dword [addr], v.
func (p *Program) storeAbs(addr, v uint32) { p.Bytes(0xC7, 0x05); p.U32(addr); p.U32(v) }

// incWord is INC word [addr], and a fence: the device must see what was written
// before.
func (p *Program) incWord(addr uint32) {
	p.Bytes(0x66, 0xFF, 0x05)
	p.U32(addr)
	p.Bytes(0xF0, 0x83, 0x0C, 0x24, 0) // lock or dword [esp], 0
}

// loadWord is MOVZX reg, word [addr].
func (p *Program) loadWord(r Reg, addr uint32) { p.Bytes(0x0F, 0xB7, byte(r)<<3|5); p.U32(addr) }

// virtioFind looks for a device by its identifiers and jumps to none if it is not
// there. It finds the capabilities: vio.common, vio.bell (memory), vio.step,
// vio.port (I/O, 0: none), vio.table.
func (p *Program) virtioFind(id uint32, none string) {
	again, found, next, end := p.Local("find"), p.Local("found"), p.Local("cap"), p.Local("caps")
	p.Clear(ESI)
	p.Label(again)
	p.MovReg(EAX, ESI)
	p.Call("pci.read")
	p.CmpImm(EAX, id)
	p.If(Equal, found)
	p.AddImm(ESI, 0x800)
	p.CmpImm(ESI, 0x10_0000) // 16 buses
	p.If(Below, again)
	p.Jmp(none)
	p.Label(found)
	for _, w := range []string{"vio.common", "vio.bell", "vio.step", "vio.port", "vio.table"} {
		p.StoreImm(w, 0)
	}
	p.MovReg(EAX, ESI)
	p.OrImm(EAX, 4)
	p.Push(EAX)
	p.Call("pci.read")
	p.OrImm(EAX, 7) // I/O, memory, bus master
	p.MovReg(ECX, EAX)
	p.Pop(EAX)
	p.Call("pci.write")
	p.MovReg(EDI, ESI)
	p.OrImm(EDI, 0x34)
	p.Label(next) // EDI points to a pointer
	p.MovReg(EAX, EDI)
	p.Call("pci.read")
	p.MovReg(ECX, EDI)
	p.AndImm(ECX, 0xFF)
	p.CmpImm(ECX, 0x34)
	first := p.Local("first")
	p.If(Equal, first)
	p.Shr(EAX, 8)
	p.Label(first)
	p.AndImm(EAX, 0xFC)
	p.If(Equal, end)
	p.MovReg(EDI, ESI)
	p.Or(EDI, EAX)
	p.MovReg(EAX, EDI)
	p.Call("pci.read")
	p.MovReg(EBX, EAX) // identifier, next, and for a vendor's: length, type
	p.AndImm(EAX, 0xFF)
	vendor, msix := p.Local("vendor"), p.Local("msix")
	p.CmpImm(EAX, 9)
	p.If(Equal, vendor)
	p.CmpImm(EAX, 0x11)
	p.If(Equal, msix)
	p.Jmp(next)

	p.Label(msix)
	p.MovReg(EAX, EDI)
	p.MovReg(ECX, EBX)
	p.OrImm(ECX, 1<<31)
	p.Call("pci.write")
	p.MovReg(EAX, EDI)
	p.AddImm(EAX, 4)
	p.Call("pci.read")
	p.MovReg(ECX, EAX)
	p.AndImm(ECX, 7)
	p.AndImm(EAX, 0xFFFF_FFF8)
	p.Push(EAX)
	p.Call("pci.bar")
	p.Pop(ECX)
	p.AndImm(EAX, 0xFFFF_FFF0)
	p.Add(EAX, ECX)
	p.StoreAt("vio.table", EAX)
	p.Jmp(next)

	p.Label(vendor)
	p.MovReg(EAX, EDI)
	p.AddImm(EAX, 4)
	p.Call("pci.read")
	p.MovReg(ECX, EAX)
	p.AndImm(ECX, 7)
	p.Call("pci.bar")
	p.Push(EAX)
	p.MovReg(EAX, EDI)
	p.AddImm(EAX, 8)
	p.Call("pci.read")
	p.Pop(ECX)
	memory := p.Local("memory")
	p.Shr(EBX, 24)
	p.MovReg(EDX, ECX)
	p.AndImm(EDX, 1)
	p.If(Equal, memory)
	p.CmpImm(EBX, 2)
	p.If(NotEqual, next)
	p.AndImm(ECX, 0xFFFC)
	p.Add(EAX, ECX)
	p.StoreAt("vio.port", EAX)
	p.Jmp(next)
	p.Label(memory)
	p.AndImm(ECX, 0xFFFF_FFF0)
	p.Add(EAX, ECX)
	other := p.Local("other")
	p.CmpImm(EBX, 1)
	p.If(NotEqual, other)
	p.StoreAt("vio.common", EAX)
	p.Jmp(next)
	p.Label(other)
	p.CmpImm(EBX, 2)
	p.If(NotEqual, next)
	p.StoreAt("vio.bell", EAX)
	p.MovReg(EAX, EDI)
	p.AddImm(EAX, 16)
	p.Call("pci.read")
	p.StoreAt("vio.step", EAX)
	p.Jmp(next)
	p.Label(end)

	// Vector 0 of MSI-X: vecVirtio on this processor.
	p.LoadAt(EBX, "vio.table")
	p.reg32(0, 0xFEE0_0000)
	p.reg32(4, 0)
	p.reg32(8, vecVirtio)
	p.reg32(12, 0)
	// 3.1.1, up to FEATURES_OK: VERSION_1 alone.
	p.LoadAt(EBX, "vio.common")
	p.reg8(20, 0)
	reset := p.Local("reset")
	p.Label(reset)
	p.Bytes(0x0F, 0xB6, 0x43, 20)
	p.Test(EAX, EAX)
	p.If(NotEqual, reset)
	p.reg8(20, 1)
	p.reg8(20, 3)
	p.reg32(8, 0)
	p.reg32(12, 0)
	p.reg32(8, 1)
	p.reg32(12, 1)
	p.reg8(20, 11)
	p.reg16(16, notifyNone)
}

// virtioQueue enables queue i; the memory doorbell's address goes to vio.bell<i>.
func (p *Program) virtioQueue(i uint32, vector uint16) {
	desc, avail, used := ringAt(i)
	p.LoadAt(EBX, "vio.common")
	p.reg16(22, uint16(i))
	p.reg16(24, ioRing)
	p.reg16(26, vector)
	for off, at := range map[byte]uint32{32: desc, 40: avail, 48: used} {
		p.reg32(off, at)
		p.reg32(off+4, 0)
	}
	p.Bytes(0x0F, 0xB7, 0x43, 30) // movzx eax, word [ebx+30]
	p.Bytes(0x0F, 0xAF, 0x05)     // imul eax, [vio.step]
	p.Addr("vio.step")
	p.LoadAt(ECX, "vio.bell")
	p.Add(EAX, ECX)
	p.StoreAt("vio.bell"+dec(i), EAX)
	p.reg16(28, 1)
}

// virtioReady sets DRIVER_OK.
func (p *Program) virtioReady() { p.LoadAt(EBX, "vio.common"); p.reg8(20, 15) }

// ringPort and ringMemory are the doorbells of queue i.
func (p *Program) ringPort(i uint32) {
	p.LoadAt(EDX, "vio.port")
	p.Mov(EAX, i)
	p.Bytes(0x66, 0xEF) // out dx, ax
}

func (p *Program) ringMemory(i uint32) {
	p.LoadAt(EAX, "vio.bell"+dec(i))
	p.Bytes(0x66, 0xC7, 0x00, byte(i), byte(i>>8)) // mov word [eax], i
}

// sleepUntil halts until the index of queue i's used ring is that of the available
// ring, less behind.
func (p *Program) sleepUntil(i uint32, behind uint32) {
	_, avail, used := ringAt(i)
	again, end := p.Local("sleep"), p.Local("used")
	p.Label(again)
	p.Op("cli")
	p.loadWord(EAX, used+2)
	p.AddImm(EAX, behind)
	p.AndImm(EAX, 0xFFFF)
	p.loadWord(EBX, avail+2)
	p.Cmp(EAX, EBX)
	p.If(Equal, end)
	p.Op("sti")
	p.Op("hlt")
	p.Jmp(again)
	p.Label(end)
	p.Op("sti")
}

// virtioLib is the routines and words of the driver, and its interrupt handler.
func (p *Program) virtioLib() {
	// EAX: bus<<16 | device<<11 | function<<8 | register.
	p.Label("pci.read")
	p.OrImm(EAX, 1<<31)
	p.Mov(EDX, 0xCF8)
	p.OutDX(4)
	p.Mov(EDX, 0xCFC)
	p.InDX(4)
	p.Ret()
	p.Label("pci.write") // of ECX
	p.OrImm(EAX, 1<<31)
	p.Mov(EDX, 0xCF8)
	p.OutDX(4)
	p.MovReg(EAX, ECX)
	p.Mov(EDX, 0xCFC)
	p.OutDX(4)
	p.Ret()
	p.Label("pci.bar") // ECX of the function at ESI
	p.MovReg(EAX, ECX)
	p.Shl(EAX, 2)
	p.AddImm(EAX, 0x10)
	p.Or(EAX, ESI)
	p.Jmp("pci.read")
	p.Label("virtio.irq")
	p.Pushad()
	p.wrmsr(msrEOI, 0)
	p.Popad()
	p.Iret()
	p.Align(4)
	for _, w := range []string{"vio.common", "vio.bell", "vio.step", "vio.port", "vio.table", "vio.bell0", "vio.bell1"} {
		p.Label(w)
		p.U32(0)
	}
}
