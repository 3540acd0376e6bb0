// Package acpitables builds the ACPI tables of a virtual machine: RSDP, XSDT,
// FADT, FACS, MADT, MCFG, SRAT, SLIT, HPET, SPCR and a DSDT in AML. World W2; pure functions,
// no state.
//
// # Place in the data path
//
// The loader writes the image into guest memory before the start (or firmware
// fetches it) and tells the guest where the RSDP is.
//
// # Specifications
//
// ACPI 6.5 (August 2022): 5.2.5 RSDP, 5.2.8 XSDT, 5.2.9 FADT, 5.2.10 FACS,
// 5.2.11 DSDT, 5.2.12 MADT, 5.2.16 SRAT, 5.2.17 SLIT, 9.11 memory devices, 6.2.11 _OSC, 6.2.13 _PRT, 6.4 resource
// descriptors, chapter 20 AML. PCI Firmware Specification 3.0, 4.1 and 4.5. IA-PC
// HPET Specification 1.0a, 3.2.4. Microsoft, "Virtual Machine Generation ID" and
// "Serial Port Console Redirection Table", revision 2.
//
// # Decisions
//
//   - ACPI mode only (no SMI command port), fixed hardware present (not
//     hardware-reduced), no 8042, no VGA unless asked, reset register at 0xCF9.
//
//   - GSI 2 is the timer's; GSI 9 is the SCI, level-triggered, active high.
//
//   - AML is made by small functions that nest (aml.go): a device is added by one
//     more call in dsdt.go.
//
//   - Methods are made the same way (method.go). _OSC grants native hot-plug, PME
//     and the PCI Express capability, and nothing else; ECAM is reserved by a
//     PNP0C02 device and not by _CBA, which is for host bridges that come and go.
//
//   - Hot-plug of processors is AML over the block of package cpuhp (cpus.go); it is
//     there only if more processors can come. They are in the MADT as online capable,
//     and their _MAT says enabled, which is what guests look at when one comes.
//
//   - Memory that comes is AML over the block of package memhp (memory.go), there only if
//     some can come. All of it is in one node, which SRAT calls hot pluggable.
//
//   - A processor whose APIC ID is 255 or more has the x2APIC structures of MADT, its _MAT
//     and SRAT (apicid.go). With one in the machine, MADT has the NMI of their kind too,
//     and FADT wants physical destination mode.
//
//   - Each root port has its own _PRT, though the default swizzle would say the
//     same, because guests with a table need not know bridges.
//
// Not supported: nodes that are not equally far, taking processors or memory away.
package acpitables
