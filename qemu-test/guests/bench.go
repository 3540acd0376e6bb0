package guests

// The bench guest times every kind of exit with RDTSC and prints a line
//
//	name count tsc
//
// for each, tsc being the counter's difference for all of count, the empty loop
// included (see the row "nothing"). Rows whose hardware is missing are left out.

const (
	msrAPICBase    = 0x1B
	msrTSCDeadline = 0x6E0
	msrEOI         = 0x80B
	msrSVR         = 0x80F
	msrTPR         = 0x808
	msrLVTTimer    = 0x832
	msrSelfIPI     = 0x83F

	vecIPI   = 0x41
	vecTimer = 0x42

	hpetCounter = 0xFED0_00F0
	hole        = 0xFEF0_0000
	ioapic      = 0xFEC0_0000
	lapicID     = 0xFEE0_0020
	lapicTPR    = 0xFEE0_0080

	touch4K = 0x0400_0000 // in RAM: the guest needs 128 MiB
	touch2M = 0x0500_0000
)

// timed prints the time of n runs of body, which must keep EBP, ESI and EDI.
func (p *Program) timed(name string, n uint32, body func()) {
	p.Op("rdtsc")
	p.MovReg(ESI, EAX)
	p.Repeat(n, body)
	p.Op("rdtsc")
	p.Sub(EAX, ESI)
	p.row(name, n)
}

// row prints name, count and EAX.
func (p *Program) row(name string, n uint32) {
	p.Print(name + " " + dec(n) + " ")
	p.PrintDec()
	p.Print("\n")
}

func dec(n uint32) string {
	if n < 10 {
		return string([]byte{'0' + byte(n)})
	}
	return dec(n/10) + dec(n%10)
}

// wrmsr writes the constant v to an MSR.
func (p *Program) wrmsr(msr, v uint32) {
	p.Mov(ECX, msr)
	p.Mov(EAX, v)
	p.Clear(EDX)
	p.Op("wrmsr")
}

func bench(p *Program) {
	const n = 2000
	p.On(vecIPI, "ipi")
	p.On(vecTimer, "timer")
	p.Print("bench begin\n")
	// What the host still has to do for the machine's start is over then.
	p.Repeat(5000, func() { p.Clear(EAX); p.Op("cpuid") })

	p.timed("nothing", n, func() {})
	p.timed("cpuid", n, func() { p.Clear(EAX); p.Op("cpuid") })
	p.hypercalls(n)
	p.timed("out80", n, func() { p.OutB(0x80) })
	p.timed("out_uart", n, func() { p.Mov(EDX, com1+7); p.OutDX(1) })
	p.timed("in21", n, func() { p.InB(0x21) })
	p.timed("mmio_hpet", n, func() { p.LoadAbs(EAX, hpetCounter) })
	p.timed("mmio_hole", n, func() { p.LoadAbs(EAX, hole) })
	p.timed("mmio_ioapic", n, func() { p.LoadAbs(EAX, ioapic) })
	p.timed("mmio_lapic", n, func() { p.LoadAbs(EAX, lapicID) })
	p.x2apic(n)
	p.timed("touch_4k", 512, func() { p.touch(touch4K, 12) })
	p.timed("touch_2m", 16, func() { p.touch(touch2M, 21) })
	p.Print("bench end\n")
	p.Done()

	p.Label("ipi")
	p.Op("rdtsc")
	p.MovReg(EBX, EAX)
	p.wrmsr(msrEOI, 0)
	p.Iret()
	p.Label("timer")
	p.Op("rdtsc")
	p.MovReg(EBX, EAX)
	p.MovReg(EDI, EDX)
	p.wrmsr(msrEOI, 0)
	p.Iret()
}

// touch writes to the page of 1<<shift bytes with the number EBP-1.
func (p *Program) touch(base uint32, shift byte) {
	p.MovReg(EAX, EBP)
	p.Dec(EAX)
	p.Bytes(0xC1, 0xE0, shift) // shl eax, shift
	p.AddImm(EAX, base)
	p.Store(EAX, 0, EAX)
}

// hypercalls times the vendor's own instruction: the other one is undefined.
func (p *Program) hypercalls(n uint32) {
	p.Clear(EAX)
	p.Op("cpuid")
	p.CmpImm(EBX, 0x756E6547) // "Genu"
	p.If(Equal, "hyper.intel")
	p.timed("hypercall", n, func() { p.Mov(EAX, 0x7FFF_FFF0); p.Op("vmmcall") })
	p.Jmp("hyper.end")
	p.Label("hyper.intel")
	p.timed("hypercall", n, func() { p.Mov(EAX, 0x7FFF_FFF0); p.Op("vmcall") })
	p.Label("hyper.end")
}

// x2apic times what goes through the local APIC in x2APIC mode.
func (p *Program) x2apic(n uint32) {
	p.Mov(EAX, 1)
	p.Op("cpuid")
	p.AndImm(ECX, 1<<21)
	p.If(Equal, "x2.end")
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.OrImm(EAX, 0xC00)
	p.Op("wrmsr")
	p.wrmsr(msrSVR, 0x1FF)
	p.wrmsr(msrTPR, 0)

	p.timed("x2apic_eoi", n, func() { p.wrmsr(msrEOI, 0) })

	// Self-IPI: the sum over n of handler time minus send time.
	p.Clear(EDI)
	p.Op("sti")
	p.Repeat(n, func() {
		p.Clear(EBX)
		p.Op("rdtsc")
		p.MovReg(ESI, EAX)
		p.wrmsr(msrSelfIPI, vecIPI)
		wait := p.Local("ipi")
		p.Label(wait)
		p.Test(EBX, EBX)
		p.If(Equal, wait)
		p.Sub(EBX, ESI)
		p.Add(EDI, EBX)
	})
	p.MovReg(EAX, EDI)
	p.row("self_ipi", n)

	p.Mov(EAX, 1)
	p.Op("cpuid")
	p.AndImm(ECX, 1<<24)
	p.If(Equal, "x2.end")
	p.wrmsr(msrLVTTimer, 2<<17|vecTimer)
	p.timed("tsc_deadline", n, func() { // far in the future: never fires
		p.Op("rdtsc")
		p.AddImm(EDX, 1000)
		p.Mov(ECX, msrTSCDeadline)
		p.Op("wrmsr")
	})
	p.wrmsr(msrTSCDeadline, 0)

	// HLT with a deadline 100,000 ticks ahead: how late the handler is.
	const ahead, rounds = 100_000, 200
	p.Op("cli")
	p.Clear(EDI)
	p.StoreAt("late", EDI)
	p.Repeat(rounds, func() {
		p.Op("rdtsc")
		p.AddImm(EAX, ahead)
		p.Bytes(0x83, 0xD2, 0) // adc edx, 0
		p.MovReg(ESI, EAX)
		p.Mov(ECX, msrTSCDeadline)
		p.Op("wrmsr")
		p.Op("sti")
		p.Op("hlt")
		p.Op("cli")
		p.Sub(EBX, ESI)
		p.LoadAt(EAX, "late")
		p.Add(EAX, EBX)
		p.StoreAt("late", EAX)
	})
	p.LoadAt(EAX, "late")
	p.row("hlt_late", rounds)
	p.Label("x2.end")
	p.Jmp("x2.past")
	p.Align(4)
	p.Label("late")
	p.U32(0)
	p.Label("x2.past")
}
