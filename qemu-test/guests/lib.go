package guests

// COM1, the Bochs debug port, the interrupt controllers.
const (
	com1      = 0x3F8
	debugPort = 0xE9
	picMaster = 0x21 // masks
	picSlave  = 0xA1
)

// Program is a guest under construction: code first, then the library's routines
// and data.
type Program struct {
	*Asm
	strings []text
	handler map[uint8]string
	idShift uint8 // of x2APIC IDs against the processors' numbers; see smplib.go
}

type text struct{ label, s string }

// newProgram starts a guest: stack, segments of our own, empty interrupt table.
func newProgram() *Program {
	p := &Program{Asm: NewAsm(Load + headerSize), handler: map[uint8]string{}}
	p.Op("cli")
	p.Op("cld")
	p.StoreAt("bootMagic", EAX)
	p.StoreAt("bootInfo", EBX)
	p.Mov(ESP, stackTop)
	p.LGDT("gdtr")
	p.FarJmp(8, "start")
	p.Label("start")
	p.Mov(EAX, 16)
	p.SetSegments()
	p.LIDT("idtr")
	p.Call("serialInit")
	return p
}

// maskPIC keeps the timer and all else that a firmware may have left running away.
func (p *Program) maskPIC() {
	p.Mov(EAX, 0xFF)
	p.OutB(picMaster)
	p.OutB(picSlave)
}

// Print prints a constant string.
func (p *Program) Print(s string) {
	l := p.Local("s")
	p.strings = append(p.strings, text{l, s})
	p.Push(ESI)
	p.MovLabel(ESI, l)
	p.Call("puts")
	p.Pop(ESI)
}

// PrintDec prints EAX in decimal; PrintHex in eight hexadecimal digits.
func (p *Program) PrintDec() { p.Call("putdec") }

// PrintHex prints EAX in hexadecimal.
func (p *Program) PrintHex() { p.Call("puthex") }

// Done prints the last line and stops for ever; it also asks the reset register
// and the debug exit port to end the machine.
func (p *Program) Done() {
	p.Print("done\n")
	p.Jmp("stop")
}

// On names the routine for an interrupt vector. It is entered with the frame of
// the processor and must end with Iret.
func (p *Program) On(vector uint8, label string) { p.handler[vector] = label }

// Repeat runs body n times with the count in EBP, which body must keep.
func (p *Program) Repeat(n uint32, body func()) {
	l := p.Local("loop")
	p.Mov(EBP, n)
	p.Label(l)
	body()
	p.Dec(EBP)
	p.If(NotEqual, l)
}

// finish appends the library and the data and makes the image.
func (p *Program) finish() []byte {
	p.lib()
	p.tables()
	for _, t := range p.strings {
		p.Label(t.label)
		p.String(t.s)
	}
	return image(p.Code())
}

func (p *Program) lib() {
	p.Label("stop")
	p.Op("cli")
	p.Op("hlt")
	p.Jmp("stop")

	// serialInit: 115200 8N1 without interrupts.
	p.Label("serialInit")
	for _, w := range [...][2]uint32{{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 3}} {
		p.Mov(EDX, com1+w[0])
		p.Mov(EAX, w[1])
		p.OutDX(1)
	}
	p.Ret()

	// putc: AL to COM1, waiting for its transmitter a bounded time.
	p.Label("putc")
	p.Pushad()
	p.MovReg(EBX, EAX)
	p.Mov(ECX, 100000)
	p.Label("putc.wait")
	p.Mov(EDX, com1+5)
	p.InDX(1)
	p.AndImm(EAX, 0x20)
	p.If(NotEqual, "putc.send")
	p.Dec(ECX)
	p.If(NotEqual, "putc.wait")
	p.Label("putc.send")
	p.MovReg(EAX, EBX)
	p.Mov(EDX, com1)
	p.OutDX(1)
	p.Popad()
	p.Ret()

	// puts: the string at ESI.
	p.Label("puts")
	p.Push(EAX)
	p.Label("puts.next")
	p.LoadByte(EAX, ESI)
	p.Test(EAX, EAX)
	p.If(Equal, "puts.end")
	p.Call("putc")
	p.Inc(ESI)
	p.Jmp("puts.next")
	p.Label("puts.end")
	p.Pop(EAX)
	p.Ret()

	// putdec: EAX in decimal.
	p.Label("putdec")
	p.Pushad()
	p.Clear(ECX)
	p.Mov(EBX, 10)
	p.Label("putdec.div")
	p.Clear(EDX)
	p.Div(EBX)
	p.AddImm(EDX, '0')
	p.Push(EDX)
	p.Inc(ECX)
	p.Test(EAX, EAX)
	p.If(NotEqual, "putdec.div")
	p.Label("putdec.out")
	p.Pop(EAX)
	p.Call("putc")
	p.Dec(ECX)
	p.If(NotEqual, "putdec.out")
	p.Popad()
	p.Ret()

	// puthex: EAX in eight digits.
	p.Label("puthex")
	p.Pushad()
	p.Mov(ECX, 8)
	p.Label("puthex.next")
	p.Rol(EAX, 4)
	p.Push(EAX)
	p.AndImm(EAX, 15)
	p.AddImm(EAX, '0')
	p.CmpImm(EAX, '9'+1)
	p.If(Below, "puthex.digit")
	p.AddImm(EAX, 'a'-'9'-1)
	p.Label("puthex.digit")
	p.Call("putc")
	p.Pop(EAX)
	p.Dec(ECX)
	p.If(NotEqual, "puthex.next")
	p.Popad()
	p.Ret()
}

// tables are a flat GDT and an IDT whose unused exceptions print and stop.
func (p *Program) tables() {
	for v := range 32 {
		p.Label(trapLabel(v))
		if !pushesError(v) {
			p.Bytes(0x6A, 0)
		}
		p.Bytes(0x6A, byte(v))
		p.Jmp("trap")
	}
	p.Label("trap")
	p.Print("trap ")
	p.Pop(EAX)
	p.PrintDec()
	p.Print(" error ")
	p.Pop(EAX)
	p.PrintHex()
	p.Print(" eip ")
	p.Pop(EAX)
	p.PrintHex()
	p.Print("\n")
	p.Jmp("stop")

	p.Align(4)
	p.Label("bootMagic")
	p.U32(0)
	p.Label("bootInfo")
	p.U32(0)

	p.Align(8)
	p.Label("gdt")
	p.Bytes(0, 0, 0, 0, 0, 0, 0, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0)
	p.Label("gdtr")
	p.Bytes(23, 0)
	p.Addr("gdt")

	// A gate has the two halves of its address apart, which fixups cannot do:
	// the table is filled from the final addresses.
	p.Align(8)
	p.Label("idt")
	for v := range 256 {
		l, ok := p.handler[uint8(v)]
		if !ok {
			if v >= 32 {
				p.Bytes(0, 0, 0, 0, 0, 0, 0, 0)
				continue
			}
			l = trapLabel(v)
		}
		addr := p.labels[l]
		if addr == 0 {
			panic("guests: no handler " + l)
		}
		p.Bytes(byte(addr), byte(addr>>8), 8, 0, 0, 0x8E, byte(addr>>16), byte(addr>>24))
	}
	p.Label("idtr")
	p.Bytes(0xFF, 0x07)
	p.Addr("idt")
}

func trapLabel(v int) string { return "trap" + string([]byte{'0' + byte(v/10), '0' + byte(v%10)}) }

func pushesError(v int) bool {
	switch v {
	case 8, 10, 11, 12, 13, 14, 17, 21, 29, 30:
		return true
	}
	return false
}
