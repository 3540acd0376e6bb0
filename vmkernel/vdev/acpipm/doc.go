// Package acpipm is the fixed ACPI hardware that an operating system needs:
// PM1a event and control registers with S5 (power off), the power button, a
// block of general-purpose events, and the reset register at port 0xCF9. World W2.
//
// # Place in the data path
//
// Guest -> ports -> Host.PowerOff or Host.Reset (the VM's owner); management ->
// PowerButton or Event -> SCI -> guest.
//
// # Specifications
//
// ACPI 6.5, 4.8.3 "Fixed Hardware Registers", 4.8.4.1 "General-Purpose
// Event Register Blocks", 7.4.2 "System \_Sx States";
// reset control register: Intel I/O Controller Hub 9 data sheet (316972-004),
// 13.7.5.
//
// # Decisions
//
//   - There is no legacy mode: SCI_EN reads 1 from reset, the FADT names no
//     SMI command port.
//   - The SCI is level-triggered, active while an enabled status is set.
//   - Only S5 exists; other sleep types are ignored and wake up is never needed.
//
// Locking: one mutex, held while the line is set; Host is called without it.
package acpipm
