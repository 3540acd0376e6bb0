package acpi

// Memory is physical memory as the reader sees it.
type Memory interface {
	// View gives n bytes at physical address pa, or nil if any of them may not
	// be read. The view is only read and not kept.
	View(pa uint64, n int) []byte
}

// Error is a reason why a table was refused.
type Error string

func (e Error) Error() string { return string(e) }

// The reasons.
const (
	ErrNoRSDP    Error = "acpi: no valid RSDP"
	ErrNoRoot    Error = "acpi: neither XSDT nor RSDT is valid"
	ErrUnmapped  Error = "acpi: table outside readable memory"
	ErrLength    Error = "acpi: table length is impossible"
	ErrChecksum  Error = "acpi: table checksum is wrong"
	ErrSignature Error = "acpi: wrong table signature"
	ErrAbsent    Error = "acpi: no such table"
)

const (
	headerSize = 36 // section 5.2.6
	rsdpSize1  = 20 // revision 0
	rsdpSize2  = 36 // revision 2 and later

	// MaxTables is how many tables of the root table are looked at.
	MaxTables = 64
	// maxTable bounds one table: the largest real ones (DSDT) are below 1 MiB.
	maxTable = 4 << 20
)

// Table says where one table is.
type Table struct {
	Signature [4]byte
	Revision  uint8
	Addr      uint64
	Length    uint32
}

// Tables is the list from the root table.
type Tables struct {
	OEM     [6]byte
	List    [MaxTables]Table
	N       int
	Dropped int // entries that were unreadable, or past MaxTables
}

// Load reads the RSDP at physical address rsdp and the root table behind it.
// A table whose header cannot be read is dropped and counted, not fatal.
func (t *Tables) Load(m Memory, rsdp uint64) error {
	*t = Tables{}
	p, err := readRSDP(m, rsdp)
	if err != nil {
		return err
	}
	t.OEM = p.oem
	if p.xsdt != 0 && t.root(m, p.xsdt, "XSDT", 8) == nil {
		return nil
	}
	if p.rsdt != 0 && t.root(m, p.rsdt, "RSDT", 4) == nil {
		return nil
	}
	return ErrNoRoot
}

func (t *Tables) root(m Memory, pa uint64, sig string, width int) error {
	b, err := body(m, pa, sig)
	if err != nil {
		return err
	}
	t.N, t.Dropped = 0, 0
	for b = b[headerSize:]; len(b) >= width; b = b[width:] {
		a := uint64(le32(b))
		if width == 8 {
			a = le64(b)
		}
		h := m.View(a, headerSize)
		if len(h) != headerSize || t.N == MaxTables {
			t.Dropped++
			continue
		}
		t.List[t.N] = Table{[4]byte(h[:4]), h[8], a, le32(h[4:])}
		t.N++
	}
	return nil
}

// Find gives the bytes of the first table with this signature, header included,
// after length and checksum were checked.
func (t *Tables) Find(m Memory, sig string) ([]byte, error) {
	for i := range t.List[:t.N] {
		if len(sig) == 4 && string(t.List[i].Signature[:]) == sig {
			return body(m, t.List[i].Addr, sig)
		}
	}
	return nil, ErrAbsent
}

// body checks a table in memory: signature, length, checksum.
func body(m Memory, pa uint64, sig string) ([]byte, error) {
	h := m.View(pa, headerSize)
	if len(h) != headerSize {
		return nil, ErrUnmapped
	}
	if string(h[:4]) != sig {
		return nil, ErrSignature
	}
	n := le32(h[4:])
	if n < headerSize || n > maxTable {
		return nil, ErrLength
	}
	b := m.View(pa, int(n))
	if uint32(len(b)) != n {
		return nil, ErrUnmapped
	}
	if sum(b) != 0 {
		return nil, ErrChecksum
	}
	return b, nil
}

func sum(b []byte) (s uint8) {
	for _, c := range b {
		s += c
	}
	return s
}

func le16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
func le32(b []byte) uint32 { return uint32(le16(b)) | uint32(le16(b[2:]))<<16 }
func le64(b []byte) uint64 { return uint64(le32(b)) | uint64(le32(b[4:]))<<32 }
