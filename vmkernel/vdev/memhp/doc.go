// Package memhp is the register block through which a guest learns which memory devices
// its machine has, and which are new. World W2.
//
// # Place in the data path
//
// Management -> Add -> general-purpose event (acpipm) -> the guest's AML -> ports here ->
// Notify of the memory device -> the guest reads its resources through AML and ports
// here, takes the memory into use and says so by _OST.
//
// # Interface
//
// That of QEMU's documentation, "QEMU<->ACPI BIOS memory hotplug interface"
// (docs/specs/acpi_mem_hotplug), at its customary place; AML made by package acpitables
// drives it. ACPI 6.5, 9.11 (memory devices), 5.6.6 (device check) and 6.3.5 (_OST) say
// what the AML does with it. Of the selected slot:
//
//	read   Base+0x00  address, 64 bits        write  Base+0x00  selects a slot, 32 bits
//	       Base+0x08  size in bytes, 64 bits         Base+0x04  _OST event, 32 bits
//	       Base+0x10  proximity domain, 32 bits      Base+0x08  _OST status, 32 bits
//	       Base+0x14  flags, 8 bits                  Base+0x14  flags, 8 bits
//
// Flags: bit 0 the device is there; bit 1 it came since bit 1 was written as 1. Reads are
// of 1, 2 or 4 bytes; what is not named above reads 0, and writing it does nothing. A
// slot that no machine can have reads 0.
//
// # Decisions
//
//   - Slots fill in order and are never emptied: all writes of bits 2 and 3, which ask
//     for the removal of a device, do nothing.
//
//   - The first _OST status of each device is handed on, and no more of it: a guest
//     cannot fill the host's log.
//
// Locking: one mutex; Config.Took is called without it.
//
// Not supported: taking memory away.
package memhp
