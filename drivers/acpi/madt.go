package acpi

// Sizes of the fixed arrays of MADT.
const (
	MaxCPUs      = 512
	MaxIOAPICs   = 16
	MaxOverrides = 32
	MaxNMIs      = 16
)

// Interrupt controller structure types, section 5.2.12, table 5.20.
const (
	madtLocalAPIC     = 0
	madtIOAPIC        = 1
	madtOverride      = 2
	madtNMISource     = 3
	madtLocalNMI      = 4
	madtLocalAddress  = 5
	madtLocalX2APIC   = 9
	madtLocalX2NMI    = 10
	madtBody          = 44
	flagEnabled       = 1 << 0
	flagOnlineCapable = 1 << 1
)

// CPU is one processor. One that is not Enabled must not be started.
type CPU struct {
	APICID  uint32
	UID     uint32
	Enabled bool
	// OnlineCapable: not enabled now, but could be added at run time.
	OnlineCapable bool
}

// IOAPIC is one I/O APIC with the first global interrupt number of its pins.
type IOAPIC struct {
	ID      uint8
	Addr    uint32
	GSIBase uint32
}

// Override says that an ISA interrupt arrives at another pin or with another
// polarity or trigger than the bus defines (edge, active high).
type Override struct {
	ISA   uint8
	GSI   uint32
	Flags uint16
}

// ActiveLow and Level decode MPS INTI flags, table 5.25; "conforms to the bus"
// is ISA's edge and active high.
func (o Override) ActiveLow() bool { return o.Flags&3 == 3 }

// Level says that the line is level-triggered.
func (o Override) Level() bool { return o.Flags>>2&3 == 3 }

// LocalNMI is a local interrupt pin wired to NMI. UID AllCPUs means all.
type LocalNMI struct {
	UID   uint32
	Flags uint16
	LINT  uint8
}

// AllCPUs is the UID of a LocalNMI that holds for every processor.
const AllCPUs = ^uint32(0)

// MADT is the Multiple APIC Description Table, section 5.2.12.
type MADT struct {
	LocalAPIC  uint64 // physical address
	LegacyPICs bool   // PCAT_COMPAT: 8259s are there and must be masked

	CPUs      [MaxCPUs]CPU
	IOAPICs   [MaxIOAPICs]IOAPIC
	Overrides [MaxOverrides]Override
	NMIs      [MaxNMIs]LocalNMI

	NCPUs, NIOAPICs, NOverrides, NNMIs int
	// Dropped counts structures beyond the arrays, duplicates and broken ones.
	Dropped int
}

// Parse reads a whole table, header included, as Tables.Find gives it. On an
// error the MADT is what was read until there.
func (t *MADT) Parse(b []byte) error {
	*t = MADT{}
	if len(b) < madtBody {
		return ErrLength
	}
	if string(b[:4]) != "APIC" {
		return ErrSignature
	}
	t.LocalAPIC = uint64(le32(b[36:]))
	t.LegacyPICs = le32(b[40:])&1 != 0
	for b = b[madtBody:]; len(b) > 0; {
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return ErrLength
		}
		if !t.entry(b[0], b[:b[1]]) {
			t.Dropped++
		}
		b = b[b[1]:]
	}
	return nil
}

func (t *MADT) entry(kind uint8, e []byte) bool {
	switch kind {
	case madtLocalAPIC:
		if len(e) < 8 {
			return false
		}
		return t.cpu(uint32(e[3]), uint32(e[2]), le32(e[4:]))
	case madtLocalX2APIC:
		if len(e) < 16 {
			return false
		}
		return t.cpu(le32(e[4:]), le32(e[12:]), le32(e[8:]))
	case madtIOAPIC:
		if len(e) < 12 || t.NIOAPICs == MaxIOAPICs {
			return false
		}
		t.IOAPICs[t.NIOAPICs] = IOAPIC{e[2], le32(e[4:]), le32(e[8:])}
		t.NIOAPICs++
	case madtOverride:
		if len(e) < 10 || t.NOverrides == MaxOverrides || e[2] != 0 {
			return false
		}
		t.Overrides[t.NOverrides] = Override{e[3], le32(e[4:]), le16(e[8:])}
		t.NOverrides++
	case madtLocalNMI:
		if len(e) < 6 {
			return false
		}
		uid := uint32(e[2])
		if uid == 0xff {
			uid = AllCPUs
		}
		return t.nmi(LocalNMI{uid, le16(e[3:]), e[5]})
	case madtLocalX2NMI:
		if len(e) < 9 {
			return false
		}
		return t.nmi(LocalNMI{le32(e[4:]), le16(e[2:]), e[8]})
	case madtLocalAddress:
		if len(e) < 12 {
			return false
		}
		t.LocalAPIC = le64(e[4:])
	}
	return true
}

// cpu records a processor. Firmware lists absent ones without either flag, and
// may list one with an ID below 255 in both forms: the first holds.
func (t *MADT) cpu(id, uid, flags uint32) bool {
	if flags&(flagEnabled|flagOnlineCapable) == 0 || id == ^uint32(0) {
		return true
	}
	for i := range t.CPUs[:t.NCPUs] {
		if t.CPUs[i].APICID == id {
			return false
		}
	}
	if t.NCPUs == MaxCPUs {
		return false
	}
	t.CPUs[t.NCPUs] = CPU{id, uid, flags&flagEnabled != 0, flags&flagOnlineCapable != 0}
	t.NCPUs++
	return true
}

func (t *MADT) nmi(n LocalNMI) bool {
	if t.NNMIs == MaxNMIs {
		return false
	}
	t.NMIs[t.NNMIs] = n
	t.NNMIs++
	return true
}

// GSI maps an ISA interrupt number to its global number and says how it is wired.
func (t *MADT) GSI(isa uint8) (gsi uint32, level, activeLow bool) {
	for _, o := range t.Overrides[:t.NOverrides] {
		if o.ISA == isa {
			return o.GSI, o.Level(), o.ActiveLow()
		}
	}
	return uint32(isa), false, false
}
