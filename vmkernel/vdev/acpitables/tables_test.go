package acpitables

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func table(t *testing.T, image []byte, base, at uint64, sig string) []byte {
	t.Helper()
	off := at - base
	if off+36 > uint64(len(image)) || string(image[off:off+4]) != sig {
		t.Fatalf("no %s at %#x", sig, at)
	}
	b := image[off : off+uint64(le.Uint32(image[off+4:]))]
	s := byte(0)
	for _, v := range b {
		s += v
	}
	if s != 0 && sig != "FACS" {
		t.Errorf("%s: bad checksum", sig)
	}
	return b
}

func total(b []byte) (s byte) {
	for _, v := range b {
		s += v
	}
	return
}

func TestChain(t *testing.T) {
	for _, cpus := range []int{1, 4, 255, 300, MaxCPUs} {
		image, rsdp, err := Build(Config{CPUs: cpus, SerialPorts: 2}, DefaultBase)
		if err != nil {
			t.Fatal(err)
		}
		r := image[rsdp-DefaultBase:]
		if string(r[:8]) != "RSD PTR " || total(r[:20]) != 0 || total(r[:36]) != 0 || r[15] != 2 {
			t.Fatal("RSDP")
		}
		x := table(t, image, DefaultBase, le.Uint64(r[24:]), "XSDT")
		f := table(t, image, DefaultBase, le.Uint64(x[36:]), "FACP")
		m := table(t, image, DefaultBase, le.Uint64(x[44:]), "APIC")
		table(t, image, DefaultBase, le.Uint64(f[140:]), "DSDT")
		facs := uint64(le.Uint32(f[36:]))
		table(t, image, DefaultBase, facs, "FACS")
		if facs%64 != 0 || len(f) != 276 || f[8] != 6 {
			t.Error("FACS alignment, FADT size or revision")
		}
		count := map[byte]int{}
		for e := m[44:]; len(e) > 0; e = e[e[1]:] {
			if e[1] < 2 || int(e[1]) > len(e) {
				t.Fatal("MADT entry")
			}
			count[e[0]]++
		}
		if count[typeLAPIC]+count[typeX2APIC] != cpus || count[typeIOAPIC] != 1 || count[typeOverride] != 2 {
			t.Errorf("%d CPUs: MADT %v", cpus, count)
		}
		if cpus <= 4 && uint64(len(image)) > 0x2_0000 {
			t.Error("does not fit into the BIOS area")
		}
	}
}

func TestFADT(t *testing.T) {
	f := sdt("FACP", 6, fadt(Config{CPUs: 1}, 0x1000, 0x2000))
	for name, c := range map[string]struct {
		off  int
		want []byte
	}{
		"SCI_INT":        {46, []byte{9, 0}},
		"SMI_CMD":        {48, []byte{0, 0, 0, 0}},
		"PM1a_EVT_BLK":   {56, []byte{0, 6, 0, 0}},
		"PM1a_CNT_BLK":   {64, []byte{4, 6, 0, 0}},
		"PM_TMR_BLK":     {76, []byte{8, 6, 0, 0}},
		"lengths":        {88, []byte{4, 2, 0, 4}},
		"CENTURY":        {108, []byte{0x32}},
		"IAPC_BOOT_ARCH": {109, []byte{5, 0}}, // legacy devices, no VGA, no 8042
		"Flags":          {112, []byte{0x65, 0x05, 0, 0}},
		"RESET_REG":      {116, []byte{1, 8, 0, 1, 0xF9, 0x0C, 0, 0, 0, 0, 0, 0}},
		"RESET_VALUE":    {128, []byte{6}},
		"X_PM_TMR_BLK":   {208, []byte{1, 32, 0, 3, 8, 6, 0, 0}},
	} {
		if got := f[c.off : c.off+len(c.want)]; !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", name, got, c.want)
		}
	}
}

func TestAML(t *testing.T) {
	for name, c := range map[string]struct {
		got  aml
		want string
	}{
		"EISAID":         {eisaID("PNP0501"), "\x0c\x41\xd0\x05\x01"},
		"zero, one":      {join(integer(0), integer(1)), "\x00\x01"},
		"byte":           {integer(0x0F), "\x0a\x0f"},
		"word":           {integer(0x1234), "\x0b\x34\x12"},
		"dword":          {integer(0x12345678), "\x0c\x78\x56\x34\x12"},
		"qword":          {integer(1 << 32), "\x0e\x00\x00\x00\x00\x01\x00\x00\x00"},
		"S5":             {name("\\_S5", pkg(integer(5), integer(5), integer(0), integer(0))), "\x08\\_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00\x00"},
		"device":         {device("RTC"), "\x5b\x82\x05RTC_"},
		"scope, dual":    {scope("\\_SB.PCI0"), "\x10\x0b\\\x2e_SB_PCI0"},
		"string":         {str("AB"), "\x0dAB\x00"},
		"short length":   {pkgLength(make(aml, 62))[:1], "\x3f"},
		"length 2 bytes": {pkgLength(make(aml, 63))[:2], "\x41\x04"},
		"length 3 bytes": {pkgLength(make(aml, 4094))[:3], "\x81\x00\x01"},
		"length 4 bytes": {pkgLength(make(aml, 1<<20))[:4], "\xc4\x00\x00\x01"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %x, want %x", name, c.got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		base uint64
	}{
		{Config{}, DefaultBase}, {Config{CPUs: MaxCPUs + 1}, DefaultBase}, {Config{CPUs: 1, SerialPorts: 5}, DefaultBase},
		{Config{CPUs: 1}, 1}, {Config{CPUs: 1}, 1 << 33},
	} {
		if _, _, err := Build(c.cfg, c.base); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v at %#x: %v", c.cfg, c.base, err)
		}
	}
}

// TestWrite writes the tables for a look with iasl: ACPI_DUMP=folder go test.
func TestWrite(t *testing.T) {
	dir := os.Getenv("ACPI_DUMP")
	if dir == "" {
		t.Skip("ACPI_DUMP is not set")
	}
	for n, b := range written(full(t)) {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
