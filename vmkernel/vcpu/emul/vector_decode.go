package emul

import "golang.org/x/arch/x86/x86asm"

// vectorOp is a move between memory and a vector register.
type vectorOp struct {
	op      op
	vex     bool
	aligned bool
}

// vectorOps is SDM Vol. 2A and 2B, MOVAPS to MOVUPS, and LDDQU. Not temporal is only
// a hint. MMX registers are no operands of these here: vector refuses them.
var vectorOps = map[x86asm.Op]vectorOp{
	x86asm.MOVUPS: {opVec, false, false}, x86asm.MOVUPD: {opVec, false, false}, x86asm.MOVDQU: {opVec, false, false},
	x86asm.LDDQU: {opVec, false, false}, x86asm.MOVAPS: {opVec, false, true}, x86asm.MOVAPD: {opVec, false, true},
	x86asm.MOVDQA: {opVec, false, true}, x86asm.MOVNTDQ: {opVec, false, true}, x86asm.MOVNTDQA: {opVec, false, true},
	x86asm.MOVNTPS: {opVec, false, true}, x86asm.MOVNTPD: {opVec, false, true},
	x86asm.MOVD: {opVec, false, false}, x86asm.MOVQ: {opVec, false, false}, x86asm.MOVSS: {opVec, false, false},
	x86asm.MOVSD_XMM: {opVec, false, false},
	x86asm.MOVLPS:    {opVecLow, false, false}, x86asm.MOVLPD: {opVecLow, false, false},
	x86asm.MOVHPS: {opVecHigh, false, false}, x86asm.MOVHPD: {opVecHigh, false, false},

	x86asm.VMOVUPS: {opVec, true, false}, x86asm.VMOVUPD: {opVec, true, false}, x86asm.VMOVDQU: {opVec, true, false},
	x86asm.VLDDQU: {opVec, true, false}, x86asm.VMOVAPS: {opVec, true, true}, x86asm.VMOVAPD: {opVec, true, true},
	x86asm.VMOVDQA: {opVec, true, true}, x86asm.VMOVNTDQ: {opVec, true, true}, x86asm.VMOVNTDQA: {opVec, true, true},
	x86asm.VMOVNTPS: {opVec, true, true}, x86asm.VMOVNTPD: {opVec, true, true},
	x86asm.VMOVD: {opVec, true, false}, x86asm.VMOVQ: {opVec, true, false}, x86asm.VMOVSS: {opVec, true, false},
	x86asm.VMOVSD:  {opVec, true, false},
	x86asm.VMOVLPS: {opVecLow, true, false}, x86asm.VMOVLPD: {opVecLow, true, false},
	x86asm.VMOVHPS: {opVecHigh, true, false}, x86asm.VMOVHPD: {opVecHigh, true, false},
}

// vector takes a move over. What it does not, such as the loads of VMOVLPS, which merge
// with a second register, keeps opOther.
func vector(x *x86asm.Inst, v vectorOp, code []byte, in *inst) {
	regs := 0
	for i, a := range x.Args {
		switch a := a.(type) {
		case x86asm.Mem:
			in.mem, in.memDst = true, i == 0
			if !memory(x, a, in) {
				return
			}
		case x86asm.Reg:
			regs++
			switch {
			case a >= x86asm.X0 && a <= x86asm.X15:
				in.reg = uint8(a - x86asm.X0)
			case a >= x86asm.Y0 && a <= x86asm.Y15 && v.vex:
				in.reg = uint8(a - x86asm.Y0)
			default:
				return
			}
		case nil:
		default:
			return
		}
	}
	in.msize = uint8(x.MemBytes)
	if !in.mem || regs != 1 {
		return
	}
	for _, p := range x.Prefix {
		if p == 0 {
			break
		}
		if s := segment(p & 0xff); s >= 0 && !v.vex && (x.Mode != 64 || s >= segFS) {
			in.seg, in.segOver = uint8(s), true
		}
		if p&0xff == x86asm.PrefixLOCK && !v.vex {
			in.op = opUndefined
			return
		}
	}
	if v.vex && !unusedVvvv(code) {
		in.op = opUndefined
		return
	}
	in.op, in.vex, in.aligned = v.op, v.vex, v.aligned
}

const (
	vex2 = 0xc5
	vex3 = 0xc4
)

// unusedVvvv: a VEX field for a register that the instruction has not must be all
// ones (SDM Vol. 2A, 2.3.5.6). code begins with the VEX prefix.
func unusedVvvv(code []byte) bool {
	i := 1
	if code[0] == vex3 {
		i = 2
	}
	return len(code) > i && code[i]>>3&0xf == 0xf
}

// vexPrefixes is the number of bytes before a VEX prefix: the decoder's tables take
// none, and an address size or a segment is allowed there. It notes them in in.
func vexPrefixes(code []byte, bits int, in *inst) int {
	seg, small := -1, false
	for i, b := range code {
		switch b {
		case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65:
			if s := segment(x86asm.Prefix(b)); bits != 64 || s >= segFS {
				seg = s
			}
			continue
		case 0x67:
			small = true
			continue
		case vex2, vex3:
			// Outside 64-bit code C4 and C5 are LES and LDS unless what follows
			// names a register; there the decoder would read 16-bit addresses as 32.
			if i == 0 || bits != 64 && (small || i+1 >= len(code) || code[i+1] < 0xc0) {
				return 0
			}
			if seg >= 0 {
				in.seg, in.segOver = uint8(seg), true
			}
			if small {
				in.asize = 4
			}
			return i
		}
		return 0
	}
	return 0
}
