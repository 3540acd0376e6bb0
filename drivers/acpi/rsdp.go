package acpi

type rsdp struct {
	oem  [6]byte
	rsdt uint64
	xsdt uint64
}

func readRSDP(m Memory, pa uint64) (p rsdp, err error) {
	b := m.View(pa, rsdpSize1)
	if len(b) != rsdpSize1 || string(b[:8]) != "RSD PTR " || sum(b) != 0 {
		return p, ErrNoRSDP
	}
	p.oem = [6]byte(b[9:15])
	p.rsdt = uint64(le32(b[16:]))
	if b[15] < 2 {
		return p, nil
	}
	// The extended checksum covers the length that the table itself gives; the
	// fields that exist lie in the first 36 bytes. A broken extension leaves the
	// RSDT, which the first checksum has vouched for.
	if b = m.View(pa, rsdpSize2); len(b) == rsdpSize2 {
		n := le32(b[20:])
		if n >= rsdpSize2 && n <= 4096 {
			if all := m.View(pa, int(n)); uint32(len(all)) == n && sum(all) == 0 {
				p.xsdt = le64(b[24:])
			}
		}
	}
	return p, nil
}

// Scan looks for an RSDP where PC firmware leaves it when the boot loader said
// nothing (section 5.2.5.1): the first KiB of the EBDA and 0xE0000-0xFFFFF.
func Scan(m Memory) (pa uint64, err error) {
	if b := m.View(0x40e, 2); len(b) == 2 {
		ebda := uint64(le16(b)) << 4
		if ebda >= 0x400 && ebda < 0xa0000 {
			if pa, ok := scan(m, ebda, 1024); ok {
				return pa, nil
			}
		}
	}
	if pa, ok := scan(m, 0xe0000, 0x20000); ok {
		return pa, nil
	}
	return 0, ErrNoRSDP
}

func scan(m Memory, from uint64, n int) (uint64, bool) {
	for off := uint64(0); off < uint64(n); off += 16 {
		if b := m.View(from+off, 8); len(b) == 8 && string(b) == "RSD PTR " {
			if _, err := readRSDP(m, from+off); err == nil {
				return from + off, true
			}
		}
	}
	return 0, false
}
