package guests

// Guests that try to hurt the host or another guest. Each ends by itself with what
// it saw, or runs for ever in a way that must leave the host and the stop action
// alive.

const (
	msrICR      = 0x830
	msrLDivide  = 0x83E
	msrLInitial = 0x838
	resetPort   = 0xCF9
)

// skipping makes #GP and #UD continue at ESI and count in EDI.
func (p *Program) skipping() {
	over := p.Local("over")
	p.On(6, "skip.ud")
	p.On(13, "skip.gp")
	p.Jmp(over)
	p.Label("skip.gp")
	p.AddImm(ESP, 4)
	p.Label("skip.ud")
	p.Inc(EDI)
	p.Store(ESP, 0, ESI)
	p.Iret()
	p.Label(over)
}

// x2APIC enables it, and the APIC.
func (p *Program) x2APIC() {
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.OrImm(EAX, 0xC00)
	p.Op("wrmsr")
	p.wrmsr(msrSVR, 0x1FF)
}

// msrs reads every register of the three ranges and writes back what it read: each
// ends, with a value or with #GP. The counter, the deadline and the ICR are left out.
func msrs(p *Program) {
	p.skipping()
	p.Clear(EDI)
	p.Clear(EBP)
	for _, first := range []uint32{0, 0x4B564D00, 0xC0000000, 0xC0010000} {
		n := uint32(0x2000)
		if first == 0x4B564D00 {
			n = 0x100
		}
		next, skip := p.Local("msr"), p.Local("skip")
		p.Mov(ECX, first)
		p.Label(next)
		p.MovLabel(ESI, skip)
		p.Op("rdmsr")
		p.Inc(EBP)
		p.Op("wrmsr")
		p.Label(skip)
		p.Inc(ECX)
		p.CmpImm(ECX, first+n)
		p.If(NotEqual, next)
	}
	p.Print("readable ")
	p.MovReg(EAX, EBP)
	p.PrintDec()
	p.Print(" refused ")
	p.MovReg(EAX, EDI)
	p.PrintDec()
	p.Print("\n")
	p.Done()
}

// crs sets every single bit of CR0 (but PG, PE and TS), CR4 and EFER for a moment.
func crs(p *Program) {
	p.skipping()
	p.Clear(EDI)
	for bit := range 32 {
		for _, cr := range []byte{0, 4} {
			if cr == 0 && (bit == 0 || bit == 3 || bit == 31) {
				continue
			}
			skip := p.Local("skip")
			p.MovLabel(ESI, skip)
			p.Bytes(0x0F, 0x20, 0xC0|cr<<3) // mov eax, cr
			p.MovReg(EBX, EAX)
			p.OrImm(EAX, 1<<bit)
			p.Bytes(0x0F, 0x22, 0xC0|cr<<3)
			p.Label(skip)
			p.MovReg(EAX, EBX)
			p.Bytes(0x0F, 0x22, 0xC0|cr<<3)
		}
		skip := p.Local("skip")
		p.MovLabel(ESI, skip)
		p.Mov(ECX, 0xC0000080)
		p.Op("rdmsr")
		p.MovReg(EBX, EAX)
		p.OrImm(EAX, 1<<bit)
		p.Op("wrmsr")
		p.Label(skip)
		p.Mov(ECX, 0xC0000080)
		p.MovReg(EAX, EBX)
		p.Clear(EDX)
		p.MovLabel(ESI, skip)
		p.Op("wrmsr")
	}
	p.Print("refused ")
	p.MovReg(EAX, EDI)
	p.PrintDec()
	p.Print("\n")
	p.Done()
}

// storm runs the local APIC's timer with a period of one tick: first with its
// interrupt, until 100 have come, then masked and halted for ever.
func storm(p *Program) {
	p.On(vecTimer, "tick")
	p.x2APIC()
	p.Clear(EDI)
	p.wrmsr(msrLDivide, 0xB)
	p.wrmsr(msrLVTTimer, 0x20000|vecTimer)
	p.wrmsr(msrLInitial, 1)
	p.Op("sti")
	p.Label("wait")
	p.CmpImm(EDI, 100)
	p.If(Below, "wait")
	p.wrmsr(msrLVTTimer, 0x30000|vecTimer)
	p.Print("masked\n")
	p.Label("sleep")
	p.Op("hlt")
	p.Jmp("sleep")
	p.Label("tick")
	p.Push(EAX)
	p.Push(ECX)
	p.Push(EDX)
	p.Inc(EDI)
	p.wrmsr(msrEOI, 0)
	p.Pop(EDX)
	p.Pop(ECX)
	p.Pop(EAX)
	p.Iret()
}

// deadline arms TSC_DEADLINE at the end of time and has to make progress.
func deadline(p *Program) {
	p.x2APIC()
	p.wrmsr(msrLVTTimer, 0x40000|vecTimer)
	p.Mov(ECX, msrTSCDeadline)
	p.Mov(EAX, 0xFFFFFFFF)
	p.Mov(EDX, 0xFFFFFFFF)
	p.Op("wrmsr")
	p.Op("sti")
	p.Repeat(1000, func() { p.Clear(EAX); p.Op("cpuid") })
	p.Done()
}

// selfNMI sends an NMI to itself: it comes before the next instructions are over.
func selfNMI(p *Program) {
	p.On(2, "nmi")
	p.x2APIC()
	p.Clear(EDI)
	for range 3 {
		p.wrmsr(msrICR, 0x4400)
		p.Op("nop")
	}
	p.Print("nmi ")
	p.MovReg(EAX, EDI)
	p.PrintDec()
	p.Print("\n")
	p.Done()
	p.Label("nmi")
	p.Inc(EDI)
	p.Iret()
}

// selfINIT sends an INIT to itself: the machine starts again, for ever.
func selfINIT(p *Program) {
	p.Print("init\n")
	p.x2APIC()
	p.wrmsr(msrICR, 0x4500)
	p.Jmp("stop")
}

// resetStorm resets itself as soon as it runs.
func resetStorm(p *Program) {
	p.Mov(EDX, resetPort)
	p.Mov(EAX, 6)
	p.OutDX(1)
	p.Jmp("stop")
}

// idtHole takes an interrupt through a table that is no memory.
func idtHole(p *Program) {
	p.Print("table in a hole\n")
	p.LIDT("badidt")
	p.Op("int3")
	p.Print("alive\n")
	p.Done()
	p.Label("badidt")
	p.Bytes(0xFF, 0x07)
	p.U32(hole)
}

// stackHole takes an interrupt to a stack that is no memory.
func stackHole(p *Program) {
	p.Print("stack in a hole\n")
	p.Mov(ESP, hole+0x800)
	p.Op("int3")
	p.Jmp("stop")
}

// runIntoHole executes where there is no memory: all ones, which is #UD.
func runIntoHole(p *Program) {
	p.On(6, "ud")
	p.Mov(EAX, hole)
	p.Bytes(0xFF, 0xE0) // jmp eax
	p.Label("ud")
	p.Print("ud\n")
	p.Done()
}

// repHole moves 16 GiB from hole to hole and to a port, each with one instruction.
func repHole(p *Program) {
	p.Print("moving\n")
	p.Label("again")
	p.Mov(ESI, hole)
	p.Mov(EDI, hole+0x1000)
	p.Mov(ECX, 0xFFFFFFFF)
	p.Mov(EDX, 0x80)
	p.Bytes(0xF3, 0x6E) // rep outsb
	p.Mov(ECX, 0xFFFFFFFF)
	p.Bytes(0xF3, 0xA5) // rep movsd
	p.Jmp("again")
}

// step single-steps over instructions that exit: each counts once.
func step(p *Program) {
	p.On(1, "db")
	p.Clear(EDI)
	p.Clear(EAX)
	p.Mov(ECX, 0x1B)
	p.Bytes(0x9C)                                     // pushf
	p.Bytes(0x81, 0x0C, 0x24, 0, 1, 0, 0)             // or dword [esp], TF
	p.Bytes(0x9D)                                     // popf; the next one is the first to be stepped
	p.Op("nop")                                       // 1
	p.Op("cpuid")                                     // 2
	p.Bytes(0xB9, 0x1B, 0, 0, 0)                      // 3: mov ecx, IA32_APIC_BASE
	p.Op("rdmsr")                                     // 4
	p.OutB(0x80)                                      // 5
	p.InB(0x21)                                       // 6
	p.LoadAbs(EAX, hole)                              // 7
	p.Op("wbinvd")                                    // 8
	p.Bytes(0x0F, 0x20, 0xC0)                         // 9: mov eax, cr0
	p.Bytes(0x0F, 0x22, 0xC0)                         // 10: mov cr0, eax
	p.Bytes(0x9C)                                     // 11: pushf
	p.Bytes(0x81, 0x24, 0x24, 0xFF, 0xFE, 0xFF, 0xFF) // 12: and dword [esp], ^TF
	p.Bytes(0x9D)                                     // 13: popf; TF was set when it began
	p.Op("nop")
	p.Print("steps ")
	p.MovReg(EAX, EDI)
	p.PrintDec()
	p.Print("\n")
	p.Done()
	p.Label("db")
	p.Inc(EDI)
	p.Iret()
}

// dbLoop puts a breakpoint on the first instruction of its own handler: #DB for ever
// (CVE-2015-8104 is the same with the delivery itself).
func dbLoop(p *Program) {
	p.On(1, "db")
	p.Print("breakpoint in the handler\n")
	p.MovLabel(EAX, "db")
	p.Bytes(0x0F, 0x23, 0xC0) // mov dr0, eax
	p.Mov(EAX, 0x402)
	p.Bytes(0x0F, 0x23, 0xF8) // mov dr7, eax
	p.Bytes(0xCD, 0x01)       // int 1
	p.Jmp("stop")
	p.Label("db")
	p.Mov(ESP, stackTop)
	p.Jmp("db")
}

// dbStack puts a write breakpoint on the place where the processor pushes the frame
// of #DB.
func dbStack(p *Program) {
	p.On(1, "db")
	p.Print("breakpoint on the stack\n")
	p.Mov(EAX, stackTop-8)
	p.Bytes(0x0F, 0x23, 0xC0)
	p.Mov(EAX, 0xD0402) // write, 4 bytes
	p.Bytes(0x0F, 0x23, 0xF8)
	p.Label("again")
	p.Mov(ESP, stackTop)
	p.Bytes(0xCD, 0x01)
	p.Jmp("again")
	p.Label("db")
	p.Mov(ESP, stackTop)
	p.Jmp("again")
}
