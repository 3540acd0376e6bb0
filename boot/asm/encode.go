package asm

import "fmt"

// Reg is a general register by its number in the encoding (0 AX ... 15 R15).
type Reg uint8

// The general registers: 32 bits wide in mode 32; in mode 64 the method says.
const (
	AX Reg = iota
	CX
	DX
	BX
	SP
	BP
	SI
	DI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// Mem is the operand [Base+Disp], or a label if Label is not empty.
type Mem struct {
	Base  Reg
	Disp  int32
	Label string
}

// At is the operand [base+disp].
func At(base Reg, disp int32) Mem { return Mem{Base: base, Disp: disp} }

// Ref is the operand at a label.
func Ref(label string) Mem { return Mem{Label: label} }

// Cond is a condition code of Jcc.
type Cond uint8

// The conditions, by their number in the encoding.
const (
	CB  Cond = 0x2 // unsigned less
	CAE Cond = 0x3
	CE  Cond = 0x4
	CNE Cond = 0x5
	CBE Cond = 0x6
	CA  Cond = 0x7
	CS  Cond = 0x8 // negative
	CNS Cond = 0x9
)

// ALU is one of the two-operand arithmetic instructions.
type ALU uint8

// The arithmetic instructions, by their number in the encoding.
const (
	Add ALU = 0
	Or  ALU = 1
	And ALU = 4
	Sub ALU = 5
	Xor ALU = 6
	Cmp ALU = 7
)

// emit places one instruction: REX if needed, opcode, ModRM with operands, immediate.
func (c *Code) emit(comment string, wide bool, op []byte, reg Reg, rm any, imm []byte) {
	var b []byte
	rex := byte(0)
	if wide {
		if c.mode != 64 {
			c.fail(fmt.Errorf("asm: 64-bit operand in mode %d: %s", c.mode, comment))
		}
		rex |= 0x48
	}
	if reg >= 8 {
		rex |= 0x44
	}
	var tail []byte
	fixAt := -1
	var label string
	switch m := rm.(type) {
	case Reg:
		if m >= 8 {
			rex |= 0x41
		}
		tail = []byte{0xc0 | byte(reg&7)<<3 | byte(m&7)}
	case Mem:
		if m.Label != "" {
			tail = []byte{byte(reg&7)<<3 | 5, 0, 0, 0, 0}
			fixAt, label = 1, m.Label
			break
		}
		if m.Base >= 8 {
			rex |= 0x41
		}
		mod := byte(0x80)
		if m.Disp >= -128 && m.Disp < 128 {
			mod = 0x40
		}
		if m.Disp == 0 && m.Base&7 != BP {
			mod = 0
		}
		tail = append(tail, mod|byte(reg&7)<<3|byte(m.Base&7))
		if m.Base&7 == SP {
			tail = append(tail, 0x24)
		}
		switch mod {
		case 0x40:
			tail = append(tail, byte(int8(m.Disp)))
		case 0x80:
			tail = append(tail, le32(uint32(m.Disp))...)
		}
	}
	if rex != 0 {
		if c.mode != 64 {
			c.fail(fmt.Errorf("asm: register number over 7 in mode %d: %s", c.mode, comment))
		}
		b = append(b, rex)
	}
	b = append(b, op...)
	if fixAt >= 0 {
		f := fixup{off: len(c.buf) + len(b) + fixAt, label: label, kind: fixAbs32}
		if c.mode == 64 {
			f.kind, f.after = fixRel32, len(imm)
		}
		c.fixups = append(c.fixups, f)
	}
	b = append(b, tail...)
	c.Raw(comment, append(b, imm...)...)
}

func le32(v uint32) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)} }

// MovRI sets a register to a number of 32 bits; the upper half becomes zero.
func (c *Code) MovRI(r Reg, v uint32, comment string) {
	if r >= 8 {
		c.Raw(comment, append([]byte{0x41, 0xb8 + byte(r&7)}, le32(v)...)...)
		return
	}
	c.Raw(comment, append([]byte{0xb8 + byte(r)}, le32(v)...)...)
}

// MovRA sets a register to the absolute 32-bit address of a label.
func (c *Code) MovRA(r Reg, label, comment string) {
	c.fix(fixAbs32, label, 1)
	c.Raw(comment, 0xb8+byte(r&7), 0, 0, 0, 0)
}

// MovRI64 sets a register to a number of 64 bits (mode 64).
func (c *Code) MovRI64(r Reg, v uint64, comment string) {
	b := []byte{0x48 | byte(r>>3), 0xb8 + byte(r&7)}
	for i := 0; i < 8; i++ {
		b = append(b, byte(v>>(8*i)))
	}
	c.Raw(comment, b...)
}

// Mov, Mov64: register from register (32 and 64 bits).
func (c *Code) Mov(dst, src Reg, comment string) { c.emit(comment, false, []byte{0x89}, src, dst, nil) }
func (c *Code) Mov64(dst, src Reg, comment string) {
	c.emit(comment, true, []byte{0x89}, src, dst, nil)
}

// Load, Load64: register from memory. Store, Store64: memory from register.
func (c *Code) Load(dst Reg, m Mem, comment string) {
	c.emit(comment, false, []byte{0x8b}, dst, m, nil)
}
func (c *Code) Load64(dst Reg, m Mem, comment string) {
	c.emit(comment, true, []byte{0x8b}, dst, m, nil)
}
func (c *Code) Store(m Mem, src Reg, comment string) {
	c.emit(comment, false, []byte{0x89}, src, m, nil)
}
func (c *Code) Store64(m Mem, src Reg, comment string) {
	c.emit(comment, true, []byte{0x89}, src, m, nil)
}

// Load8 and Load16 load a byte or a word with zero extension to 32 bits.
func (c *Code) Load8(dst Reg, m Mem, comment string) {
	c.emit(comment, false, []byte{0x0f, 0xb6}, dst, m, nil)
}
func (c *Code) Load16(dst Reg, m Mem, comment string) {
	c.emit(comment, false, []byte{0x0f, 0xb7}, dst, m, nil)
}

// StoreI stores a 32-bit number; StoreI64 stores it sign-extended to 64 bits.
func (c *Code) StoreI(m Mem, v uint32, comment string) {
	c.emit(comment, false, []byte{0xc7}, 0, m, le32(v))
}
func (c *Code) StoreI64(m Mem, v int32, comment string) {
	c.emit(comment, true, []byte{0xc7}, 0, m, le32(uint32(v)))
}

// Lea gives the 64-bit address of m (mode 64).
func (c *Code) Lea(dst Reg, m Mem, comment string) { c.emit(comment, true, []byte{0x8d}, dst, m, nil) }

// Op and Op64: dst = dst op src. OpI and OpI64: dst = dst op number (64: sign-extended).
func (c *Code) Op(op ALU, dst, src Reg, comment string) {
	c.emit(comment, false, []byte{byte(op)<<3 | 1}, src, dst, nil)
}
func (c *Code) Op64(op ALU, dst, src Reg, comment string) {
	c.emit(comment, true, []byte{byte(op)<<3 | 1}, src, dst, nil)
}
func (c *Code) OpI(op ALU, dst Reg, v uint32, comment string) {
	c.emit(comment, false, []byte{0x81}, Reg(op), dst, le32(v))
}
func (c *Code) OpI64(op ALU, dst Reg, v int32, comment string) {
	c.emit(comment, true, []byte{0x81}, Reg(op), dst, le32(uint32(v)))
}

// OpMem and OpMem64: dst = dst op memory. OpMemI: 32-bit memory = memory op number.
func (c *Code) OpMem(op ALU, dst Reg, m Mem, comment string) {
	c.emit(comment, false, []byte{byte(op)<<3 | 3}, dst, m, nil)
}
func (c *Code) OpMem64(op ALU, dst Reg, m Mem, comment string) {
	c.emit(comment, true, []byte{byte(op)<<3 | 3}, dst, m, nil)
}
func (c *Code) OpMemI(op ALU, m Mem, v uint32, comment string) {
	c.emit(comment, false, []byte{0x81}, Reg(op), m, le32(v))
}

// TestI ands a register with a number and sets only the flags. Test64 tests a register with itself.
func (c *Code) TestI(r Reg, v uint32, comment string) {
	c.emit(comment, false, []byte{0xf7}, 0, r, le32(v))
}
func (c *Code) Test64(r Reg, comment string) { c.emit(comment, true, []byte{0x85}, r, r, nil) }

// ShlI64 and ShrI64 shift a 64-bit register by n.
func (c *Code) ShlI64(r Reg, n byte, comment string) {
	c.emit(comment, true, []byte{0xc1}, 4, r, []byte{n})
}
func (c *Code) ShrI64(r Reg, n byte, comment string) {
	c.emit(comment, true, []byte{0xc1}, 5, r, []byte{n})
}

// Push and Pop a register.
func (c *Code) Push(r Reg, comment string) { c.pushPop(0x50, r, comment) }
func (c *Code) Pop(r Reg, comment string)  { c.pushPop(0x58, r, comment) }

func (c *Code) pushPop(op byte, r Reg, comment string) {
	if r >= 8 {
		c.Raw(comment, 0x41, op+byte(r&7))
		return
	}
	c.Raw(comment, op+byte(r))
}

// Jmp, Jcc and Call a label. CallMem and JmpMem go where a 32- or 64-bit pointer in memory says.
func (c *Code) Jmp(label, comment string) {
	c.fix(fixRel32, label, 1)
	c.Raw(comment, 0xe9, 0, 0, 0, 0)
}
func (c *Code) Jcc(cc Cond, label, comment string) {
	c.fix(fixRel32, label, 2)
	c.Raw(comment, 0x0f, 0x80|byte(cc), 0, 0, 0, 0)
}
func (c *Code) Call(label, comment string) {
	c.fix(fixRel32, label, 1)
	c.Raw(comment, 0xe8, 0, 0, 0, 0)
}
func (c *Code) CallMem(m Mem, comment string) { c.emit(comment, false, []byte{0xff}, 2, m, nil) }
func (c *Code) JmpMem(m Mem, comment string)  { c.emit(comment, false, []byte{0xff}, 4, m, nil) }
func (c *Code) JmpReg(r Reg, comment string)  { c.emit(comment, false, []byte{0xff}, 4, r, nil) }

// LGDT loads the global descriptor table register from memory.
func (c *Code) LGDT(m Mem, comment string) { c.emit(comment, false, []byte{0x0f, 0x01}, 2, m, nil) }

// LDMXCSR loads the SSE control register from memory.
func (c *Code) LDMXCSR(m Mem, comment string) { c.emit(comment, false, []byte{0x0f, 0xae}, 2, m, nil) }

// JmpFar goes to sel:label (mode 32).
func (c *Code) JmpFar(sel uint16, label, comment string) {
	c.fix(fixAbs32, label, 1)
	c.Raw(comment, 0xea, 0, 0, 0, 0, byte(sel), byte(sel>>8))
}
