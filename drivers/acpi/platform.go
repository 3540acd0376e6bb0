package acpi

// MaxSegments bounds the ECAM windows of MCFG.
const MaxSegments = 16

// Segment is one ECAM window: bus b has its 1 MiB at Base + b<<20.
type Segment struct {
	Base       uint64
	Group      uint16
	Start, End uint8
}

// MCFG lists the ECAM windows.
type MCFG struct {
	Segments [MaxSegments]Segment
	N        int
	Dropped  int
}

// Parse reads a whole table as Tables.Find gives it. Windows with crossed bus
// numbers or an address that is not aligned to 1 MiB are dropped.
func (t *MCFG) Parse(b []byte) error {
	*t = MCFG{}
	if len(b) < 44 {
		return ErrLength
	}
	if string(b[:4]) != "MCFG" {
		return ErrSignature
	}
	for b = b[44:]; len(b) >= 16; b = b[16:] {
		s := Segment{le64(b), le16(b[8:]), b[10], b[11]}
		if s.Start > s.End || s.Base == 0 || s.Base&(1<<20-1) != 0 || s.Base > 1<<52 || t.N == MaxSegments {
			t.Dropped++
			continue
		}
		t.Segments[t.N] = s
		t.N++
	}
	return nil
}

// HPET is the event timer block.
type HPET struct {
	Addr    uint64
	ID      uint32 // event timer block ID
	MinTick uint16
}

// Parse reads a whole table as Tables.Find gives it.
func (t *HPET) Parse(b []byte) error {
	*t = HPET{}
	if len(b) < 56 {
		return ErrLength
	}
	if string(b[:4]) != "HPET" {
		return ErrSignature
	}
	g := gas(b[40:])
	if g.Space != SpaceMemory || g.Addr == 0 || g.Addr&0x3ff != 0 {
		return ErrUnmapped
	}
	*t = HPET{g.Addr, le32(b[36:]), le16(b[53:])}
	return nil
}

// Address spaces of a generic address, section 5.2.3.2.
const (
	SpaceMemory = 0
	SpaceIO     = 1
)

// Register is a generic address: where one hardware register is.
type Register struct {
	Space uint8
	Width uint8 // bits
	Addr  uint64
}

func gas(b []byte) Register { return Register{b[0], b[1], le64(b[4:])} }

// FADT is what we use of the Fixed ACPI Description Table, section 5.2.9.
type FADT struct {
	DSDT       uint64
	SCI        uint16
	PMTimer    Register // Addr 0: none
	PMTimer32  bool     // the counter has 32 bits, not 24
	PM1aCnt    Register // Addr 0: none
	PM1bCnt    Register
	Reset      Register // Addr 0: none
	ResetValue uint8
	Flags      uint32
	BootArch   uint16
}

// FADT flags, table 5.10.
const (
	flagTimer32       = 1 << 8
	flagReset         = 1 << 10
	FADTHWReduced     = 1 << 20
	fadtSize1         = 116
	fadtResetEnd      = 129
	fadtXDSDTEnd      = 148
	fadtXPM1aEnd      = 184
	fadtXPM1bEnd      = 196
	fadtXPMTimerEnd   = 220
	BootArchNo8042Bit = 1 // BootArch: bit 1 clear means no 8042 keyboard controller
)

// Parse reads a whole table as Tables.Find gives it. Older and shorter tables
// leave what they do not have zero; 64-bit addresses win over 32-bit ones.
func (t *FADT) Parse(b []byte) error {
	*t = FADT{}
	if len(b) < fadtSize1 {
		return ErrLength
	}
	if string(b[:4]) != "FACP" {
		return ErrSignature
	}
	t.DSDT = uint64(le32(b[40:]))
	t.SCI = le16(b[46:])
	t.Flags = le32(b[112:])
	t.BootArch = le16(b[109:])
	t.PMTimer32 = t.Flags&flagTimer32 != 0
	t.PM1aCnt = portBlock(le32(b[64:]), b[89])
	t.PM1bCnt = portBlock(le32(b[68:]), b[89])
	t.PMTimer = portBlock(le32(b[76:]), b[91])
	if len(b) >= fadtResetEnd && t.Flags&flagReset != 0 {
		t.Reset, t.ResetValue = gas(b[116:]), b[128]
	}
	if len(b) >= fadtXDSDTEnd && le64(b[140:]) != 0 {
		t.DSDT = le64(b[140:])
	}
	if len(b) >= fadtXPM1aEnd {
		t.PM1aCnt = prefer(gas(b[172:]), t.PM1aCnt)
	}
	if len(b) >= fadtXPM1bEnd {
		t.PM1bCnt = prefer(gas(b[184:]), t.PM1bCnt)
	}
	if len(b) >= fadtXPMTimerEnd {
		t.PMTimer = prefer(gas(b[208:]), t.PMTimer)
	}
	return nil
}

func portBlock(port uint32, length uint8) Register {
	if port == 0 || port > 0xffff || length == 0 {
		return Register{}
	}
	return Register{SpaceIO, min(length, 4) * 8, uint64(port)}
}

func prefer(x, old Register) Register {
	if x.Addr == 0 || x.Space > SpaceIO || x.Space == SpaceIO && x.Addr > 0xffff {
		return old
	}
	return x
}
