package acpitables

import (
	"fmt"

	"basalt/vmkernel/vdev/acpipm"
)

// The virtual machine generation ID (Microsoft, "Virtual Machine Generation ID",
// August 2012): 16 bytes in guest memory that no other machine state has had, and
// Notify 0x80 when they changed. They stand in a page of their own that the memory
// map calls reserved or ACPI NVS.

func checkGenerationID(at uint64) error {
	if at%4096 != 0 || at >= 1<<52 {
		return fmt.Errorf("acpitables: generation ID at %#x: %w", at, ErrConfig)
	}
	return nil
}

// generationID is the device; ADDR is the address, low half first.
func generationID(at uint64) aml {
	if at == 0 {
		return nil
	}
	return device("VGEN",
		name("_HID", str("BSLT0001")),
		// Operating systems that take 8 characters know it by the second.
		name("_CID", pkg(str("VM_Gen_Counter"), str("VMGENCTR"))),
		name("_DDN", str("VM_Gen_Counter")),
		name("ADDR", pkg(integer(at&0xFFFF_FFFF), integer(at>>32))))
}

// generationEvent is the handler of its general-purpose event.
func generationEvent(at uint64) aml {
	if at == 0 {
		return nil
	}
	return scope("\\_GPE", method(fmt.Sprintf("_E%02X", acpipm.GPEGenerationID), 0, notify(path("\\_SB.VGEN"), integer(0x80))))
}
