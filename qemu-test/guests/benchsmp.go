package guests

const vecTimed = 0x47

// benchIPI times interrupts from the boot processor to processor 1, from the sender's
// RDTSC before the write of ICR to the first instruction of the handler, as sums. With
// apart the two have host processors of their own: the target runs in a loop, or is
// halted, and the sender spins. Otherwise they share one: the target is halted, and
// the sender halts too, or it would keep the processor for its slice.
func benchIPI(apart bool) func(p *Program) {
	return func(p *Program) {
		const n = 500
		p.On(vecTimed, "timed")
		p.processors()
		p.startOthers()
		p.Print("bench begin\n")
		if apart {
			p.run("target", "sender")
			p.LoadAt(EAX, "bench.sum")
			p.row("ipi_running", n)
			p.StoreImm("bench.sum", 0)
			p.Call("sender")
			p.LoadAt(EAX, "bench.sum")
			p.row("ipi_halted", n)
		} else {
			p.Call("sleeper")
			p.LoadAt(EAX, "bench.sum")
			p.row("ipi_switch", n)
		}
		p.Print("bench end\n")
		p.Done()

		p.Label("target")
		p.LoadAt(EAX, "bench.over")
		p.Test(EAX, EAX)
		p.If(Equal, "target")
		p.Ret()

		one := func(wait func()) {
			p.Op("cli")
			p.StoreImm("bench.at", 0)
			p.Op("rdtsc")
			p.MovReg(ESI, EAX)
			p.Mov(EDX, 1)
			p.send(vecTimed)
			wait()
			p.LoadAt(EAX, "bench.at")
			p.Sub(EAX, ESI)
			p.LoadAt(EBX, "bench.sum")
			p.Add(EBX, EAX)
			p.StoreAt("bench.sum", EBX)
			p.Mov(EBX, 3000) // the target gets back to where it was
			again := p.Local("pause")
			p.Label(again)
			p.Dec(EBX)
			p.If(NotEqual, again)
		}
		until := func(idle func()) {
			again, end := p.Local("wait"), p.Local("there")
			p.Label(again)
			p.Op("cli")
			p.LoadAt(EAX, "bench.at")
			p.Test(EAX, EAX)
			p.If(NotEqual, end)
			idle()
			p.Jmp(again)
			p.Label(end)
			p.Op("sti")
		}
		p.Label("sender")
		p.Push(EBP)
		p.Repeat(n, func() { one(func() { until(func() { p.Op("sti") }) }) })
		p.LockInc("bench.over")
		p.Pop(EBP)
		p.Ret()
		p.Label("sleeper")
		p.Push(EBP)
		p.Repeat(n, func() { one(func() { until(func() { p.Op("sti"); p.Op("hlt") }) }) })
		p.Pop(EBP)
		p.Ret()

		p.Label("timed")
		p.Pushad()
		p.Op("rdtsc")
		p.OrImm(EAX, 1) // 0 is none
		p.StoreAt("bench.at", EAX)
		p.wrmsr(msrEOI, 0)
		if !apart {
			p.Clear(EDX)
			p.send(vecWake)
		}
		p.Popad()
		p.Iret()
		p.Align(4)
		for _, w := range []string{"bench.at", "bench.sum", "bench.over"} {
			p.Label(w)
			p.U32(0)
		}
	}
}
