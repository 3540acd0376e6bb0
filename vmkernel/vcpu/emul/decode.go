package emul

import (
	"golang.org/x/arch/x86/x86asm"
)

// op is what the emulator does, without size and operands.
type op uint8

const (
	opNone op = iota
	opMov
	opMovzx
	opMovsx
	opMovbe
	opAdd
	opAdc
	opSub
	opSbb
	opAnd
	opOr
	opXor
	opCmp
	opTest
	opInc
	opDec
	opNot
	opNeg
	opXchg
	opXadd
	opCmpxchg
	opBt
	opBts
	opBtr
	opBtc
	opCmpxchgN // CMPXCHG8B, CMPXCHG16B
	opPush
	opPop
	opVec     // moves the whole vector register, or its low part and clears the rest
	opVecLow  // moves the low 8 bytes of an XMM register and leaves the rest
	opVecHigh // moves bytes 15:8 and leaves the rest
	opUndefined
	opStos
	opLods
	opMovs
	opScas
	opCmps
	opIns
	opOuts
	opMovToCR
	opMovFromCR
	opCLTS
	opLMSW
	opSMSW
	opOther // decoded, for its length only
)

// inst is a decoded instruction. It holds no pointers.
type inst struct {
	op      op
	len     uint8
	size    uint8 // operand size in bytes
	msize   uint8 // size of the memory operand in bytes
	asize   uint8 // address size in bytes
	mem     bool  // has a memory operand
	memDst  bool  // which is the destination
	lock    bool
	rep     bool // REP or REPE
	repne   bool
	hasImm  bool
	hasReg  bool
	high    bool  // reg is AH, CH, DH or BH
	reg     uint8 // the register operand
	crn     uint8 // control or debug register; for debug registers too
	seg     uint8 // segment of the memory operand, in the order below
	segOver bool  // by a prefix
	vex     bool  // VEX encoding: a load clears the rest of the register
	aligned bool  // #GP unless aligned to its size
	base    int8  // register number, -1 none, -2 RIP
	index   int8
	scale   uint8
	disp    int64
	imm     uint64
}

// Segments in the encoding's order.
const (
	segES = iota
	segCS
	segSS
	segDS
	segFS
	segGS
)

var ops = map[x86asm.Op]struct {
	op   op
	size uint8 // 0: from the operand size
}{
	x86asm.MOV: {opMov, 0}, x86asm.MOVNTI: {opMov, 0}, x86asm.MOVBE: {opMovbe, 0},
	x86asm.MOVZX: {opMovzx, 0}, x86asm.MOVSX: {opMovsx, 0}, x86asm.MOVSXD: {opMovsx, 0},
	x86asm.ADD: {opAdd, 0}, x86asm.ADC: {opAdc, 0}, x86asm.SUB: {opSub, 0}, x86asm.SBB: {opSbb, 0},
	x86asm.AND: {opAnd, 0}, x86asm.OR: {opOr, 0}, x86asm.XOR: {opXor, 0}, x86asm.CMP: {opCmp, 0},
	x86asm.TEST: {opTest, 0}, x86asm.INC: {opInc, 0}, x86asm.DEC: {opDec, 0}, x86asm.NOT: {opNot, 0},
	x86asm.NEG: {opNeg, 0}, x86asm.XCHG: {opXchg, 0}, x86asm.XADD: {opXadd, 0}, x86asm.CMPXCHG: {opCmpxchg, 0},
	x86asm.BT: {opBt, 0}, x86asm.BTS: {opBts, 0}, x86asm.BTR: {opBtr, 0}, x86asm.BTC: {opBtc, 0},
	x86asm.CMPXCHG8B: {opCmpxchgN, 0}, x86asm.CMPXCHG16B: {opCmpxchgN, 0}, x86asm.PUSH: {opPush, 0}, x86asm.POP: {opPop, 0},
	x86asm.STOSB: {opStos, 1}, x86asm.STOSW: {opStos, 2}, x86asm.STOSD: {opStos, 4}, x86asm.STOSQ: {opStos, 8},
	x86asm.LODSB: {opLods, 1}, x86asm.LODSW: {opLods, 2}, x86asm.LODSD: {opLods, 4}, x86asm.LODSQ: {opLods, 8},
	x86asm.MOVSB: {opMovs, 1}, x86asm.MOVSW: {opMovs, 2}, x86asm.MOVSD: {opMovs, 4}, x86asm.MOVSQ: {opMovs, 8},
	x86asm.SCASB: {opScas, 1}, x86asm.SCASW: {opScas, 2}, x86asm.SCASD: {opScas, 4}, x86asm.SCASQ: {opScas, 8},
	x86asm.CMPSB: {opCmps, 1}, x86asm.CMPSW: {opCmps, 2}, x86asm.CMPSD: {opCmps, 4}, x86asm.CMPSQ: {opCmps, 8},
	x86asm.INSB: {opIns, 1}, x86asm.INSW: {opIns, 2}, x86asm.INSD: {opIns, 4},
	x86asm.OUTSB: {opOuts, 1}, x86asm.OUTSW: {opOuts, 2}, x86asm.OUTSD: {opOuts, 4},
	x86asm.CLTS: {opCLTS, 0}, x86asm.LMSW: {opLMSW, 0}, x86asm.SMSW: {opSMSW, 0},
}

// decode fills in from code; false when the bytes are no instruction, or are
// cut short. An instruction that is not emulated has opOther and its length.
func decode(code []byte, bits int, in *inst) bool {
	*in = inst{base: -1, index: -1}
	n, v := decodeFixed(code)
	if n != 0 {
		in.op, in.len = v, uint8(n)
		return true
	}
	if decodeControl(code, bits, in) {
		return true
	}
	skip := vexPrefixes(code, bits, in)
	x, err := x86asm.Decode(code[skip:], bits)
	if err != nil || x.Len == 0 || x.Len+skip > maxInst || x.Op == 0 {
		return false
	}
	in.op, in.len = opOther, uint8(x.Len+skip)
	if in.asize == 0 {
		in.asize = uint8(x.AddrSize / 8)
	}
	if v, ok := vectorOps[x.Op]; ok {
		vector(&x, v, code[skip:], in)
		return true
	}
	o, known := ops[x.Op]
	if !known {
		return true
	}
	in.size = o.size
	if in.size == 0 {
		in.size = uint8(x.DataSize / 8)
	}
	for _, p := range x.Prefix {
		if p == 0 {
			break
		}
		switch p & 0xff {
		case x86asm.PrefixLOCK:
			in.lock = true
		case x86asm.PrefixREP:
			in.rep, in.repne = true, false
		case x86asm.PrefixREPN:
			in.rep, in.repne = false, true
		}
		if s := segment(p & 0xff); s >= 0 && (bits != 64 || s >= segFS) && p&0xff00 != 0x100 {
			in.seg, in.segOver = uint8(s), true
		}
	}
	in.msize = uint8(x.MemBytes)
	if isString(o.op) {
		if !in.segOver {
			in.seg = segDS
		}
		in.msize, in.mem = in.size, true
		in.op = o.op
		return true
	}
	if !operands(&x, in) {
		return true
	}
	in.op = o.op
	if o.op == opPush || o.op == opPop {
		in.pushSize(x.DataSize, bits)
	}
	if in.lock && !in.lockable() {
		in.op = opUndefined
	}
	return true
}

// lockable says whether LOCK is allowed (SDM Vol. 2A, LOCK).
func (in *inst) lockable() bool {
	switch in.op {
	case opAdd, opAdc, opSub, opSbb, opAnd, opOr, opXor, opInc, opDec, opNot, opNeg,
		opXadd, opCmpxchg, opCmpxchgN, opBts, opBtr, opBtc:
		return in.mem && in.memDst
	case opXchg:
		return in.mem
	}
	return false
}

// pushSize is the size of what PUSH and POP move: 64-bit code knows 8 and 2 bytes.
func (in *inst) pushSize(data, bits int) {
	in.size = uint8(data / 8)
	if bits == 64 && data != 16 {
		in.size = 8
	}
	in.msize = in.size
}

func isString(o op) bool { return o >= opStos && o <= opOuts }

func segment(p x86asm.Prefix) int {
	switch p {
	case x86asm.PrefixES:
		return segES
	case x86asm.PrefixCS:
		return segCS
	case x86asm.PrefixSS:
		return segSS
	case x86asm.PrefixDS:
		return segDS
	case x86asm.PrefixFS:
		return segFS
	case x86asm.PrefixGS:
		return segGS
	}
	return -1
}

// decodeFixed knows what the decoder's tables lack and exits often: the length
// of VMMCALL, VMCALL, XSETBV, MONITOR and the like (0F 01 /r with mod 11).
func decodeFixed(code []byte) (int, op) {
	if len(code) >= 3 && code[0] == 0x0f && code[1] == 0x01 {
		if m := code[2]; m >= 0xc0 && m>>3&7 != 4 && m>>3&7 != 6 {
			return 3, opOther
		}
	}
	return 0, opNone
}

// decodeControl knows MOV to and from control and debug registers: mod is
// ignored there (SDM Vol. 2B, MOV), which the decoder does not do everywhere.
func decodeControl(code []byte, bits int, in *inst) bool {
	i, rex := 0, byte(0)
	for i < len(code) && i < 12 && (code[i] == 0x66 || code[i] == 0xf2 || code[i] == 0xf3 || code[i] == 0xf0 || code[i] == 0x67) {
		if code[i] == 0xf0 {
			in.lock = true
		}
		i++
	}
	if bits == 64 && i < len(code) && code[i]&0xf0 == 0x40 {
		rex = code[i]
		i++
	}
	if i+3 > len(code) || code[i] != 0x0f || code[i+1] < 0x20 || code[i+1] > 0x23 {
		in.lock = false
		return false
	}
	m := code[i+2]
	in.len = uint8(i + 3)
	in.reg = m&7 | rex&1<<3
	in.crn = m>>3&7 | rex&4<<1
	if in.lock { // AMD's way to CR8 without REX (APM Vol. 3, MOV CRn)
		in.crn |= 8
	}
	in.op = opMovFromCR
	if code[i+1]&2 != 0 {
		in.op = opMovToCR
	}
	return true
}
