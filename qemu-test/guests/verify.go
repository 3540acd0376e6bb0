package guests

// verify fills memory with a sequence that depends on the round and reads it back,
// for ever, and says every fourth round. It stops when a word is not what it was, or
// when the counter has gone back: a machine that is saved and restored under it must
// lose neither.
func verify(p *Program) {
	const (
		base  = 0x40_0000
		words = 128 << 10
	)
	// each does body for every word: EDI is its address, EAX what it holds.
	each := func(label string, body func()) {
		p.Mov(EDI, base)
		p.MovReg(EAX, EBX)
		p.Mov(ECX, words)
		p.Label(label)
		body()
		p.AddImm(EAX, 0x9E37_79B9)
		p.Rol(EAX, 7)
		p.AddImm(EDI, 4)
		p.Dec(ECX)
		p.If(NotEqual, label)
	}
	p.Print("verifying\n")
	p.Clear(EBX)
	p.Label("verify.round")
	each("verify.fill", func() { p.Store(EDI, 0, EAX) })
	each("verify.check", func() {
		p.Load(EDX, EDI, 0)
		p.Cmp(EDX, EAX)
		p.If(NotEqual, "verify.lost")
	})
	p.Op("rdtsc")
	p.MovReg(ESI, EAX)
	p.MovReg(EBP, EDX)
	p.LoadAt(ECX, "verify.low")
	p.Sub(ESI, ECX)
	p.LoadAt(ECX, "verify.high")
	p.Sbb(EBP, ECX)
	p.If(Below, "verify.back")
	p.StoreAt("verify.low", EAX)
	p.StoreAt("verify.high", EDX)
	p.Inc(EBX)
	p.MovReg(EAX, EBX)
	p.AndImm(EAX, 3)
	p.If(NotEqual, "verify.round")
	p.Print("round ")
	p.MovReg(EAX, EBX)
	p.PrintDec()
	p.Print("\n")
	p.Jmp("verify.round")
	p.Label("verify.lost")
	p.Print("lost at ")
	p.MovReg(EAX, EDI)
	p.PrintHex()
	p.Print("\n")
	p.Done()
	p.Label("verify.back")
	p.Print("counter went back\n")
	p.Done()
	p.Label("verify.low")
	p.U32(0)
	p.Label("verify.high")
	p.U32(0)
}
