package guests

// EmulRow is one instruction of the differential test of the emulator: what the
// processor makes of it on memory is what the emulator has to make of it on a device.
type EmulRow struct {
	Name string
	Code []byte // position-independent; it ends where it began to end: no jumps
	// Undefined are the flags that the manual leaves undefined (SDM Vol. 2).
	Undefined uint32
}

// EmulInput is the state before an instruction. Memory from EmulPage on is
// EmulPattern; XMM0 and XMM1 are its first 32 bytes.
type EmulInput struct {
	EAX, ECX, EDX uint32
	Flags         uint32
}

// The page of the operand and where the registers point in it.
const (
	EmulPage   = 0x30_0000
	EmulEBX    = EmulPage + 16
	EmulESI    = EmulPage + 8
	EmulEDI    = EmulPage + 32
	EmulESP    = EmulPage + 56
	EmulEBP    = 5 // an index
	EmulMemory = 64
)

// EmulPattern is what the page holds before each instruction.
func EmulPattern() (p [EmulMemory]byte) {
	x := uint32(0x1234567)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	// The operands of CMPXCHG, CMPXCHG8B and SCAS meet what EAX, EDX:EAX hold once.
	copy(p[16:], []byte{0x80, 0xff, 0xee, 0xdd, 0x44, 0x33, 0x22, 0x11})
	return p
}

// EmulInputs: the second finds equal where instructions compare, goes backwards and
// begins with every flag set.
var EmulInputs = []EmulInput{
	{0x8f7f00ff, 3, 0x7fffffff, 0x002},
	{0xddeeff80, 2, 0x11223344, 0xcd7},
	{0x00000001, 0xffffffdf, 0x80000000, 0x003},
}

const (
	flagAF  = 1 << 4
	flagsBT = 1<<2 | 1<<4 | 1<<7 | 1<<11 // PF AF SF OF
)

// EmulRows are the instructions.
func EmulRows() (rows []EmulRow) {
	add := func(undefined uint32, name string, code ...byte) {
		rows = append(rows, EmulRow{name, code, undefined})
	}
	for i, n := range []string{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"} {
		op, und := byte(i<<3), uint32(0)
		if n == "or" || n == "and" || n == "xor" {
			und = flagAF
		}
		add(und, n+" [ebx],al", op, 0x03)
		add(und, n+" [ebx],edx", op|1, 0x13)
		add(und, n+" [ebx],dx", 0x66, op|1, 0x13)
		add(und, n+" ah,[ebx]", op|2, 0x23)
		add(und, n+" eax,[ebx]", op|3, 0x03)
		add(und, n+" byte[ebx],7f", 0x80, 0x03|op, 0x7f)
		add(und, n+" dword[ebx],80000001", 0x81, 0x03|op, 1, 0, 0, 0x80)
		add(und, n+" word[ebx],-1", 0x66, 0x83, 0x03|op, 0xff)
		if n != "cmp" {
			add(und, "lock "+n+" [ebx],eax", 0xf0, op|1, 0x03)
		}
	}
	add(flagAF, "test [ebx],al", 0x84, 0x03)
	add(flagAF, "test [ebx],eax", 0x85, 0x03)
	add(flagAF, "test byte[ebx],80", 0xf6, 0x03, 0x80)
	add(flagAF, "test dword[ebx],imm", 0xf7, 0x03, 0, 0, 0xee, 0x80)
	for i, n := range []string{"not", "neg"} {
		add(0, n+" byte[ebx]", 0xf6, 0x13|byte(i<<3))
		add(0, n+" dword[ebx]", 0xf7, 0x13|byte(i<<3))
		add(0, "lock "+n+" word[ebx]", 0xf0, 0x66, 0xf7, 0x13|byte(i<<3))
	}
	for i, n := range []string{"inc", "dec"} {
		add(0, n+" byte[ebx]", 0xfe, 0x03|byte(i<<3))
		add(0, n+" dword[ebx]", 0xff, 0x03|byte(i<<3))
		add(0, "lock "+n+" word[ebx]", 0xf0, 0x66, 0xff, 0x03|byte(i<<3))
	}
	add(0, "xchg [ebx],al", 0x86, 0x03)
	add(0, "xchg [ebx],edx", 0x87, 0x13)
	add(0, "xadd [ebx],ah", 0x0f, 0xc0, 0x23)
	add(0, "lock xadd [ebx],edx", 0xf0, 0x0f, 0xc1, 0x13)
	add(0, "cmpxchg [ebx],cl", 0x0f, 0xb0, 0x0b)
	add(0, "cmpxchg [ebx],cx", 0x66, 0x0f, 0xb1, 0x0b)
	add(0, "lock cmpxchg [ebx],ecx", 0xf0, 0x0f, 0xb1, 0x0b)
	add(0, "lock cmpxchg8b [ebx]", 0xf0, 0x0f, 0xc7, 0x0b)
	for i, n := range []string{"bt", "bts", "btr", "btc"} {
		add(flagsBT, n+" [ebx],ecx", 0x0f, 0xa3|byte(i<<3), 0x0b)
		add(flagsBT, n+" [ebx],cx", 0x66, 0x0f, 0xa3|byte(i<<3), 0x0b)
		add(flagsBT, n+" dword[ebx],39", 0x0f, 0xba, 0x23|byte(i<<3), 39)
		if n != "bt" {
			add(flagsBT, "lock "+n+" dword[ebx],15", 0xf0, 0x0f, 0xba, 0x23|byte(i<<3), 15)
		}
	}
	add(0, "mov [ebx],ah", 0x88, 0x23)
	add(0, "mov [ebx],edx", 0x89, 0x13)
	add(0, "mov cl,[ebx]", 0x8a, 0x0b)
	add(0, "mov dh,[ebx]", 0x8a, 0x33)
	add(0, "mov ax,[ebx]", 0x66, 0x8b, 0x03)
	add(0, "mov byte[ebx],5a", 0xc6, 0x03, 0x5a)
	add(0, "mov dword[ebx],imm", 0xc7, 0x03, 1, 2, 3, 4)
	add(0, "mov eax,[moffs]", 0xa1, 16, 0, 0x30, 0)
	add(0, "mov [moffs],al", 0xa2, 16, 0, 0x30, 0)
	add(0, "mov eax,[ebx+ebp*4-20]", 0x8b, 0x84, 0xab, 0xec, 0xff, 0xff, 0xff)
	add(0, "mov [esi+8],edx", 0x89, 0x56, 8)
	add(0, "mov eax,[esp]", 0x8b, 0x04, 0x24)
	add(0, "movnti [ebx],edx", 0x0f, 0xc3, 0x13)
	add(0, "movzx eax,byte[ebx]", 0x0f, 0xb6, 0x03)
	add(0, "movzx edx,word[ebx]", 0x0f, 0xb7, 0x13)
	add(0, "movsx eax,byte[ebx]", 0x0f, 0xbe, 0x03)
	add(0, "movsx edx,word[ebx]", 0x0f, 0xbf, 0x13)
	add(0, "movsx ax,byte[ebx]", 0x66, 0x0f, 0xbe, 0x03)
	add(0, "movbe eax,[ebx]", 0x0f, 0x38, 0xf0, 0x03)
	add(0, "movbe [ebx],dx", 0x66, 0x0f, 0x38, 0xf1, 0x13)
	add(0, "push [ebx]", 0xff, 0x33)
	add(0, "push word[ebx]", 0x66, 0xff, 0x33)
	add(0, "push edx", 0x52)
	add(0, "push esp", 0x54)
	add(0, "push -16", 0x6a, 0xf0)
	add(0, "push [esp-8]", 0xff, 0x74, 0x24, 0xf8)
	add(0, "pop [ebx]", 0x8f, 0x03)
	add(0, "pop eax", 0x58)
	add(0, "pop dx", 0x66, 0x5a)
	add(0, "pop [esp-8]", 0x8f, 0x44, 0x24, 0xf8)
	for i, n := range []string{"movs", "cmps", "", "stos", "lods", "scas"} {
		op := []byte{0xa4, 0xa6, 0, 0xaa, 0xac, 0xae}[i]
		if n == "" {
			continue
		}
		add(0, n+"b", op)
		add(0, n+"w", 0x66, op|1)
		add(0, n+"d", op|1)
	}
	for _, s := range []struct {
		name   string
		rep    byte
		prefix []byte
		op     byte
	}{
		{"rep movsb", 0xf3, nil, 0xa4}, {"rep movsd", 0xf3, nil, 0xa5}, {"rep stosw", 0xf3, []byte{0x66}, 0xab},
		{"rep lodsb", 0xf3, nil, 0xac}, {"repe cmpsb", 0xf3, nil, 0xa6}, {"repne cmpsw", 0xf2, []byte{0x66}, 0xa7},
		{"repne scasb", 0xf2, nil, 0xae}, {"repe scasd", 0xf3, nil, 0xaf},
	} {
		add(0, s.name, append(append([]byte{s.rep}, s.prefix...), s.op)...)
	}
	for _, v := range []struct {
		name string
		code []byte
	}{
		{"movups xmm0,", []byte{0x0f, 0x10}}, {"movups st xmm0,", []byte{0x0f, 0x11}}, {"movaps xmm1,", []byte{0x0f, 0x28, 8}},
		{"movaps st xmm1,", []byte{0x0f, 0x29, 8}}, {"movdqa xmm0,", []byte{0x66, 0x0f, 0x6f}}, {"movdqu st xmm1,", []byte{0xf3, 0x0f, 0x7f, 8}},
		{"movntdq st xmm1,", []byte{0x66, 0x0f, 0xe7, 8}}, {"movntps st xmm1,", []byte{0x0f, 0x2b, 8}}, {"lddqu xmm0,", []byte{0xf2, 0x0f, 0xf0}},
		{"movntdqa xmm0,", []byte{0x66, 0x0f, 0x38, 0x2a}},
		{"movd xmm0,", []byte{0x66, 0x0f, 0x6e}}, {"movd st xmm1,", []byte{0x66, 0x0f, 0x7e, 8}}, {"movq xmm0,", []byte{0xf3, 0x0f, 0x7e}},
		{"movq st xmm1,", []byte{0x66, 0x0f, 0xd6, 8}}, {"movss xmm0,", []byte{0xf3, 0x0f, 0x10}}, {"movsd st xmm1,", []byte{0xf2, 0x0f, 0x11, 8}},
		{"movlps xmm0,", []byte{0x0f, 0x12}}, {"movhps xmm1,", []byte{0x0f, 0x16, 8}}, {"movhpd st xmm1,", []byte{0x66, 0x0f, 0x17, 8}},
	} {
		code, reg := v.code, byte(0)
		if n := len(code); code[n-1] == 8 {
			code, reg = code[:n-1], 8
		}
		add(0, v.name+"[ebx]", append(append([]byte{}, code...), 3|reg)...)
	}
	add(0, "movdqu xmm0,[ebx+3]", 0xf3, 0x0f, 0x6f, 0x43, 3)
	add(0, "movups st xmm1,[ebx+5]", 0x0f, 0x11, 0x4b, 5)
	return rows
}

// Where the words of a result are.
const (
	EmulFlags  = 8 // after the general registers in their order
	EmulMem    = 9
	EmulXMM    = EmulMem + EmulMemory/4 // XMM0 and XMM1
	EmulWords  = EmulXMM + 8
	emulResult = 0x20_0000
	emulSource = 0x20_1000
	emulText   = 0x20_2000
)
