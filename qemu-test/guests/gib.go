package guests

// Gib touches the second GiB of its memory, and then reads and writes again what it
// touched, for ever:
//
//	pass 256 bad 0
//
// By then a host may have mapped all of it by one entry of its nested table.
const (
	gibAt   = 1 << 30
	gibStep = 1 << 20 // two in a frame
)

// GibMiB is the memory that the guest needs, in MiB.
const GibMiB = 2048

func gib(p *Program) {
	p.Print("touching\n")
	each := func(label string, do func()) {
		p.Mov(EDI, gibAt)
		p.Label(label)
		do()
		p.AddImm(EDI, gibStep)
		p.CmpImm(EDI, 2*gibAt)
		p.If(NotEqual, label)
	}
	each("touch", func() { p.Store(EDI, 0, EDI) })
	p.Clear(EBP) // passes
	p.Clear(EBX) // what was wrong
	p.Label("pass")
	each("look", func() {
		p.MovReg(EDX, EDI)
		p.Add(EDX, EBP)
		p.Load(EAX, EDI, 0)
		p.Cmp(EAX, EDX)
		p.If(Equal, "good")
		p.Inc(EBX)
		p.Label("good")
		p.Inc(EDX)
		p.Store(EDI, 0, EDX)
	})
	p.Inc(EBP)
	p.MovReg(EAX, EBP)
	p.AndImm(EAX, 0xFF)
	p.If(NotEqual, "pass")
	p.Print("pass ")
	p.MovReg(EAX, EBP)
	p.PrintDec()
	p.Print(" bad ")
	p.MovReg(EAX, EBX)
	p.PrintDec()
	p.Print("\n")
	p.Jmp("pass")
}
