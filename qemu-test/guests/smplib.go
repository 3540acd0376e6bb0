package guests

// What guests with several processors share. EBP is the number of the processor in all
// code but handlers: its x2APIC ID, shifted by Program.idShift.

const (
	msrX2APICID = 0x802

	apPage = 8 // start-up vector: real mode at 0x8000

	icrOthers  = 3 << 18
	icrLogical = 1 << 11
	icrNMI     = 0x4400
	icrINIT    = 0x4500
	icrStartUp = 0x4600

	vecCount = 0x43 // counts[number]++
	vecWake  = 0x44 // ends a HLT

	noCPU = 0xFF // in turn: nobody's
)

// processors prepares the boot processor: x2APIC mode, the page where the others
// start, and their number in ncpu. What they do after their start is to wait for jobs.
func (p *Program) processors() {
	p.On(2, "smp.nmi")
	p.On(vecCount, "smp.count")
	p.On(vecWake, "smp.wake")
	over := p.Local("over")
	p.Jmp(over)

	size := p.trampoline("smp.ap")

	p.Label("smp.ap")
	p.Mov(EAX, 16)
	p.SetSegments()
	p.LIDT("idtr")
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.OrImm(EAX, 0xC00)
	p.Op("wrmsr")
	p.number()
	p.MovReg(EBP, EAX)
	p.Shl(EAX, 12)
	p.Mov(ESP, stackTop)
	p.Sub(ESP, EAX)
	p.wrmsr(msrSVR, 0x1FF)
	p.LoadAt(ESI, "smp.job")
	p.LockInc("smp.online")
	// One job after the other; halted between them.
	p.Label("smp.idle")
	p.Op("cli")
	p.CmpAt(ESI, "smp.job")
	p.If(NotEqual, "smp.work")
	p.Op("sti")
	p.Op("hlt")
	p.Jmp("smp.idle")
	p.Label("smp.work")
	p.Op("sti")
	p.LoadAt(ESI, "smp.job")
	p.Push(ESI)
	p.CallAt("smp.what")
	p.Pop(ESI)
	p.LockInc("smp.finished")
	p.Jmp("smp.idle")

	// Handlers count for their processor.
	for _, h := range []struct {
		label, counter string
		eoi            bool
	}{{"smp.nmi", "smp.nmis", false}, {"smp.count", "smp.counts", true}, {"smp.wake", "smp.wakes", true}} {
		p.Label(h.label)
		p.Pushad()
		p.number()
		p.LockIncOf(h.counter, EAX)
		if h.eoi {
			p.wrmsr(msrEOI, 0)
		}
		p.Popad()
		p.Iret()
	}

	p.Align(4)
	for _, w := range []string{"smp.ncpu", "smp.online", "smp.job", "smp.what", "smp.finished", "smp.turn", "smp.mode", "smp.rounds",
		"smp.acks", "smp.expect", "smp.stale", "smp.checked"} {
		p.Label(w)
		p.U32(0)
	}
	for _, w := range []string{"smp.counts", "smp.nmis", "smp.wakes"} {
		p.Label(w)
		for range 64 {
			p.U32(0)
		}
	}

	p.Label(over)
	if p.idShift == 0 {
		p.Mov(EAX, 1)
		p.Op("cpuid")
		p.Shr(EBX, 16)
		p.AndImm(EBX, 0xFF)
	} else { // which counts IDs there
		p.Mov(EAX, 0xB)
		p.Mov(ECX, 1)
		p.Op("cpuid")
	}
	p.StoreAt("smp.ncpu", EBX)
	p.x2APIC()
	p.copyTrampoline(size)
	p.Clear(EBP)
	p.Op("sti")
}

// trampoline is what a start-up IPI starts, at "smp.tramp", to be copied to apPage: from
// real mode to protected mode with the boot processor's GDT, and to the label. It gives
// its size in bytes.
func (p *Program) trampoline(to string) uint32 {
	p.Label("smp.tramp")
	p.Bytes(0xFA)                         // cli
	p.Bytes(0x8C, 0xC8, 0x8E, 0xD8)       // mov ax, cs; mov ds, ax
	at := p.Here()                        // fixed below: lgdt [gdtr - tramp]
	p.Bytes(0x0F, 0x01, 0x16, 0, 0)       //
	p.Bytes(0x0F, 0x20, 0xC0, 0x0C, 0x01) // mov eax, cr0; or al, 1
	p.Bytes(0x0F, 0x22, 0xC0)             // mov cr0, eax
	p.Bytes(0x66, 0xEA)                   // jmp 8:to
	p.Addr(to)
	p.Bytes(8, 0)
	off := p.Here() - p.labels["smp.tramp"]
	p.code[at-p.org+3], p.code[at-p.org+4] = byte(off), byte(off>>8)
	p.Bytes(23, 0)
	p.Addr("gdt")
	return p.Here() - p.labels["smp.tramp"]
}

// copyTrampoline puts it where the start-up IPI looks for it.
func (p *Program) copyTrampoline(size uint32) {
	p.MovLabel(ESI, "smp.tramp")
	p.Mov(EDI, apPage<<12)
	p.Mov(ECX, size)
	p.Bytes(0xF3, 0xA4) // rep movsb
}

// number has the processor's own number in EAX. It changes ECX and EDX.
func (p *Program) number() {
	p.Mov(ECX, msrX2APICID)
	p.Op("rdmsr")
	if p.idShift != 0 {
		p.Shr(EAX, p.idShift)
	}
}

// send writes the ICR: low to the processor whose number is in EDX. It changes EAX and
// ECX.
func (p *Program) send(low uint32) {
	if p.idShift != 0 {
		p.Push(EDX)
		p.Shl(EDX, p.idShift)
	}
	p.icr(low)
	if p.idShift != 0 {
		p.Pop(EDX)
	}
}

// icr is send to the destination in EDX.
func (p *Program) icr(low uint32) {
	p.Mov(ECX, msrICR)
	p.Mov(EAX, low)
	p.Op("wrmsr")
}

// sendCluster is send by the logical ID, of processors whose IDs are in clusters of their
// own.
func (p *Program) sendCluster(low uint32) {
	p.Shl(EDX, p.idShift-4+16)
	p.OrImm(EDX, 1)
	p.icr(low | icrLogical)
}

// sendOthers is send to all others.
func (p *Program) sendOthers(low uint32) {
	p.Clear(EDX)
	p.send(low | icrOthers)
}

// spinUntil waits for [label] to be what reg has, without giving the processor away.
func (p *Program) spinUntil(reg Reg, label string) {
	again, end := p.Local("spin"), p.Local("spun")
	p.Label(again)
	p.CmpAt(reg, label)
	p.If(Equal, end)
	p.Op("pause")
	p.Jmp(again)
	p.Label(end)
}

// startOthers starts all others and waits until they are there.
func (p *Program) startOthers() {
	p.sendOthers(icrINIT)
	p.sendOthers(icrStartUp | apPage)
	p.sendOthers(icrStartUp | apPage)
	p.LoadAt(EBX, "smp.ncpu")
	p.Dec(EBX)
	p.spinUntil(EBX, "smp.online")
}

// run has the routine done by all others and, if by is not empty, that one by the boot
// processor, and waits until all have returned.
func (p *Program) run(routine, by string) {
	p.StoreImm("smp.finished", 0)
	p.MovLabel(EAX, routine)
	p.StoreAt("smp.what", EAX)
	p.LockInc("smp.job")
	p.sendOthers(vecWake)
	if by != "" {
		p.Call(by)
	}
	p.LoadAt(EBX, "smp.ncpu")
	p.Dec(EBX)
	p.spinUntil(EBX, "smp.finished")
}

// ping sends low to the processor in EDI and waits until counter[EDI] moves.
func (p *Program) ping(low uint32, counter string) { p.pingBy(p.send, low, counter) }

// pingBy is ping by send or sendCluster.
func (p *Program) pingBy(send func(uint32), low uint32, counter string) {
	again, end := p.Local("ping"), p.Local("pong")
	p.LoadOf(EBX, counter, EDI)
	p.MovReg(EDX, EDI)
	send(low)
	p.Label(again)
	p.CmpOf(EBX, counter, EDI)
	p.If(NotEqual, end)
	p.Op("pause")
	p.Jmp(again)
	p.Label(end)
}

// eachOther runs body with EDI going from first to the last processor.
func (p *Program) eachOther(first uint32, body func()) {
	again, end := p.Local("each"), p.Local("each")
	p.Mov(EDI, first)
	p.Label(again)
	p.CmpAt(EDI, "smp.ncpu")
	p.If(NotBelow, end)
	body()
	p.Inc(EDI)
	p.Jmp(again)
	p.Label(end)
}

// say prints the word at label in decimal behind a text.
func (p *Program) say(text, label string) {
	p.Print(text + " ")
	p.LoadAt(EAX, label)
	p.PrintDec()
	p.Print("\n")
}

// fact prints text and "ok", or "wrong" unless the last comparison was equal.
func (p *Program) fact(text string, compare func()) {
	bad, end := p.Local("bad"), p.Local("end")
	compare()
	p.If(NotEqual, bad)
	p.Print(text + " ok\n")
	p.Jmp(end)
	p.Label(bad)
	p.Print(text + " wrong\n")
	p.Label(end)
}
