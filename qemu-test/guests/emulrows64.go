package guests

// Words of a result in 64-bit code: the general registers in their order, two words
// each, flags, memory, YMM0 and YMM1.
const (
	Emul64Flags = 16
	Emul64Mem   = 17
	Emul64YMM   = Emul64Mem + EmulMemory/4
	Emul64Words = Emul64YMM + 16
)

// Emul64Input is the state before an instruction in 64-bit code.
type Emul64Input struct {
	RAX, RCX, RDX uint64
	Flags         uint32
}

// Emul64Inputs: as EmulInputs. The second finds equal where 8 bytes are compared.
var Emul64Inputs = []Emul64Input{
	{0x8f7f00ff_7fffffff, 3, 0x7fffffff_ffffffff, 0x002},
	{0x11223344_ddeeff80, 0xffffffff_ffffffe1, 0x80000000_80000001, 0xcd7},
}

// Input is the input as the row gets it: a REP must stay within the page.
func (r EmulRow) Input64(in Emul64Input) Emul64Input {
	if r.Code[0] == 0xF2 || r.Code[0] == 0xF3 {
		in.RCX &= 3
	}
	return in
}

// Emul64Rows are the instructions that only 64-bit code has, and those with vector
// registers of 32 bytes.
func Emul64Rows() (rows []EmulRow) {
	add := func(undefined uint32, name string, code ...byte) {
		rows = append(rows, EmulRow{name, code, undefined})
	}
	for i, n := range []string{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"} {
		op, und := byte(i<<3), uint32(0)
		if n == "or" || n == "and" || n == "xor" {
			und = flagAF
		}
		add(und, n+" [rbx],rdx", 0x48, op|1, 0x13)
		add(und, n+" rax,[rbx]", 0x48, op|3, 0x03)
		add(und, n+" eax,[rbx]", op|3, 0x03)
		add(und, n+" [rbx],sil", 0x40, op, 0x33)
		add(und, n+" qword[rbx],-2", 0x48, 0x83, 0x03|op, 0xfe)
		add(und, n+" qword[rbx],80000001", 0x48, 0x81, 0x03|op, 1, 0, 0, 0x80)
		if n != "cmp" {
			add(und, "lock "+n+" [rbx],rax", 0xf0, 0x48, op|1, 0x03)
		}
	}
	add(flagAF, "test [rbx],rax", 0x48, 0x85, 0x03)
	add(flagAF, "test qword[rbx],imm", 0x48, 0xf7, 0x03, 0, 0, 0, 0x80)
	add(0, "not qword[rbx]", 0x48, 0xf7, 0x13)
	add(0, "neg qword[rbx]", 0x48, 0xf7, 0x1b)
	add(0, "inc qword[rbx]", 0x48, 0xff, 0x03)
	add(0, "lock dec qword[rbx]", 0xf0, 0x48, 0xff, 0x0b)
	add(0, "xchg [rbx],rdx", 0x48, 0x87, 0x13)
	add(0, "xchg [rbx],edx", 0x87, 0x13)
	add(0, "lock xadd [rbx],rdx", 0xf0, 0x48, 0x0f, 0xc1, 0x13)
	add(0, "xadd [rbx],edx", 0x0f, 0xc1, 0x13)
	add(0, "lock cmpxchg [rbx],rdx", 0xf0, 0x48, 0x0f, 0xb1, 0x13)
	add(0, "cmpxchg8b [rbx]", 0x0f, 0xc7, 0x0b)
	add(0, "lock cmpxchg16b [rbx]", 0xf0, 0x48, 0x0f, 0xc7, 0x0b)
	for i, n := range []string{"bt", "bts", "btr", "btc"} {
		add(flagsBT, n+" [rbx],rcx", 0x48, 0x0f, 0xa3|byte(i<<3), 0x0b)
		add(flagsBT, n+" qword[rbx],63", 0x48, 0x0f, 0xba, 0x23|byte(i<<3), 63)
	}
	add(0, "mov [rbx],rdx", 0x48, 0x89, 0x13)
	add(0, "mov [rbx],dil", 0x40, 0x88, 0x3b)
	add(0, "mov [rbx],dh", 0x88, 0x33)
	add(0, "mov rax,[rbx]", 0x48, 0x8b, 0x03)
	add(0, "mov eax,[rbx]", 0x8b, 0x03)
	add(0, "mov bpl,[rbx]", 0x40, 0x8a, 0x2b)
	add(0, "mov qword[rbx],-imm", 0x48, 0xc7, 0x03, 1, 2, 3, 0x84)
	add(0, "mov rax,[rbx+rbp*4-20]", 0x48, 0x8b, 0x84, 0xab, 0xec, 0xff, 0xff, 0xff)
	add(0, "mov rax,[rbx-16] disp32", 0x48, 0x8b, 0x83, 0xf0, 0xff, 0xff, 0xff)
	add(0, "mov rax,[moffs64]", 0x48, 0xa1, 16, 0, 0x30, 0, 0, 0, 0, 0)
	add(0, "mov [moffs64],eax", 0xa3, 16, 0, 0x30, 0, 0, 0, 0, 0)
	add(0, "mov rax,[abs32]", 0x48, 0x8b, 0x04, 0x25, 16, 0, 0x30, 0)
	add(0, "mov rax,[ebx]", 0x67, 0x48, 0x8b, 0x03)
	add(0, "movnti [rbx],rdx", 0x48, 0x0f, 0xc3, 0x13)
	add(0, "movzx rax,byte[rbx]", 0x48, 0x0f, 0xb6, 0x03)
	add(0, "movzx edx,word[rbx]", 0x0f, 0xb7, 0x13)
	add(0, "movsx rax,byte[rbx]", 0x48, 0x0f, 0xbe, 0x03)
	add(0, "movsx edx,word[rbx]", 0x0f, 0xbf, 0x13)
	add(0, "movsxd rax,[rbx]", 0x48, 0x63, 0x03)
	add(0, "movbe rax,[rbx]", 0x48, 0x0f, 0x38, 0xf0, 0x03)
	add(0, "movbe [rbx],rdx", 0x48, 0x0f, 0x38, 0xf1, 0x13)
	add(0, "push [rbx]", 0xff, 0x33)
	add(0, "push word[rbx]", 0x66, 0xff, 0x33)
	add(0, "push rdx", 0x52)
	add(0, "push -16", 0x68, 0xf0, 0xff, 0xff, 0xff)
	add(0, "pop [rbx]", 0x8f, 0x03)
	add(0, "pop rax", 0x58)
	add(0, "pop [rsp-16]", 0x8f, 0x44, 0x24, 0xf0)
	for _, s := range []struct {
		name string
		op   byte
	}{{"movs", 0xa5}, {"cmps", 0xa7}, {"stos", 0xab}, {"lods", 0xad}, {"scas", 0xaf}} {
		add(0, s.name+"q", 0x48, s.op)
		add(0, "rep "+s.name+"q", 0xf3, 0x48, s.op)
		add(0, "repne "+s.name+"d", 0xf2, s.op)
		add(0, "rep a32 "+s.name+"b", 0xf3, 0x67, s.op&^1)
	}
	for _, v := range []struct {
		name string
		code []byte
	}{
		{"movq xmm1,[rbx]", []byte{0x66, 0x48, 0x0f, 0x6e, 0x0b}}, {"movq [rbx],xmm1", []byte{0x66, 0x48, 0x0f, 0x7e, 0x0b}},
		{"movups xmm1,[rbx]", []byte{0x0f, 0x10, 0x0b}},
		{"vmovups xmm1,[rbx]", []byte{0xc5, 0xf8, 0x10, 0x0b}}, {"vmovups ymm1,[rbx+5]", []byte{0xc5, 0xfc, 0x10, 0x4b, 5}},
		{"vmovdqu [rbx+3],ymm1", []byte{0xc5, 0xfe, 0x7f, 0x4b, 3}}, {"vmovdqa ymm0,[rbx+16]", []byte{0xc5, 0xfd, 0x6f, 0x43, 16}},
		{"vmovaps [rbx+16],ymm1", []byte{0xc5, 0xfc, 0x29, 0x4b, 16}}, {"vmovntdq [rbx+16],ymm1", []byte{0xc5, 0xfd, 0xe7, 0x4b, 16}},
		{"vmovntps [rbx],xmm1", []byte{0xc5, 0xf8, 0x2b, 0x0b}}, {"vlddqu ymm0,[rbx]", []byte{0xc5, 0xff, 0xf0, 0x03}},
		{"vmovd xmm1,[rbx]", []byte{0xc5, 0xf9, 0x6e, 0x0b}}, {"vmovd [rbx],xmm1", []byte{0xc5, 0xf9, 0x7e, 0x0b}},
		{"vmovq xmm1,[rbx]", []byte{0xc5, 0xfa, 0x7e, 0x0b}}, {"vmovq [rbx],xmm1", []byte{0xc4, 0xe1, 0xf9, 0x7e, 0x0b}},
		{"vmovss xmm1,[rbx]", []byte{0xc5, 0xfa, 0x10, 0x0b}}, {"vmovsd [rbx],xmm1", []byte{0xc5, 0xfb, 0x11, 0x0b}},
		{"vmovhps [rbx],xmm1", []byte{0xc5, 0xf8, 0x17, 0x0b}}, {"vmovlpd [rbx],xmm1", []byte{0xc5, 0xf9, 0x13, 0x0b}},
		{"vmovdqu ymm1,[ebx]", []byte{0x67, 0xc5, 0xfe, 0x6f, 0x0b}}, {"vmovntdqa xmm1,[rbx]", []byte{0xc4, 0xe2, 0x79, 0x2a, 0x0b}},
	} {
		add(0, v.name, v.code...)
	}
	return rows
}
