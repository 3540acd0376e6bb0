package acpitables

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestImageIsAsEver: the tables of machines without wide IDs stay what they were.
func TestImageIsAsEver(t *testing.T) {
	for want, cfg := range map[string]Config{
		"b7b77c6dc6acdd15": {CPUs: 1, SerialPorts: 4, HPET: true},
		"0f9aabf8b4f38ec9": {CPUs: 64, SerialPorts: 2},
		"94ad9130a18fed3e": {CPUs: 2, MaxCPUs: 64, SerialPorts: 1},
		"1cea9de3f6b32ca7": full(t),
	} {
		image, _, err := Build(cfg, DefaultBase)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%.8x", sha256.Sum256(image)); got != want {
			t.Errorf("%d CPUs of %d: %s, want %s", cfg.CPUs, cfg.MaxCPUs, got, want)
		}
	}
}

// wide is a machine whose processors have the IDs 0, 128, 256 and so on.
func wide(t testing.TB) Config {
	cfg := full(t)
	cfg.IDShift = 7
	return cfg
}

// entries are the structures of a kind in a table's body from its byte at on.
func entries(body []byte, at int, kind byte) (out []string) {
	for e := body[at:]; len(e) > 0; e = e[e[1]:] {
		if e[0] == kind {
			out = append(out, fmt.Sprintf("% x", e[:e[1]]))
		}
	}
	return out
}

// TestWideIDs: processors of which no structure with 8 bits can tell (5.2.12.12,
// 5.2.12.13, 5.2.16.3), those that are there and those that can come.
func TestWideIDs(t *testing.T) {
	cfg := wide(t)
	eq := func(what string, got any, want ...string) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n%v, want\n%v", what, got, want)
		}
	}
	m := madt(cfg)
	eq("local APICs", entries(m, 8, typeLAPIC), "00 08 00 00 01 00 00 00", "00 08 01 80 01 00 00 00")
	eq("x2APICs", entries(m, 8, typeX2APIC),
		"09 10 00 00 00 01 00 00 01 00 00 00 02 00 00 00", "09 10 00 00 80 01 00 00 01 00 00 00 03 00 00 00",
		"09 10 00 00 00 02 00 00 02 00 00 00 04 00 00 00", "09 10 00 00 80 02 00 00 02 00 00 00 05 00 00 00")
	eq("NMI", entries(m, 8, typeNMI), "04 06 ff 00 00 01")
	eq("NMI of x2APICs", entries(m, 8, typeX2NMI), "0a 0c 00 00 ff ff ff ff 01 00 00 00")
	s := srat(cfg)
	eq("affinity", entries(s, 12, sratLAPIC),
		"00 10 00 00 01 00 00 00 00 00 00 00 00 00 00 00", "00 10 00 80 01 00 00 00 00 00 00 00 00 00 00 00")
	eq("x2APICs' affinity", entries(s, 12, sratX2APIC),
		"02 18 00 00 00 00 00 00 00 02 00 00 01 00 00 00 00 00 00 00 00 00 00 00",
		"02 18 00 00 01 00 00 00 00 01 00 00 01 00 00 00 00 00 00 00 00 00 00 00",
		"02 18 00 00 01 00 00 00 80 01 00 00 01 00 00 00 00 00 00 00 00 00 00 00",
		"02 18 00 00 01 00 00 00 80 02 00 00 01 00 00 00 00 00 00 00 00 00 00 00")
	w := walker{t, map[string]aml{}}
	w.terms("", dsdt(cfg))
	for i, want := range []string{"00 08 00 00 01 00 00 00", "00 08 01 80 01 00 00 00", "09 10 00 00 00 01 00 00 01 00 00 00 02 00 00 00"} {
		mat := w.names[fmt.Sprintf("\\_SB_.C%03X._MAT", i)]
		eq("_MAT", []string{fmt.Sprintf("% x", []byte(mat[len(mat)-(len(want)+1)/3:]))}, want)
	}
	if f := fadt(cfg, 0, 0); le.Uint32(f[112-36:])&flagPhysical == 0 {
		t.Error("FADT does not want physical destinations")
	}
	// One that can come is enough, and one ID below the border is none.
	for cpus, want := range map[int]bool{2: false, 3: true} {
		if cfg := (Config{CPUs: 1, MaxCPUs: cpus, IDShift: 7}); cfg.wide() != want || len(entries(madt(cfg), 8, typeX2NMI)) == 1 != want {
			t.Errorf("%d processors can be there: not %v", cpus, want)
		}
	}
	for _, shift := range []uint8{15, 16, 255} {
		_, _, err := Build(Config{CPUs: 4, IDShift: shift}, DefaultBase)
		if errors.Is(err, ErrConfig) != (shift > 15) {
			t.Errorf("shifted by %d: %v", shift, err)
		}
	}
}

// TestWideIDsIASL: the reference compiler reads them as they are meant.
func TestWideIDsIASL(t *testing.T) {
	text, _, _ := disassembled(t, wide(t))
	for table, list := range map[string][]string{
		"apic.aml": {"Subtable Type : 09 [Processor Local x2APIC]", "Processor x2Apic ID : 00000280", "Processor UID : 00000005",
			"Subtable Type : 0A [Local x2APIC NMI]", "Processor UID : FFFFFFFF"},
		"srat.aml": {"Subtable Type : 02 [Processor Local x2APIC Affinity]", "Apic ID : 00000280"},
		"facp.aml": {"Use APIC Physical Destination Mode (V4) : 1"},
	} {
		for _, want := range list {
			if !strings.Contains(text[table], want) {
				t.Errorf("%s has no %s in\n%s", table, want, text[table])
			}
		}
	}
}
