package guests

// firmware looks at the board as a BIOS leaves it to a Multiboot kernel (0.6.96, 3.2):
// it prints the masks of the interrupt controllers, and in real mode it waits for three
// ticks of the timer, which the interrupt table that is there counts at 46Ch.
func firmware(p *Program) {
	const page, ticks = apPage << 12, 0x46C
	for _, m := range []struct {
		name string
		port byte
	}{{"master ", picMaster}, {"slave ", picSlave}} {
		p.Print(m.name)
		p.Clear(EAX)
		p.InB(m.port)
		p.PrintHex()
		p.Print("\n")
	}

	// What runs in real mode lies at page, with a stack below it.
	over := p.Local("over")
	p.Jmp(over)
	p.Align(8)
	p.Label("fw.page")
	start := p.Here()
	at := func() uint16 { return uint16(p.Here() - start) }
	word := func(v uint16) { p.Bytes(byte(v), byte(v>>8)) }

	// Descriptors: code and data as in "gdt", and both of 16 bits at page.
	p.Bytes(0, 0, 0, 0, 0, 0, 0, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0)
	p.Bytes(0xFF, 0xFF, 0, page>>8, 0, 0x9B, 0, 0)
	p.Bytes(0xFF, 0xFF, 0, page>>8, 0, 0x93, 0, 0)
	gdtr := at()
	word(5*8 - 1)
	p.U32(page)
	ivt := at()
	word(0x3FF)
	p.U32(0)

	code := at()
	p.Bytes(0xB8, 4*8, 0, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0) // mov ax, 20h; mov ds, es, ss
	p.Bytes(0x0F, 0x20, 0xC0, 0x24, 0xFE, 0x0F, 0x22, 0xC0)   // mov eax, cr0; and al, 0feh; mov cr0, eax
	p.Bytes(0xEA)                                             // jmp page>>4:next
	word(at() + 4)
	word(page >> 4)
	p.Bytes(0x2E, 0x0F, 0x01, 0x1E) // lidt cs:[ivt]
	word(ivt)
	p.Bytes(0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0) // xor ax, ax; mov ds, es, ss
	p.Bytes(0xBC)                                           // mov sp, page-16
	word(page - 16)
	p.Bytes(0xB9) // mov cx, 3
	word(3)
	tick := p.Here()
	p.Bytes(0xA1) // mov ax, [ticks]
	word(ticks)
	halt := p.Here()
	p.Bytes(0xFB, 0xF4, 0xFA, 0x3B, 0x06) // sti; hlt; cli; cmp ax, [ticks]
	word(ticks)
	p.Bytes(0x74, byte(halt-p.Here()-2))                 // je halt
	p.Bytes(0xE2, byte(tick-p.Here()-2))                 // loop tick
	p.Bytes(0x0F, 0x20, 0xC0, 0x0C, 1, 0x0F, 0x22, 0xC0) // mov eax, cr0; or al, 1; mov cr0, eax
	p.Bytes(0x66, 0xEA)                                  // jmp 8:"fw.back"
	p.Addr("fw.back")
	word(8)
	size := p.Here() - start

	p.Label(over)
	p.MovLabel(ESI, "fw.page")
	p.Mov(EDI, page)
	p.Mov(ECX, size)
	p.Bytes(0xF3, 0xA4)        // rep movsb
	p.Bytes(0x0F, 0x01, 0x15)  // lgdt
	p.U32(page + uint32(gdtr)) //
	p.Bytes(0xEA)              // jmp 18h:code
	p.U32(uint32(code))
	word(3 * 8)

	p.Label("fw.back")
	p.Mov(EAX, 16)
	p.SetSegments()
	p.Mov(ESP, stackTop)
	p.LGDT("gdtr")
	p.LIDT("idtr")
	p.Print("ticks 3\n")
	p.Done()
}
