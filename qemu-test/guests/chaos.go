package guests

import spec "basalt/drivers/spec/virtio"

// Chaos attacks every device of its machine at random, for ever: configuration space,
// rings, model-specific registers, ports, interrupt controllers, on all processors at
// once. The seed is the number behind the first "=" of its command line; the same seed
// asks for the same things, in a time that is the machine's own. It survives its own
// interrupts and faults, and says on COM1 how far it is:
//
//	chaos 7
//	functions 13 virtio 5
//	n=2560 f=412 i=77 p=31 a=12,40,9 b=20,3,5.
//
// are rounds (of all processors), faults, interrupts, start-ups of other processors;
// queues that answered and devices that asked for a reset, of network adapters, disks
// and entropy devices. What it does can end its machine or start it again: it is
// the test's part to see that and to go on with another seed.
//
// EBP is the generator's state and belongs to nothing else. An address or length is
// one of its own play pages most of the time, so that it lives long and the devices do
// work; but often enough it is a hole, a device, the end of memory or anything.
const (
	play     = 0x0100_0000 // pages for rings and buffers
	playLen  = 0x0100_0000
	ringSize = 0x4000      // of a queue that is set up well: descriptors, driver's and device's area
	saved    = 0x0020_0000 // 256 bytes of configuration space for each function
	maxSaved = 64
)

// ChaosMiB is the memory that the guest needs, in MiB. What is above its play pages is
// there to be missed.
const ChaosMiB = 64

const memTop = ChaosMiB << 20

func chaos(p *Program) {
	p.On(2, "nmi")
	for v := range 256 {
		switch {
		case v == 2:
		case v < 32:
			p.On(uint8(v), "fault")
		default:
			p.On(uint8(v), "irq")
		}
	}
	over := p.Local("over")
	p.Jmp(over)
	size := p.trampoline("other")
	p.chaosLib()
	p.chaosWords()
	p.chaosBus()
	p.chaosBoard()
	p.chaosVirtio()
	p.Label(over)
	p.copyTrampoline(size)
	p.seed()
	p.Print("chaos ")
	p.MovReg(EAX, EBP)
	p.PrintDec()
	p.Call("scan")
	p.Print("\nfunctions ")
	p.LoadAt(EAX, "functions")
	p.PrintDec()
	p.Print(" virtio ")
	p.LoadAt(EAX, "virtios")
	p.PrintDec()
	p.Print("\n")
	p.Push(EAX) // ESP stays below the top of its page
	p.Call("startup")
	// While all is as it should be: a periodic interrupt, and work for each device.
	for _, w := range [][2]uint32{{0xF0, 0x1FF}, {0x3E0, 0xB}, {0x320, 0x20000 | vecTimer}, {0x380, 1 << 22}} {
		p.Mov(EAX, w[1])
		p.StoreAbs(lapicBase+w[0], EAX)
	}
	p.Mov(EDI, 16)
	p.Label("work")
	p.StoreAt("left", EDI)
	p.Call("drive")
	p.Op("sti")
	p.Op("nop")
	p.Op("cli")
	p.LoadAt(EDI, "left")
	p.Dec(EDI)
	p.If(NotEqual, "work")

	// The boot processor's rounds, with a line after every 32.
	p.Label("first")
	p.Mov(EDI, 32)
	p.StoreAt("left", EDI)
	p.Label("round")
	p.Call("attack")
	p.LoadAt(EDI, "left")
	p.Dec(EDI)
	p.StoreAt("left", EDI)
	p.If(NotEqual, "round")
	p.Call("serialInit") // what is left of it
	for i, w := range []string{"rounds", "faults", "irqs", "ups"} {
		p.Print([]string{"n=", " f=", " i=", " p="}[i])
		p.LoadAt(EAX, w)
		p.PrintDec()
	}
	for i, w := range []string{"answers", "broken"} {
		p.Print([]string{" a=", " b="}[i])
		for j, of := range []uint32{spec.TypeNet, spec.TypeBlock, spec.TypeEntropy} {
			if j > 0 {
				p.Print(",")
			}
			p.Mov(EDX, of)
			p.LoadOf(EAX, w, EDX)
			p.PrintDec()
		}
	}
	p.Print(".\n")
	p.Jmp("first")

	// The others'.
	p.Label("other")
	p.Mov(EAX, 16)
	p.SetSegments()
	p.LIDT("idtr")
	p.LockInc("ups")
	p.Mov(EAX, 1)
	p.Op("cpuid")
	p.Shr(EBX, 24)
	p.Mov(ESP, stackTop)
	p.MovReg(EAX, EBX)
	p.Shl(EAX, 12)
	p.Sub(ESP, EAX)
	p.Push(EAX)
	p.LoadAt(EBP, "ups")
	p.Shl(EBP, 8)
	p.Or(EBP, EBX)
	p.Bytes(0x69, 0xED) // imul ebp, ebp, imm32
	p.U32(0x9E37_79B9)
	p.LoadAt(EAX, "seed")
	p.Xor(EBP, EAX)
	p.OrImm(EBP, 1<<31)
	p.Label("other.round")
	p.Call("attack")
	p.Jmp("other.round")

	for _, w := range []string{"seed", "rounds", "faults", "irqs", "ups", "left", "functions", "virtios", "packed"} {
		p.Label(w)
		p.U32(0)
	}
	for _, w := range []string{"answers", "broken"} {
		p.Label(w)
		for range 8 {
			p.U32(0)
		}
	}
	p.Label("virtio")
	for range maxSaved {
		p.U32(0)
	}
}

// seed takes it from the command line, or 1.
func (p *Program) seed() {
	const cmdline = 16
	p.LoadAt(EBX, "bootInfo")
	p.Load(ESI, EBX, cmdline)
	p.Clear(EBP)
	p.Label("seed.find")
	p.LoadByte(EAX, ESI)
	p.Inc(ESI)
	p.Test(EAX, EAX)
	p.If(Equal, "seed.end")
	p.CmpImm(EAX, '=')
	p.If(NotEqual, "seed.find")
	p.Label("seed.digit")
	p.LoadByte(EAX, ESI)
	p.Inc(ESI)
	p.AddImm(EAX, ^uint32('0')+1)
	p.CmpImm(EAX, 10)
	p.If(NotBelow, "seed.end")
	p.Bytes(0x6B, 0xED, 10) // imul ebp, ebp, 10
	p.Add(EBP, EAX)
	p.Jmp("seed.digit")
	p.Label("seed.end")
	p.Test(EBP, EBP)
	p.If(NotEqual, "seed.ok")
	p.Inc(EBP)
	p.Label("seed.ok")
	p.StoreAt("seed", EBP)
}

// chaosLib are the generator, the handlers and the round.
func (p *Program) chaosLib() {
	// rand: EAX and EBP are the next of xorshift32.
	p.Label("rand")
	for i, n := range []byte{13, 17, 5} {
		p.MovReg(EAX, EBP)
		if i == 1 {
			p.Shr(EAX, n)
		} else {
			p.Shl(EAX, n)
		}
		p.Xor(EBP, EAX)
	}
	p.MovReg(EAX, EBP)
	p.Ret()

	// fault: this round is over. The stack is one page.
	p.Label("fault")
	p.LockInc("faults")
	p.OrImm(ESP, 0xFFF)
	p.Inc(ESP)
	p.Push(EAX)
	p.Op("cld")
	p.CmpImm(ESP, stackTop-4)
	p.If(Equal, "round")
	p.Jmp("other.round")

	// irq: ended at both controllers; the next one only in the next round, or a line
	// that is stuck would take all of the time.
	p.Label("irq")
	p.LockInc("irqs")
	p.Pushad()
	p.Bytes(0x81, 0x64, 0x24, 32+8) // and dword [esp+40], ^IF
	p.U32(^uint32(0x200))
	p.Mov(EAX, 0x20)
	p.OutB(0x20)
	p.OutB(0xA0)
	p.Clear(EAX)
	p.StoreAbs(lapicBase+0xB0, EAX)
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.AndImm(EAX, 0xC00)
	p.CmpImm(EAX, 0xC00)
	p.If(NotEqual, "irq.end")
	p.wrmsr(msrEOI, 0)
	p.Label("irq.end")
	p.Popad()
	p.Iret()

	p.Label("nmi")
	p.LockInc("irqs")
	p.Iret()

	// attack: one round.
	p.Label("attack")
	p.LockInc("rounds")
	p.Op("sti")
	p.Op("nop")
	p.Op("cli")
	p.oneOf(
		choice{3, func() { p.Call("config") }},
		choice{3, func() { p.Call("ecam") }},
		choice{2, func() { p.Call("bar") }},
		choice{4, func() { p.Call("restore") }},
		choice{1, func() { p.Call("restoreAll") }},
		choice{4, func() { p.Call("setup") }},
		choice{5, func() { p.Call("rings") }},
		choice{4, func() { p.Call("data") }},
		choice{7, func() { p.Call("doorbell") }},
		choice{6, func() { p.Call("drive") }},
		choice{1, func() { p.Call("deviceReset") }},
		choice{3, func() { p.Call("common") }},
		choice{3, func() { p.Call("registers") }},
		choice{2, func() { p.Call("msix") }},
		choice{4, func() { p.Call("msr") }},
		choice{4, func() { p.Call("port") }},
		choice{2, func() { p.Call("string") }},
		choice{3, func() { p.Call("board") }},
		choice{2, func() { p.Call("controllers") }},
		choice{1, func() { p.Call("hypercall") }},
	)
	p.Ret()
}

// choice is one of several things to do, as often as its weight says.
type choice struct {
	weight int
	body   func()
}

// oneOf does one of them at random. The weights add up to a power of two.
func (p *Program) oneOf(cases ...choice) {
	table, end := p.Local("table"), p.Local("end")
	var labels []string
	for _, c := range cases {
		l := p.Local("case")
		for range c.weight {
			labels = append(labels, l)
		}
	}
	n := uint32(len(labels))
	if n&(n-1) != 0 {
		panic("guests: weights are no power of two")
	}
	p.rand(n)
	p.JmpOf(table, EAX)
	p.Label(table)
	for _, l := range labels {
		p.Addr(l)
	}
	i := 0
	for _, c := range cases {
		p.Label(labels[i])
		c.body()
		p.Jmp(end)
		i += c.weight
	}
	p.Label(end)
}

// rand makes EAX a number below n, a power of two.
func (p *Program) rand(n uint32) {
	p.Call("rand")
	p.Shr(EAX, 7) // the low bits are the weak ones
	p.AndImm(EAX, n-1)
}
