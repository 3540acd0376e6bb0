package acpitables

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"basalt/vmkernel/vdev/pcie"
)

// full is a configuration with everything in it.
func full(t testing.TB) Config {
	t.Helper()
	w, err := pcie.Layout(3<<30, 5<<30, 40)
	if err != nil {
		t.Fatal(err)
	}
	return Config{CPUs: 4, MaxCPUs: 6, SerialPorts: 2, HPET: true, GenerationID: 0xFF000, PCIe: &PCIe{Slots: 18, Fixed: 3, Windows: w},
		NUMA:      []Node{{CPUs: []int{0, 1, 4}, Memory: []Range{{0, 3 << 30}}}, {CPUs: []int{2, 3, 5}, Memory: []Range{{4 << 30, 1 << 30}}}},
		HotMemory: &HotMemory{Range{5 << 30, 3 << 30}, 1}}
}

// written are the tables of a configuration as files.
func written(cfg Config) map[string][]byte {
	return map[string][]byte{
		"dsdt.aml": sdt("DSDT", 2, dsdt(cfg)), "apic.aml": sdt("APIC", 5, madt(cfg)),
		"facp.aml": sdt("FACP", 6, fadt(cfg, 0x1000, 0x2000)), "facs.aml": buildFACS(),
		"mcfg.aml": sdt("MCFG", 1, mcfg(&PCIe{Slots: 18})), "srat.aml": sdt("SRAT", 3, srat(cfg)), "slit.aml": sdt("SLIT", 1, slit(len(cfg.NUMA))), "hpet.aml": sdt("HPET", 1, hpet()),
		"spcr.aml": sdt("SPCR", 2, spcr()),
	}
}

// disassembled has the reference compiler take every table apart, where it is installed
// (acpica-tools). It gives the texts and where the files are.
func disassembled(t *testing.T, cfg Config) (text map[string]string, iasl, dir string) {
	t.Helper()
	iasl, err := exec.LookPath("iasl")
	if err != nil {
		t.Skip("iasl is not installed")
	}
	dir, text = t.TempDir(), map[string]string{}
	for n, b := range written(cfg) {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(iasl, "-d", n)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "Error") || strings.Contains(string(out), "Warning") {
			t.Errorf("%s: %v\n%s", n, err, out)
		}
		dsl, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(n, ".aml")+".dsl"))
		if err != nil {
			t.Fatal(err)
		}
		text[n] = string(dsl)
	}
	return text, iasl, dir
}

// TestIASL has it put the DSDT together again, too.
func TestIASL(t *testing.T) {
	text, iasl, dir := disassembled(t, full(t))
	cmd := exec.Command(iasl, "-p", "again", "dsdt.dsl")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 Errors, 0 Warnings") {
		t.Errorf("compile: %v\n%s", err, out)
	}
	for _, want := range []string{
		`Name (_HID, EisaId ("PNP0A08")`, "ToUUID (\"33db4d5b-1ff7-401c-9657-7441c03dd766\")", "Method (_OSC, 4, NotSerialized)",
		"0xE0000000,         // Address Base", "Device (RP11)", "Name (_ADR, 0x00120001)", "Method (_E00, 0, NotSerialized)",
		`Notify (\_SB.VGEN, 0x80)`, `"VM_Gen_Counter"`,
		"OperationRegion (CPUR, SystemIO, 0x0620, 0x05)", "Method (CPUX, 2, Serialized)", "Device (C005)", "If ((CPUX (0x05, Zero) & One))",
		"Method (_E01, 0, NotSerialized)", `If ((\_SB.CPUX (0x05, One) & 0x02))`, `Notify (\_SB.C005, One)`, "0x000000C000000000, // Range Minimum", "0xFED00000,         // Address Base",
	} {
		if !strings.Contains(text["dsdt.aml"], want) {
			t.Errorf("DSDT has no %s", want)
		}
	}
	for _, want := range []string{
		"OperationRegion (MEMR, SystemIO, 0x0A00, 0x18)", "Offset (0x14)", "Method (MEMX, 4, Serialized)", "Device (M01F)",
		"QWordMemory (ResourceConsumer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite", "Name (_PXM, One)",
		"CreateQWordField (MRES, \\_SB.MEMX._Y", "Return (MEMX (0x1F, 0x02, Zero, Zero))", "MEMX (0x1F, 0x03, Arg0, Arg1)",
		"Method (_E03, 0, NotSerialized)", `If ((\_SB.MEMX (0x1F, One, Zero, Zero) & 0x02))`, `Notify (\_SB.M01F, One)`,
	} {
		if !strings.Contains(text["dsdt.aml"], want) {
			t.Errorf("DSDT has no %s", want)
		}
	}
	for table, list := range map[string][]string{
		"srat.aml": {"Proximity Domain Low(8) : 01", "Base Address : 0000000140000000", "Address Length : 00000000C0000000", "Hot Pluggable : 1"},
		"slit.aml": {"Localities : 0000000000000002", "Locality   0 : 0A 14", "Locality   1 : 14 0A"},
	} {
		for _, want := range list {
			if !strings.Contains(text[table], want) {
				t.Errorf("%s has no %s in\n%s", table, want, text[table])
			}
		}
	}
	for _, want := range []string{"Interface Type : 00", "Interrupt Type : 03", "PCAT-compatible IRQ : 04", "Baud Rate : 07", "00000000000003F8"} {
		if !strings.Contains(text["spcr.aml"], want) {
			t.Errorf("SPCR has no %s in\n%s", want, text["spcr.aml"])
		}
	}
	if t.Failed() {
		t.Log(text["dsdt.aml"])
	}
}
