package guests

// EmulNoAVX is what the guest says on a processor without AVX or 64-bit code.
const EmulNoAVX = "no avx"

const (
	emulPML4 = 0x21_0000
	emulCS64 = 0x18
	msrEFER  = 0xC000_0080
)

// emul64 is emulRows in 64-bit code: printing and everything but the instruction and
// what is around it runs in compatibility mode.
func emul64(p *Program) {
	pattern := EmulPattern()
	p.Mov(EAX, 1)
	p.Op("cpuid")
	p.AndImm(ECX, 1<<26|1<<28)
	p.CmpImm(ECX, 1<<26|1<<28)
	p.If(Equal, "emul64.start")
	p.Print(EmulNoAVX + "\n")
	p.Done()

	p.Label("emul64.start")
	p.enterLongMode()
	p.Mov(EBX, emulSource)
	for i := range EmulMemory / 4 {
		p.Mov(EAX, uint32(pattern[4*i])|uint32(pattern[4*i+1])<<8|uint32(pattern[4*i+2])<<16|uint32(pattern[4*i+3])<<24)
		p.Store(EBX, int32(4*i), EAX)
	}
	for _, r := range Emul64Rows() {
		for i, in := range Emul64Inputs {
			in = r.Input64(in)
			p.Print(r.Name + "/" + string(rune('0'+i)) + " ")
			p.Call("emul64.prepare")
			in64, out := p.Local("in"), p.Local("out")
			p.FarJmp(emulCS64, in64)
			p.Label(in64)
			p.Bytes(0x68) // push imm32
			p.U32(in.Flags)
			p.Bytes(0x9D) // popfq
			for reg, v := range []uint64{in.RAX, in.RCX, in.RDX, EmulEBX, EmulESP, EmulEBP, EmulESI, EmulEDI} {
				p.Bytes(0x48, 0xB8|byte(reg)) // mov r64, imm64
				p.U32(uint32(v))
				p.U32(uint32(v >> 32))
			}
			p.Bytes(r.Code...)
			for reg := range byte(8) {
				p.Bytes(0x48, 0x89, 0x04|reg<<3, 0x25) // mov [abs32], r64
				p.U32(emulResult + 8*uint32(reg))
			}
			p.Mov(ESP, stackTop)
			p.Bytes(0x9C, 0x58)       // pushfq; pop rax
			p.Bytes(0x89, 0x04, 0x25) // mov [abs32], eax
			p.U32(emulResult + 4*Emul64Flags)
			p.Bytes(0x6A, 8, 0x68) // push 8; push imm32
			p.Addr(out)
			p.Bytes(0x48, 0xCB) // retfq
			p.Label(out)
			p.Call("emul64.capture")
		}
	}
	p.Done()

	ymm := func(reg byte, store bool, addr uint32) {
		op := byte(0x6F)
		if store {
			op = 0x7F
		}
		p.Bytes(0xC5, 0xFE, op, 5|reg<<3) // vmovdqu
		p.U32(addr)
	}
	p.Label("emul64.prepare")
	p.Bytes(0xFC) // cld
	p.Mov(ESI, emulSource)
	p.Mov(EDI, EmulPage)
	p.Mov(ECX, EmulMemory/4)
	p.Bytes(0xF3, 0xA5)
	ymm(0, false, emulSource)
	ymm(1, false, emulSource+32)
	p.Ret()

	p.Label("emul64.capture")
	p.Bytes(0xFC)
	p.Mov(ESI, EmulPage)
	p.Mov(EDI, emulResult+4*Emul64Mem)
	p.Mov(ECX, EmulMemory/4)
	p.Bytes(0xF3, 0xA5)
	ymm(0, true, emulResult+4*Emul64YMM)
	ymm(1, true, emulResult+4*Emul64YMM+32)
	p.printWords(Emul64Words)
	p.Ret()

	p.Align(8)
	p.Label("emul64.gdt")
	p.Bytes(0, 0, 0, 0, 0, 0, 0, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0)
	p.Bytes(0xFF, 0xFF, 0, 0, 0, 0x9B, 0xAF, 0) // 64-bit code
	p.Label("emul64.gdtr")
	p.Bytes(31, 0)
	p.Addr("emul64.gdt")
}

// enterLongMode maps the first 8 MiB where they are, turns SSE and AVX on and goes to
// compatibility mode (SDM Vol. 3A, 10.8.5; Vol. 1, 13.3).
func (p *Program) enterLongMode() {
	entry := func(at, v uint32) {
		p.Mov(EAX, v)
		p.StoreAbs(at, EAX)
		p.Clear(EAX)
		p.StoreAbs(at+4, EAX)
	}
	p.Bytes(0xFC)
	p.Clear(EAX)
	p.Mov(EDI, emulPML4)
	p.Mov(ECX, 3*1024)
	p.Bytes(0xF3, 0xAB) // rep stosd
	entry(emulPML4, emulPML4+0x1000|3)
	entry(emulPML4+0x1000, emulPML4+0x2000|3)
	for i := range uint32(4) {
		entry(emulPML4+0x2000+8*i, i<<21|0x83)
	}
	p.Mov(EAX, emulPML4)
	p.Bytes(0x0F, 0x22, 0xD8) // mov cr3, eax
	p.Bytes(0x0F, 0x20, 0xE0)
	p.OrImm(EAX, 1<<5|1<<9|1<<10|1<<18) // PAE OSFXSR OSXMMEXCPT OSXSAVE
	p.Bytes(0x0F, 0x22, 0xE0)
	p.Clear(ECX)
	p.Clear(EDX)
	p.Mov(EAX, 7)
	p.Bytes(0x0F, 0x01, 0xD1) // xsetbv
	p.Mov(ECX, msrEFER)
	p.Op("rdmsr")
	p.OrImm(EAX, 1<<8) // LME
	p.Op("wrmsr")
	p.Bytes(0x0F, 0x20, 0xC0) // mov eax, cr0
	p.OrImm(EAX, 1<<31)
	p.Bytes(0x0F, 0x22, 0xC0)
	p.LGDT("emul64.gdtr")
	flushed := p.Local("compat")
	p.FarJmp(8, flushed)
	p.Label(flushed)
	p.Mov(EAX, 16)
	p.SetSegments()
}
