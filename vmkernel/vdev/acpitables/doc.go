// Package acpitables builds the ACPI tables of a virtual machine: RSDP, XSDT,
// FADT, FACS, MADT and a DSDT in AML. World W2; pure functions, no state.
//
// # Place in the data path
//
// The loader writes the image into guest memory before the start (or firmware
// fetches it) and tells the guest where the RSDP is.
//
// # Specifications
//
// ACPI 6.5 (August 2022): 5.2.5 RSDP, 5.2.8 XSDT, 5.2.9 FADT, 5.2.10 FACS,
// 5.2.11 DSDT, 5.2.12 MADT, 6.4 resource descriptors, chapter 20 AML.
//
// # Decisions
//
//   - ACPI mode only (no SMI command port), fixed hardware present (not
//     hardware-reduced), no 8042, no VGA unless asked, reset register at 0xCF9.
//   - GSI 2 is the timer's; GSI 9 is the SCI, level-triggered, active high.
//   - AML is made by small functions that nest (aml.go): a device is added by one
//     more call in dsdt.go.
//
// Not here yet: PCI root bridge and MCFG, HPET, SRAT and SLIT.
package acpitables
