package guests

import (
	"encoding/binary"
	"fmt"
)

// Reg is a 32-bit general register, by its number in the encoding.
type Reg uint8

// The registers.
const (
	EAX Reg = iota
	ECX
	EDX
	EBX
	ESP
	EBP
	ESI
	EDI
)

// Cond is a condition of a jump, by its number in the encoding.
type Cond uint8

// The conditions that guests use.
const (
	Below    Cond = 2
	NotBelow Cond = 3
	Equal    Cond = 4
	NotEqual Cond = 5
	Above    Cond = 7
)

// Asm collects the machine code of a flat 32-bit program. Labels may be used before
// they are defined. Mistakes (an unknown label) are ours and panic in Code.
type Asm struct {
	org    uint32
	code   []byte
	labels map[string]uint32
	fixups []fixup
	unique int
}

type fixup struct {
	at    int // where the four bytes are
	label string
	rel   bool
}

// NewAsm makes an empty program that will be loaded at org.
func NewAsm(org uint32) *Asm { return &Asm{org: org, labels: map[string]uint32{}} }

// Here is the address of the next byte.
func (a *Asm) Here() uint32 { return a.org + uint32(len(a.code)) }

// Label gives the next byte a name.
func (a *Asm) Label(name string) {
	if _, dup := a.labels[name]; dup {
		panic("guests: label " + name + " is defined twice")
	}
	a.labels[name] = a.Here()
}

// Local makes a name that nobody else uses.
func (a *Asm) Local(prefix string) string {
	a.unique++
	return fmt.Sprintf(".%s%d", prefix, a.unique)
}

// Code resolves the labels and gives the bytes.
func (a *Asm) Code() []byte {
	for _, f := range a.fixups {
		addr, ok := a.labels[f.label]
		if !ok {
			panic("guests: no label " + f.label)
		}
		if f.rel {
			addr -= a.org + uint32(f.at) + 4
		}
		binary.LittleEndian.PutUint32(a.code[f.at:], addr)
	}
	return a.code
}

// Bytes appends raw bytes.
func (a *Asm) Bytes(b ...byte) { a.code = append(a.code, b...) }

// U32 appends a little-endian word.
func (a *Asm) U32(v uint32) { a.code = binary.LittleEndian.AppendUint32(a.code, v) }

// Addr appends the address of a label.
func (a *Asm) Addr(label string) {
	a.fixups = append(a.fixups, fixup{len(a.code), label, false})
	a.U32(0)
}

// Align pads with zero bytes to a multiple of n.
func (a *Asm) Align(n uint32) {
	for a.Here()%n != 0 {
		a.Bytes(0)
	}
}

// String appends a string with a zero byte behind it.
func (a *Asm) String(s string) { a.code = append(append(a.code, s...), 0) }

func (a *Asm) rel(label string) {
	a.fixups = append(a.fixups, fixup{len(a.code), label, true})
	a.U32(0)
}

// modrm appends a ModRM byte of two registers.
func (a *Asm) modrm(reg, rm Reg) { a.Bytes(0xC0 | byte(reg)<<3 | byte(rm)) }

// mem appends the operand [base+disp].
func (a *Asm) mem(reg, base Reg, disp int32) {
	a.Bytes(0x80 | byte(reg)<<3 | byte(base))
	if base == ESP {
		a.Bytes(0x24)
	}
	a.U32(uint32(disp))
}

// Moves.

// Mov is MOV reg, imm.
func (a *Asm) Mov(r Reg, v uint32) { a.Bytes(0xB8 | byte(r)); a.U32(v) }

// MovLabel is MOV reg, address of label.
func (a *Asm) MovLabel(r Reg, label string) { a.Bytes(0xB8 | byte(r)); a.Addr(label) }

// MovReg is MOV to, from.
func (a *Asm) MovReg(to, from Reg) { a.Bytes(0x89); a.modrm(from, to) }

// Load is MOV reg, [base+disp].
func (a *Asm) Load(r, base Reg, disp int32) { a.Bytes(0x8B); a.mem(r, base, disp) }

// Store is MOV [base+disp], reg.
func (a *Asm) Store(base Reg, disp int32, r Reg) { a.Bytes(0x89); a.mem(r, base, disp) }

// LoadAt is MOV reg, [label].
func (a *Asm) LoadAt(r Reg, label string) { a.Bytes(0x8B, byte(r)<<3|5); a.Addr(label) }

// StoreAt is MOV [label], reg.
func (a *Asm) StoreAt(label string, r Reg) { a.Bytes(0x89, byte(r)<<3|5); a.Addr(label) }

// LoadAbs is MOV reg, [addr].
func (a *Asm) LoadAbs(r Reg, addr uint32) { a.Bytes(0x8B, byte(r)<<3|5); a.U32(addr) }

// StoreAbs is MOV [addr], reg.
func (a *Asm) StoreAbs(addr uint32, r Reg) { a.Bytes(0x89, byte(r)<<3|5); a.U32(addr) }

// StoreByte is MOV [base], low byte of EAX, ECX, EDX or EBX.
func (a *Asm) StoreByte(base, r Reg) { a.Bytes(0x88); a.mem(r, base, 0) }

// LoadByte is MOVZX reg, byte [base].
func (a *Asm) LoadByte(r, base Reg) { a.Bytes(0x0F, 0xB6); a.mem(r, base, 0) }

// Push and Pop.
func (a *Asm) Push(r Reg) { a.Bytes(0x50 | byte(r)) }

// Pop is POP reg.
func (a *Asm) Pop(r Reg) { a.Bytes(0x58 | byte(r)) }

// Pushad saves all general registers.
func (a *Asm) Pushad() { a.Bytes(0x60) }

// Popad restores them.
func (a *Asm) Popad() { a.Bytes(0x61) }

// Arithmetic.

// Add is ADD to, from.
func (a *Asm) Add(to, from Reg) { a.Bytes(0x01); a.modrm(from, to) }

// Adc is ADC to, from.
func (a *Asm) Adc(to, from Reg) { a.Bytes(0x11); a.modrm(from, to) }

// Sub is SUB to, from.
func (a *Asm) Sub(to, from Reg) { a.Bytes(0x29); a.modrm(from, to) }

// Sbb is SBB to, from.
func (a *Asm) Sbb(to, from Reg) { a.Bytes(0x19); a.modrm(from, to) }

// Cmp is CMP left, right.
func (a *Asm) Cmp(left, right Reg) { a.Bytes(0x39); a.modrm(right, left) }

// Or is OR to, from.
func (a *Asm) Or(to, from Reg) { a.Bytes(0x09); a.modrm(from, to) }

// And is AND to, from.
func (a *Asm) And(to, from Reg) { a.Bytes(0x21); a.modrm(from, to) }

// Xor is XOR to, from.
func (a *Asm) Xor(to, from Reg) { a.Bytes(0x31); a.modrm(from, to) }

// Test is TEST left, right.
func (a *Asm) Test(left, right Reg) { a.Bytes(0x85); a.modrm(right, left) }

// AddImm is ADD reg, imm.
func (a *Asm) AddImm(r Reg, v uint32) { a.Bytes(0x81); a.modrm(0, r); a.U32(v) }

// OrImm is OR reg, imm.
func (a *Asm) OrImm(r Reg, v uint32) { a.Bytes(0x81); a.modrm(1, r); a.U32(v) }

// AndImm is AND reg, imm.
func (a *Asm) AndImm(r Reg, v uint32) { a.Bytes(0x81); a.modrm(4, r); a.U32(v) }

// CmpImm is CMP reg, imm.
func (a *Asm) CmpImm(r Reg, v uint32) { a.Bytes(0x81); a.modrm(7, r); a.U32(v) }

// Clear is XOR reg, reg.
func (a *Asm) Clear(r Reg) { a.Bytes(0x31); a.modrm(r, r) }

// Inc is INC reg.
func (a *Asm) Inc(r Reg) { a.Bytes(0x40 | byte(r)) }

// Dec is DEC reg.
func (a *Asm) Dec(r Reg) { a.Bytes(0x48 | byte(r)) }

// Div is DIV reg: EDX:EAX by reg.
func (a *Asm) Div(r Reg) { a.Bytes(0xF7); a.modrm(6, r) }

// Shr is SHR reg, n.
func (a *Asm) Shr(r Reg, n byte) { a.Bytes(0xC1); a.modrm(5, r); a.Bytes(n) }

// Rol is ROL reg, n.
func (a *Asm) Rol(r Reg, n byte) { a.Bytes(0xC1); a.modrm(0, r); a.Bytes(n) }

// Words that several processors share, by label.

// StoreImm is MOV dword [label], imm.
func (a *Asm) StoreImm(label string, v uint32) { a.Bytes(0xC7, 0x05); a.Addr(label); a.U32(v) }

// CmpAt is CMP reg, [label].
func (a *Asm) CmpAt(r Reg, label string) { a.Bytes(0x3B, byte(r)<<3|5); a.Addr(label) }

// LockInc is LOCK INC dword [label].
func (a *Asm) LockInc(label string) { a.Bytes(0xF0, 0xFF, 0x05); a.Addr(label) }

// LockIncOf is LOCK INC dword [label+4*index].
func (a *Asm) LockIncOf(label string, index Reg) {
	a.Bytes(0xF0, 0xFF, 0x04, 0x85|byte(index)<<3)
	a.Addr(label)
}

// LoadOf is MOV reg, [label+4*index].
func (a *Asm) LoadOf(r Reg, label string, index Reg) {
	a.Bytes(0x8B, byte(r)<<3|4, 0x85|byte(index)<<3)
	a.Addr(label)
}

// CmpOf is CMP reg, [label+4*index].
func (a *Asm) CmpOf(r Reg, label string, index Reg) {
	a.Bytes(0x3B, byte(r)<<3|4, 0x85|byte(index)<<3)
	a.Addr(label)
}

// Shl is SHL reg, n.
func (a *Asm) Shl(r Reg, n byte) { a.Bytes(0xC1); a.modrm(4, r); a.Bytes(n) }

// ToCR is MOV CRn, EAX; FromCR is MOV EAX, CRn.
func (a *Asm) ToCR(n byte) { a.Bytes(0x0F, 0x22, 0xC0|n<<3) }

// FromCR is MOV EAX, CRn.
func (a *Asm) FromCR(n byte) { a.Bytes(0x0F, 0x20, 0xC0|n<<3) }

// InvlPg is INVLPG [addr].
func (a *Asm) InvlPg(addr uint32) { a.Bytes(0x0F, 0x01, 0x3D); a.U32(addr) }

// JmpOf is JMP [label+4*index].
func (a *Asm) JmpOf(label string, index Reg) { a.Bytes(0xFF, 0x24, 0x85|byte(index)<<3); a.Addr(label) }

// CallAt is CALL [label].
func (a *Asm) CallAt(label string) { a.Bytes(0xFF, 0x15); a.Addr(label) }

// Control.

// Jmp is JMP label.
func (a *Asm) Jmp(label string) { a.Bytes(0xE9); a.rel(label) }

// If is Jcc label.
func (a *Asm) If(c Cond, label string) { a.Bytes(0x0F, 0x80|byte(c)); a.rel(label) }

// Call is CALL label.
func (a *Asm) Call(label string) { a.Bytes(0xE8); a.rel(label) }

// Ret is RET.
func (a *Asm) Ret() { a.Bytes(0xC3) }

// Iret is IRETD.
func (a *Asm) Iret() { a.Bytes(0xCF) }

// Ports. The register forms use DX.

// OutB is OUT port, AL for a port below 100h.
func (a *Asm) OutB(port byte) { a.Bytes(0xE6, port) }

// InB is IN AL, port for a port below 100h.
func (a *Asm) InB(port byte) { a.Bytes(0xE4, port) }

// OutDX is OUT DX, AL or EAX.
func (a *Asm) OutDX(size int) {
	if size == 1 {
		a.Bytes(0xEE)
	} else {
		a.Bytes(0xEF)
	}
}

// InDX is IN AL or EAX, DX.
func (a *Asm) InDX(size int) {
	if size == 1 {
		a.Bytes(0xEC)
	} else {
		a.Bytes(0xED)
	}
}

// Instructions without operands.
var plain = map[string][]byte{
	"cli": {0xFA}, "sti": {0xFB}, "hlt": {0xF4}, "nop": {0x90}, "pause": {0xF3, 0x90},
	"cpuid": {0x0F, 0xA2}, "rdmsr": {0x0F, 0x32}, "wrmsr": {0x0F, 0x30}, "rdtsc": {0x0F, 0x31},
	"rdpmc": {0x0F, 0x33}, "wbinvd": {0x0F, 0x09}, "invd": {0x0F, 0x08}, "ud2": {0x0F, 0x0B}, "int3": {0xCC},
	"vmcall": {0x0F, 0x01, 0xC1}, "vmlaunch": {0x0F, 0x01, 0xC2}, "vmresume": {0x0F, 0x01, 0xC3}, "vmxoff": {0x0F, 0x01, 0xC4},
	"monitor": {0x0F, 0x01, 0xC8}, "mwait": {0x0F, 0x01, 0xC9}, "xgetbv": {0x0F, 0x01, 0xD0}, "xsetbv": {0x0F, 0x01, 0xD1},
	"vmrun": {0x0F, 0x01, 0xD8}, "vmmcall": {0x0F, 0x01, 0xD9}, "vmload": {0x0F, 0x01, 0xDA}, "vmsave": {0x0F, 0x01, 0xDB},
	"stgi": {0x0F, 0x01, 0xDC}, "clgi": {0x0F, 0x01, 0xDD}, "skinit": {0x0F, 0x01, 0xDE}, "invlpga": {0x0F, 0x01, 0xDF},
	"rsm": {0x0F, 0xAA}, "fninit": {0xDB, 0xE3}, "cld": {0xFC},
	// with an area at [ebx]
	"fxsave": {0x0F, 0xAE, 0x03}, "fxrstor": {0x0F, 0xAE, 0x0B},
	// vmxon [esp-8] and vmclear [esp-8]
	"vmxon": {0xF3, 0x0F, 0xC7, 0x74, 0x24, 0xF8}, "vmclear": {0x66, 0x0F, 0xC7, 0x74, 0x24, 0xF8},
}

// Op appends an instruction without operands by its mnemonic.
func (a *Asm) Op(name string) {
	b, ok := plain[name]
	if !ok {
		panic("guests: no instruction " + name)
	}
	a.Bytes(b...)
}

// LIDT is LIDT [label].
func (a *Asm) LIDT(label string) { a.Bytes(0x0F, 0x01, 0x1D); a.Addr(label) }

// LGDT is LGDT [label].
func (a *Asm) LGDT(label string) { a.Bytes(0x0F, 0x01, 0x15); a.Addr(label) }

// FarJmp is JMP selector:label.
func (a *Asm) FarJmp(selector uint16, label string) {
	a.Bytes(0xEA)
	a.Addr(label)
	a.Bytes(byte(selector), byte(selector>>8))
}

// SetSegments loads DS, ES and SS from AX.
func (a *Asm) SetSegments() { a.Bytes(0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0) }
