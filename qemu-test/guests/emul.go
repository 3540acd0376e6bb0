package guests

// EmulDevice is the line that shows instructions on a real device: what SSE moves, OR
// and PUSH make of the destination field of the I/O APIC's first entry.
const EmulDevice = "device 5a000000 db000000 db000000 00000011"

// onDevice uses the I/O APIC (82093AA data sheet, 3.1 and 3.2.4) by instructions that
// an engine leaves to the emulator, vector registers among them.
func onDevice(p *Program) {
	const sel, win, destination = ioapic, ioapic + 0x10, 0x11
	abs := func(addr uint32, code ...byte) { p.Bytes(code...); p.U32(addr) }
	p.Mov(EAX, destination)
	p.Bytes(0x66, 0x0F, 0x6E, 0xC0)  // movd xmm0, eax
	abs(sel, 0x66, 0x0F, 0x7E, 0x05) // movd [sel], xmm0
	p.Mov(EAX, 0x5A00_0000)          // entry 0 is masked: its destination may be any
	p.Bytes(0x66, 0x0F, 0x6E, 0xC8)  // movd xmm1, eax
	abs(win, 0x66, 0x0F, 0x7E, 0x0D) // movd [win], xmm1
	abs(win, 0x66, 0x0F, 0x6E, 0x15) // movd xmm2, [win]
	p.Print("device ")
	p.Bytes(0x66, 0x0F, 0x7E, 0xD0) // movd eax, xmm2
	p.PrintHex()
	abs(win, 0x81, 0x0D) // or dword [win], imm32
	p.U32(0x8100_0000)
	p.Print(" ")
	p.LoadAbs(EAX, win)
	p.PrintHex()
	p.Print(" ")
	abs(win, 0xFF, 0x35) // push dword [win]
	p.Pop(EAX)
	p.PrintHex()
	p.Print(" ")
	p.Bytes(0x66, 0x0F, 0x7E, 0xC0) // movd eax, xmm0
	p.PrintHex()
	p.Print("\n")
}

// emulRows executes every instruction of EmulRows with every input on memory, and
// prints what became of registers, flags and memory.
func emulRows(p *Program) {
	pattern := EmulPattern()
	p.Bytes(0x0F, 0x20, 0xE0) // mov eax, cr4
	p.OrImm(EAX, 0x600)       // OSFXSR, OSXMMEXCPT
	p.Bytes(0x0F, 0x22, 0xE0)
	onDevice(p)
	p.Mov(EBX, emulSource)
	for i := range EmulMemory / 4 {
		p.Mov(EAX, uint32(pattern[4*i])|uint32(pattern[4*i+1])<<8|uint32(pattern[4*i+2])<<16|uint32(pattern[4*i+3])<<24)
		p.Store(EBX, int32(4*i), EAX)
	}
	for _, r := range EmulRows() {
		for i, in := range EmulInputs {
			p.Print(r.Name + "/" + string(rune('0'+i)) + " ")
			p.Call("emul.prepare")
			p.Bytes(0x68) // push imm32
			p.U32(in.Flags)
			p.Bytes(0x9D) // popfd
			// Not one of these changes a flag.
			p.Mov(EAX, in.EAX)
			p.Mov(ECX, r.Input(in).ECX)
			p.Mov(EDX, in.EDX)
			p.Mov(EBX, EmulEBX)
			p.Mov(EBP, EmulEBP)
			p.Mov(ESI, EmulESI)
			p.Mov(EDI, EmulEDI)
			p.Mov(ESP, EmulESP)
			p.Bytes(r.Code...)
			p.StoreAbs(emulResult+16, ESP)
			p.Mov(ESP, stackTop)
			p.Call("emul.capture")
		}
	}
	p.Done()

	// emul.prepare: the page and XMM0, XMM1 as before an instruction.
	p.Label("emul.prepare")
	p.Bytes(0xFC) // cld
	p.Mov(ESI, emulSource)
	p.Mov(EDI, EmulPage)
	p.Mov(ECX, EmulMemory/4)
	p.Bytes(0xF3, 0xA5)                               // rep movsd
	p.Bytes(0x0F, 0x10, 0x05, 0x00, 0x10, 0x20, 0x00) // movups xmm0, [emulSource]
	p.Bytes(0x0F, 0x10, 0x0D, 0x10, 0x10, 0x20, 0x00) // movups xmm1, [emulSource+16]
	p.Ret()

	// emul.capture: the result, then its words in hexadecimal.
	p.Label("emul.capture")
	for _, r := range []Reg{EAX, ECX, EDX, EBX, EBP, ESI, EDI} {
		p.StoreAbs(emulResult+4*uint32(r), r)
	}
	p.Bytes(0x9C) // pushfd
	p.Pop(EAX)
	p.Bytes(0xFC)
	p.StoreAbs(emulResult+4*EmulFlags, EAX)
	p.Mov(ESI, EmulPage)
	p.Mov(EDI, emulResult+4*EmulMem)
	p.Mov(ECX, EmulMemory/4)
	p.Bytes(0xF3, 0xA5)
	p.Bytes(0x0F, 0x11, 0x05)
	p.U32(emulResult + 4*EmulXMM)
	p.Bytes(0x0F, 0x11, 0x0D)
	p.U32(emulResult + 4*EmulXMM + 16)
	p.printWords(EmulWords)
	p.Ret()
}

// printWords prints n words of the result.
func (p *Program) printWords(n uint32) {
	// The words in hexadecimal and a new line, to COM1 by one REP OUTSB: an emulated
	// UART takes them as they come, and an exit for each would take minutes.
	p.Mov(ESI, emulResult)
	p.Mov(EDI, emulText)
	p.Mov(EBX, n)
	p.Label("emul.word")
	p.Load(EAX, ESI, 0)
	p.Mov(ECX, 8)
	p.Label("emul.nibble")
	p.Rol(EAX, 4)
	p.MovReg(EDX, EAX)
	p.AndImm(EDX, 15)
	p.AddImm(EDX, '0')
	p.CmpImm(EDX, '9'+1)
	p.If(Below, "emul.digit")
	p.AddImm(EDX, 'a'-'9'-1)
	p.Label("emul.digit")
	p.StoreByte(EDI, EDX)
	p.Inc(EDI)
	p.Dec(ECX)
	p.If(NotEqual, "emul.nibble")
	p.AddImm(ESI, 4)
	p.Dec(EBX)
	p.If(NotEqual, "emul.word")
	p.Mov(EDX, '\n')
	p.StoreByte(EDI, EDX)
	p.Mov(ESI, emulText)
	p.Mov(ECX, 8*n+1)
	p.Mov(EDX, com1)
	p.Bytes(0xF3, 0x6E)
}

// Input is the input as the row gets it: a REP must stay within the page.
func (r EmulRow) Input(in EmulInput) EmulInput {
	if r.Code[0] == 0xF2 || r.Code[0] == 0xF3 {
		in.ECX &= 3
	}
	return in
}
