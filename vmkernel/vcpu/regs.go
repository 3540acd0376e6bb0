package vcpu

import (
	"fmt"
	"strings"
)

// Flags of RFLAGS (SDM Vol. 1, 3.4.3).
const (
	FlagCF = 1 << 0
	FlagPF = 1 << 2
	FlagAF = 1 << 4
	FlagZF = 1 << 6
	FlagSF = 1 << 7
	FlagTF = 1 << 8
	FlagIF = 1 << 9
	FlagDF = 1 << 10
	FlagOF = 1 << 11
	FlagRF = 1 << 16
	FlagVM = 1 << 17
)

// Bits of CR0, CR4 and EFER (SDM Vol. 3A, 2.5, 2.2.1).
const (
	CR0PE = 1 << 0
	CR0MP = 1 << 1
	CR0EM = 1 << 2
	CR0TS = 1 << 3
	CR0ET = 1 << 4
	CR0NE = 1 << 5
	CR0WP = 1 << 16
	CR0AM = 1 << 18
	CR0NW = 1 << 29
	CR0CD = 1 << 30
	CR0PG = 1 << 31

	CR4DE       = 1 << 3
	CR4PSE      = 1 << 4
	CR4PAE      = 1 << 5
	CR4PGE      = 1 << 7
	CR4OSFXSR   = 1 << 9
	CR4UMIP     = 1 << 11
	CR4LA57     = 1 << 12
	CR4FSGSBASE = 1 << 16
	CR4PCIDE    = 1 << 17
	CR4OSXSAVE  = 1 << 18
	CR4SMEP     = 1 << 20
	CR4SMAP     = 1 << 21

	EFERSCE   = 1 << 0
	EFERLME   = 1 << 8
	EFERLMA   = 1 << 10
	EFERNXE   = 1 << 11
	EFERFFXSR = 1 << 14
)

// Attributes of Segment.Attr.
const (
	AttrS        = 1 << 4
	AttrP        = 1 << 7
	AttrL        = 1 << 13
	AttrDB       = 1 << 14
	AttrG        = 1 << 15
	AttrUnusable = 1 << 16
)

// CPL is the current privilege level.
func (s *System) CPL() uint8 { return uint8(s.SS.Attr >> 5 & 3) }

// Long says that the processor executes 64-bit code.
func (s *System) Long() bool { return s.EFER&EFERLMA != 0 && s.CS.Attr&AttrL != 0 }

// Bits is the size of code in bits: 16, 32 or 64.
func (s *System) Bits() int {
	switch {
	case s.Long():
		return 64
	case s.CS.Attr&AttrDB != 0:
		return 32
	}
	return 16
}

func (t Segment) String() string {
	return fmt.Sprintf("%04x base %x limit %x attr %x", t.Selector, t.Base, t.Limit, t.Attr)
}

var gprNames = [NumGPR]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

// Dump is a text of all registers for a log or a crash reason. Values are the
// guest's: it goes to the machine's owner only.
func Dump(r *Regs, s *System) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rip %x rflags %x", r.RIP, r.RFLAGS)
	for i, v := range r.GPR {
		fmt.Fprintf(&b, " %s %x", gprNames[i], v)
	}
	fmt.Fprintf(&b, "; cr0 %x cr2 %x cr3 %x cr4 %x cr8 %x efer %x", s.CR0, s.CR2, s.CR3, s.CR4, s.CR8, s.EFER)
	for _, seg := range []struct {
		name string
		s    Segment
	}{{"cs", s.CS}, {"ss", s.SS}, {"ds", s.DS}, {"es", s.ES}, {"fs", s.FS}, {"gs", s.GS}, {"tr", s.TR}, {"ldtr", s.LDTR}} {
		fmt.Fprintf(&b, "; %s %v", seg.name, seg.s)
	}
	fmt.Fprintf(&b, "; gdtr %x/%x idtr %x/%x", s.GDTR.Base, s.GDTR.Limit, s.IDTR.Base, s.IDTR.Limit)
	return b.String()
}

// ResetState fills r and s with the state after power-on or INIT (SDM Vol. 3A,
// Table 10-1). XCR0 and the like are as after power-on.
func ResetState(r *Regs, s *System, signature uint32) {
	*r = Regs{RIP: 0xfff0, RFLAGS: 2}
	r.GPR[RDX] = uint64(signature)
	data := Segment{Limit: 0xffff, Attr: 0x93}
	*s = System{
		CR0: CR0CD | CR0NW | CR0ET, PAT: patReset, DR6: 0xffff0ff0, DR7: 0x400,
		ES: data, SS: data, DS: data, FS: data, GS: data,
		CS:   Segment{Base: 0xffff0000, Limit: 0xffff, Attr: 0x9b, Selector: 0xf000},
		LDTR: Segment{Limit: 0xffff, Attr: 0x82}, TR: Segment{Limit: 0xffff, Attr: 0x8b},
		GDTR: Table{Limit: 0xffff}, IDTR: Table{Limit: 0xffff},
		XCR0: 1,
	}
}
