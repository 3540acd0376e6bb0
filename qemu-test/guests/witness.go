package guests

import "fmt"

// The witness is the neighbour of an attacker: it fills memory with a pattern, and then
// hashes it again and again, for ever:
//
//	hash 1 6ba5e8f3
//
// A page that anybody else wrote to, or that is no longer the one that it was, changes
// the number.
const (
	witnessAt    = 0x0020_0000
	witnessWords = 0x0040_0000 // 16 MiB
	witnessMul   = 1664525
	witnessAdd   = 1013904223
)

// WitnessMiB is the memory that the guest needs, in MiB.
const WitnessMiB = 24

// WitnessHash is what it has to say each time, in hexadecimal.
func WitnessHash() string {
	var h, v uint32 = 0, 1
	for range witnessWords {
		v = v*witnessMul + witnessAdd
		h = (h<<5 | h>>27) + v
	}
	return fmt.Sprintf("%08x", h)
}

func witness(p *Program) {
	p.Print("witness\n")
	p.Mov(EDI, witnessAt)
	p.Mov(ECX, witnessWords)
	p.Mov(EAX, 1)
	p.Label("fill")
	p.Bytes(0x69, 0xC0) // imul eax, eax, imm32
	p.U32(witnessMul)
	p.AddImm(EAX, witnessAdd)
	p.Store(EDI, 0, EAX)
	p.AddImm(EDI, 4)
	p.Dec(ECX)
	p.If(NotEqual, "fill")
	p.Clear(EBP)
	p.Label("hash")
	p.Inc(EBP)
	p.Mov(ESI, witnessAt)
	p.Mov(ECX, witnessWords)
	p.Clear(EAX)
	p.Label("hash.next")
	p.Rol(EAX, 5)
	p.Load(EDX, ESI, 0)
	p.Add(EAX, EDX)
	p.AddImm(ESI, 4)
	p.Dec(ECX)
	p.If(NotEqual, "hash.next")
	p.MovReg(EBX, EAX)
	p.Print("hash ")
	p.MovReg(EAX, EBP)
	p.PrintDec()
	p.Print(" ")
	p.MovReg(EAX, EBX)
	p.PrintHex()
	p.Print("\n")
	p.Jmp("hash")
}
