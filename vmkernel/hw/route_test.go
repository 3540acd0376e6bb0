package hw

import (
	"testing"

	"basalt/drivers/acpi"
)

func TestGSI(t *testing.T) {
	// As QEMU writes them: the timer moved, PCI's ISA interrupts level, active
	// high; 9 with an edge that must not be believed for PCI.
	madt := &acpi.MADT{NOverrides: 4, Overrides: [acpi.MaxOverrides]acpi.Override{
		{ISA: 0, GSI: 2}, {ISA: 9, GSI: 9, Flags: 5}, {ISA: 10, GSI: 10, Flags: 0xd}, {ISA: 11, GSI: 20, Flags: 0xd},
	}}
	for _, c := range []struct {
		name              string
		bridge            uint32
		device, pin, line uint8
		gsi               uint32
		low, ok           bool
	}{
		{"i440FX with override", bridgeI440FX, 3, 1, 10, 10, false, true},
		{"i440FX moved", bridgeI440FX, 3, 1, 11, 20, false, true},
		{"i440FX without override (Bochs)", bridgeI440FX, 2, 1, 5, 5, true, true},
		{"i440FX, override of the other kind", bridgeI440FX, 2, 1, 9, 9, true, true},
		{"not routed", bridgeI440FX, 2, 1, 0, 0, false, false},
		{"not connected", bridgeI440FX, 2, 1, 255, 0, false, false},
		{"unknown bridge", 0x12345678, 2, 1, 7, 7, true, true},
		{"Q35 device 2 INTA#", bridgeQ35, 2, 1, 10, 22, true, true},
		{"Q35 device 3 INTB#", bridgeQ35, 3, 2, 10, 20, true, true},
		{"Q35 device 24 INTD#", bridgeQ35, 24, 4, 0, 23, true, true},
		{"Q35 device 30 INTA#", bridgeQ35, 30, 1, 0, 22, true, true},
		{"Q35 device 31 INTB#", bridgeQ35, 31, 2, 0, 17, true, true},
	} {
		g, low, err := gsi(c.bridge, madt, c.device, c.pin, c.line)
		if (err == nil) != c.ok || g != c.gsi || low != c.low {
			t.Errorf("%s: %d %v %v", c.name, g, low, err)
		}
	}
}
