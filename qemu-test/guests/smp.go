package guests

import "basalt/vmkernel/vdev/acpipm"

// Guests with several processors. See smplib.go for what they share.

const (
	vecFlush = 0x45
	vecLevel = 0x46

	pageDir   = 0x30_0000
	pageTable = 0x30_1000
	pageA     = 0x30_2000 // and the next page
	window    = 0x4000_0000

	ringRounds  = 3
	shootRounds = 100
	restarts    = 5
	levels      = 20
)

// smp starts all processors and lets them interrupt each other in every way.
func smp(p *Program) {
	p.On(vecFlush, "flush")
	p.On(vecLevel, "level")
	p.processors()
	p.startOthers()
	p.say("online", "smp.online")

	// Each to each, in turn: first the others are halted, then they spin.
	for mode := range uint32(2) {
		p.StoreImm("smp.mode", mode)
		p.StoreImm("smp.rounds", ringRounds)
		p.StoreImm("smp.turn", 0)
		p.run("ring", "ring")
	}
	// All have got 2*ringRounds*(n-1).
	p.LoadAt(EAX, "smp.ncpu")
	p.Dec(EAX)
	p.Bytes(0x69, 0xC0) // imul eax, eax, imm32
	p.U32(2 * ringRounds)
	p.MovReg(ESI, EAX)
	p.Print("each got ")
	p.PrintDec()
	p.Print("\n")
	p.eachOther(0, func() { p.fact("ipis", func() { p.CmpOf(ESI, "smp.counts", EDI) }) })

	// NMIs: three to each, one to all.
	p.eachOther(1, func() {
		for range 3 {
			p.ping(icrNMI, "smp.nmis")
		}
	})
	p.sendOthers(icrNMI)
	p.eachOther(1, func() {
		p.Mov(EBX, 4)
		wait := p.Local("nmi")
		p.Label(wait)
		p.Op("pause")
		p.CmpOf(EBX, "smp.nmis", EDI)
		p.If(NotEqual, wait)
	})
	p.Mov(EDI, 0)
	p.Clear(EBX)
	p.fact("nmis", func() { p.CmpOf(EBX, "smp.nmis", EDI) }) // none to the sender

	if p.idShift != 0 {
		p.wideIDs()
	}
	p.shootdown()
	p.hog()
	p.restart()
	p.levelLine()

	// A second start-up IPI, or a wrong one, would have counted again.
	p.Mov(EAX, restarts)
	p.fact("starts", func() { p.CmpAt(EAX, "smp.online") })
	p.Done()

	p.ring()
}

// smpWide is smp on processors with the IDs 0, 256, 512 and so on.
func smpWide(p *Program) {
	p.idShift = 8
	smp(p)
}

// wideIDs: CPUID tells of them, and the logical IDs reach them too.
func (p *Program) wideIDs() {
	p.Mov(EAX, 0xB)
	p.Clear(ECX)
	p.Op("cpuid")
	p.fact("shift", func() { p.CmpImm(EAX, uint32(p.idShift)) })
	p.Mov(EAX, 0x4000_0001)
	p.Op("cpuid")
	p.AndImm(EAX, 1<<15)
	p.fact("messages", func() { p.CmpImm(EAX, 1<<15) })
	p.eachOther(0, func() { p.pingBy(p.sendCluster, vecCount, "smp.counts") })
	p.Print("clusters ok\n")
}

// ring is what every processor does: when its turn comes it interrupts each of the
// others and waits until that one has counted.
func (p *Program) ring() {
	p.Label("ring")
	p.Op("cli")
	p.LoadAt(EAX, "smp.turn")
	p.Cmp(EAX, EBP)
	p.If(Equal, "ring.go")
	p.CmpImm(EAX, noCPU)
	p.If(Equal, "ring.end")
	p.LoadAt(EAX, "smp.mode")
	p.Test(EAX, EAX)
	p.If(NotEqual, "ring.spin")
	p.Op("sti")
	p.Op("hlt")
	p.Jmp("ring")
	p.Label("ring.spin")
	p.Op("sti")
	p.Op("pause")
	p.Jmp("ring")
	p.Label("ring.go")
	p.Op("sti")
	p.eachOther(0, func() {
		skip := p.Local("self")
		p.Cmp(EDI, EBP)
		p.If(Equal, skip)
		p.ping(vecCount, "smp.counts")
		p.Label(skip)
	})
	p.MovReg(EAX, EBP)
	p.Inc(EAX)
	p.CmpAt(EAX, "smp.ncpu")
	p.If(NotEqual, "ring.pass")
	p.Clear(EAX)
	p.LoadAt(EBX, "smp.rounds")
	p.Dec(EBX)
	p.StoreAt("smp.rounds", EBX)
	p.Test(EBX, EBX)
	p.If(NotEqual, "ring.pass")
	p.Mov(EAX, noCPU)
	p.Label("ring.pass")
	p.StoreAt("smp.turn", EAX)
	p.sendOthers(vecWake)
	p.Jmp("ring")
	p.Label("ring.end")
	p.Op("sti")
	p.Ret()
}

// shootdown turns paging on and moves a page again and again: after the flush by IPI
// every processor must see the new one.
func (p *Program) shootdown() {
	over := p.Local("over")
	p.Jmp(over)

	p.Label("paging")
	p.Mov(EAX, pageDir)
	p.ToCR(3)
	p.FromCR(4)
	p.OrImm(EAX, 0x10) // PSE
	p.ToCR(4)
	p.FromCR(0)
	p.OrImm(EAX, 0x8000_0000)
	p.ToCR(0)
	p.Ret()

	p.Label("shoot.other")
	p.Clear(ESI)
	p.Label("shoot.wait")
	p.Op("cli")
	p.LoadAt(EBX, "smp.expect")
	p.Cmp(EBX, ESI)
	p.If(NotEqual, "shoot.look")
	p.Op("sti")
	p.Op("hlt")
	p.Jmp("shoot.wait")
	p.Label("shoot.look")
	p.Op("sti")
	p.CmpImm(EBX, noCPU)
	p.If(Equal, "shoot.end")
	p.MovReg(ESI, EBX)
	p.LoadAbs(EAX, window)
	p.Cmp(EAX, EBX)
	p.If(Equal, "shoot.good")
	p.LockInc("smp.stale")
	p.Label("shoot.good")
	p.LockInc("smp.checked")
	p.Jmp("shoot.wait")
	p.Label("shoot.end")
	p.Ret()

	p.Label("shoot.boot")
	p.Mov(ESI, 1)
	p.Label("shoot.next")
	p.MovReg(EDI, ESI)
	p.AndImm(EDI, 1)
	p.Shl(EDI, 12)
	p.AddImm(EDI, pageA)
	p.Store(EDI, 0, ESI)
	p.OrImm(EDI, 3)
	p.StoreAbs(pageTable, EDI)
	p.InvlPg(window)
	p.StoreImm("smp.acks", 0)
	p.sendOthers(vecFlush)
	p.LoadAt(EBX, "smp.ncpu")
	p.Dec(EBX)
	p.spinUntil(EBX, "smp.acks")
	p.StoreImm("smp.checked", 0)
	p.StoreAt("smp.expect", ESI)
	p.sendOthers(vecWake)
	p.spinUntil(EBX, "smp.checked")
	p.Inc(ESI)
	p.CmpImm(ESI, shootRounds+1)
	p.If(NotEqual, "shoot.next")
	p.StoreImm("smp.expect", noCPU)
	p.sendOthers(vecWake)
	p.Ret()

	p.Label("flush")
	p.Pushad()
	p.InvlPg(window)
	p.LockInc("smp.acks")
	p.wrmsr(msrEOI, 0)
	p.Popad()
	p.Iret()

	p.Label(over)
	p.Mov(EBX, pageDir)
	p.Clear(EAX)
	for i := range int32(8) { // 32 MiB as they are
		p.Mov(EAX, uint32(i)<<22|0x83)
		p.Store(EBX, 4*i, EAX)
	}
	p.Mov(EAX, pageTable|3)
	p.Store(EBX, 4*(window>>22), EAX)
	p.Mov(EAX, pageA|3)
	p.StoreAbs(pageTable, EAX)
	p.run("paging", "paging")
	p.run("shoot.other", "shoot.boot")
	p.say("stale", "smp.stale")
}

// hog has processor 1 spin with interrupts off while the others work. Only an NMI, and
// then an INIT, reaches it.
func (p *Program) hog() {
	over := p.Local("over")
	p.Jmp(over)
	p.Label("hog.other")
	p.CmpImm(EBP, 1)
	p.If(Equal, "hog.spin")
	p.Ret()
	p.Label("hog.spin")
	p.Op("cli")
	p.LockInc("smp.acks")
	p.Label("hog.forever")
	p.Jmp("hog.forever")
	p.Label(over)
	p.StoreImm("smp.acks", 0)
	p.StoreImm("smp.finished", 0)
	p.MovLabel(EAX, "hog.other")
	p.StoreAt("smp.what", EAX)
	p.LockInc("smp.job")
	p.sendOthers(vecWake)
	p.Mov(EBX, 1)
	p.spinUntil(EBX, "smp.acks")
	p.eachOther(2, func() {
		for range 5 {
			p.ping(vecCount, "smp.counts")
		}
	})
	p.Mov(EDI, 1)
	p.ping(icrNMI, "smp.nmis")
	p.Print("hog ok\n")
}

// restart sends INIT and start-up IPIs to processor 1 again and again, while it spins
// with interrupts off, and while it is halted.
func (p *Program) restart() {
	p.StoreImm("smp.online", 0)
	p.Mov(ESI, 1)
	p.Label("restart.next")
	p.Mov(EDX, 1)
	p.send(icrINIT)
	p.send(icrStartUp | apPage)
	p.send(icrStartUp | apPage)
	p.spinUntil(ESI, "smp.online")
	p.Inc(ESI)
	p.CmpImm(ESI, restarts+1)
	p.If(NotEqual, "restart.next")
	p.Mov(EDI, 1)
	p.ping(vecCount, "smp.counts")
	p.say("restarted", "smp.online")
}

// levelLine has the UART's interrupt, as a level, go to processor 1: each EOI there
// opens the pin for the next.
func (p *Program) levelLine() {
	over := p.Local("over")
	p.Jmp(over)
	p.Label("level")
	p.Pushad()
	p.Mov(EDX, com1+2)
	p.InDX(1) // reading IIR takes the request back
	p.number()
	p.LockIncOf("level.counts", EAX)
	p.wrmsr(msrEOI, 0)
	p.Popad()
	p.Iret()
	p.Align(4)
	p.Label("level.counts")
	for range 64 {
		p.U32(0)
	}
	p.Label(over)
	// Paging hides the I/O APIC.
	p.FromCR(0)
	p.AndImm(EAX, 0x7FFF_FFFF)
	p.ToCR(0)
	const pin, select_, win = 4, ioapic, ioapic + 0x10
	id := uint32(1) << p.idShift // the upper bits of a wide one are below the lower ones
	for _, w := range [][2]uint32{{0x10 + 2*pin + 1, id&0xFF<<24 | id>>8<<17}, {0x10 + 2*pin, 1<<15 | vecLevel}} {
		p.Mov(EAX, w[0])
		p.StoreAbs(select_, EAX)
		p.Mov(EAX, w[1])
		p.StoreAbs(win, EAX)
	}
	p.Mov(EDX, com1+4)
	p.Mov(EAX, 0xB) // OUT2 opens the interrupt's way
	p.OutDX(1)
	p.Mov(ESI, 1)
	p.Mov(EDI, 1)
	p.Label("level.next")
	for _, ier := range []uint32{2, 0} { // transmitter empty: it is
		p.Mov(EDX, com1+1)
		p.Mov(EAX, ier)
		p.OutDX(1)
		if ier == 0 {
			break
		}
		p.Label("level.wait")
		p.Op("pause")
		p.CmpOf(ESI, "level.counts", EDI)
		p.If(NotEqual, "level.wait")
	}
	p.Inc(ESI)
	p.CmpImm(ESI, levels+1)
	p.If(NotEqual, "level.next")
	p.Print("levels ok\n")
}

// smpReset: one of the others pulls the reset line while all work.
func smpReset(p *Program) {
	p.processors()
	p.startOthers()
	p.say("up", "smp.online")
	p.run("reset.other", "reset.boot")
	p.Jmp("stop")
	p.Label("reset.other")
	p.CmpImm(EBP, 1)
	p.If(NotEqual, "reset.boot")
	p.Mov(EDX, resetPort)
	p.Mov(EAX, 6)
	p.OutDX(1)
	p.Label("reset.boot")
	p.sendOthers(vecCount)
	p.Jmp("reset.boot")
}

// smpOff switches the machine off while the others stand or run: as Linux leaves them,
// halted with interrupts off, halted with interrupts on, or spinning.
func smpOff(p *Program) {
	p.processors()
	p.startOthers()
	p.say("up", "smp.online")
	p.MovLabel(EAX, "off.other")
	p.StoreAt("smp.what", EAX)
	p.LockInc("smp.job")
	p.sendOthers(vecWake)
	p.LoadAt(EBX, "smp.ncpu")
	p.Dec(EBX)
	p.spinUntil(EBX, "smp.acks")
	p.Mov(EDX, acpipm.ControlAt+1)
	p.Mov(EAX, 1<<5|acpipm.S5<<2) // SLP_EN, SLP_TYP
	p.OutDX(1)
	p.Jmp("stop")
	p.Label("off.other")
	p.LockInc("smp.acks")
	p.CmpImm(EBP, 1)
	p.If(Equal, "off.spin")
	p.CmpImm(EBP, 2)
	p.If(Equal, "off.halt")
	p.Op("cli")
	p.Label("off.halt")
	p.Op("hlt")
	p.Jmp("off.halt")
	p.Label("off.spin")
	p.Jmp("off.spin")
}

// smpTriple: one of the others makes a triple fault while all work.
func smpTriple(p *Program) {
	p.processors()
	p.startOthers()
	p.say("up", "smp.online")
	p.run("triple.other", "triple.boot")
	p.Label("triple.other")
	p.CmpImm(EBP, 1)
	p.If(NotEqual, "triple.boot")
	p.LIDT("triple.idt")
	p.Op("ud2")
	p.Label("triple.boot")
	p.sendOthers(vecCount)
	p.Jmp("triple.boot")
	p.Label("triple.idt")
	p.Bytes(0, 0, 0, 0, 0, 0)
}

// smpStorm: every processor interrupts all others without end.
func smpStorm(p *Program) {
	p.processors()
	p.startOthers()
	p.say("up", "smp.online")
	p.run("storm.loop", "storm.loop")
	p.Label("storm.loop")
	p.sendOthers(vecCount)
	p.Jmp("storm.loop")
}

// smpSpin starts all processors, and none of them ever leaves its guest by itself.
func smpSpin(p *Program) {
	p.processors()
	p.startOthers()
	p.Print("spinning\n")
	p.run("smp.forever", "smp.forever")
	p.Label("smp.forever")
	p.Jmp("smp.forever")
}

// smpPause waits in a loop around PAUSE with interrupts off, for ever; the others halt.
func smpPause(p *Program) {
	p.processors()
	p.startOthers()
	p.Print("spinning\n")
	p.Op("cli")
	p.Label("pause.forever")
	p.Op("pause")
	p.Jmp("pause.forever")
}
