package emul

import "golang.org/x/arch/x86/x86asm"

// operands takes the arguments over. False when there is one that is not
// emulated (SIMD registers, far pointers).
func operands(x *x86asm.Inst, in *inst) bool {
	for i, a := range x.Args {
		switch a := a.(type) {
		case nil:
			return true
		case x86asm.Mem:
			in.mem = true
			in.memDst = i == 0
			if !memory(x, a, in) {
				return false
			}
		case x86asm.Reg:
			n, size, high, ok := register(a)
			if !ok {
				return false
			}
			if in.hasReg && !in.mem {
				// Register to register: only its length is of interest.
				return false
			}
			in.hasReg, in.reg, in.high = true, n, high
			in.size = size
		case x86asm.Imm:
			in.hasImm, in.imm = true, uint64(a)
		default:
			return false
		}
	}
	return true
}

// memory takes an address over.
func memory(x *x86asm.Inst, m x86asm.Mem, in *inst) bool {
	in.disp, in.scale = m.Disp, m.Scale
	// The decoder leaves a displacement of 32 bits unsigned. The address in MOV A0 to
	// A3 has 64 bits and is no displacement.
	if op := x.Opcode >> 24; in.disp>>31 == 1 && (op < 0xa0 || op > 0xa3) {
		in.disp -= 1 << 32
	}
	in.base, in.index = -1, -1
	switch m.Base {
	case 0:
	case x86asm.IP, x86asm.EIP, x86asm.RIP:
		in.base = -2
	default:
		n, _, _, ok := register(m.Base)
		if !ok {
			return false
		}
		in.base = int8(n)
	}
	if m.Index != 0 && m.Scale != 0 {
		n, _, _, ok := register(m.Index)
		if !ok {
			return false
		}
		in.index = int8(n)
	}
	if !in.segOver {
		in.seg = segDS
		if in.base == 4 || in.base == 5 {
			in.seg = segSS
		}
	}
	return true
}

// register splits a general register into its number and size.
func register(r x86asm.Reg) (n, size uint8, high, ok bool) {
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return uint8(r - x86asm.AL), 1, false, true
	case r >= x86asm.AH && r <= x86asm.BH:
		return uint8(r - x86asm.AH), 1, true, true
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return uint8(r-x86asm.SPB) + 4, 1, false, true
	case r >= x86asm.AX && r <= x86asm.R15W:
		return uint8(r - x86asm.AX), 2, false, true
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return uint8(r - x86asm.EAX), 4, false, true
	case r >= x86asm.RAX && r <= x86asm.R15:
		return uint8(r - x86asm.RAX), 8, false, true
	}
	return 0, 0, false, false
}
