package info

const (
	rsdpSize1 = 20 // ACPI 1.0: up to the RSDT address
	rsdpSize2 = 36
)

// setRSDP takes the root pointer at pa if it is one.
func (f *Facts) setRSDP(read Reader, pa uint64) bool {
	b, ok := f.get(read, pa, rsdpSize1)
	if !ok {
		return false
	}
	if string(b[:8]) != "RSD PTR " || sum(b) != 0 {
		f.Flags |= BadRSDP
		return false
	}
	n := rsdpSize1
	if b[15] >= 2 { // revision
		if b, ok = f.get(read, pa, rsdpSize2); !ok {
			return false
		}
		if sum(b) != 0 {
			f.Flags |= BadRSDP
			return false
		}
		n = rsdpSize2
	}
	f.RSDP, f.RSDPLen = pa, copy(f.RSDPCopy[:], b[:n])
	return true
}

// RootTable gives the physical address of the XSDT (xsdt true) or, on a machine
// that has none, of the RSDT. 0 means no ACPI.
func (f *Facts) RootTable() (pa uint64, xsdt bool) {
	if f.RSDPLen == rsdpSize2 {
		if a := u64(f.RSDPCopy[:], 24); a != 0 {
			return a, true
		}
	}
	if f.RSDPLen == 0 {
		return 0, false
	}
	return uint64(u32(f.RSDPCopy[:], 16)), false
}

// FindRSDP looks where a BIOS keeps its root pointer (ACPI 6.5, section
// 5.2.5.1), for loaders that gave none. It does nothing if there is one.
func (f *Facts) FindRSDP(read Reader) bool {
	if f.RSDPLen != 0 {
		return true
	}
	if b, ok := f.get(read, 0x40e, 2); ok { // segment of the extended BIOS data area
		if ebda := uint64(u16(b, 0)) << 4; ebda >= 0x400 && f.scanRSDP(read, ebda, ebda+1024) {
			return true
		}
	}
	return f.scanRSDP(read, 0xe0000, 0x100000)
}

func (f *Facts) scanRSDP(read Reader, from, to uint64) bool {
	for pa := from &^ 15; pa < to; pa += 16 {
		b, ok := f.get(read, pa, 8)
		if !ok {
			return false
		}
		if string(b) == "RSD PTR " && f.setRSDP(read, pa) {
			return true
		}
	}
	return false
}

func sum(b []byte) (s byte) {
	for _, c := range b {
		s += c
	}
	return s
}
