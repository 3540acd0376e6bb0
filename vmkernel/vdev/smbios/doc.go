// Package smbios builds the SMBIOS tables of a virtual machine: who made it, its UUID,
// its processors and its memory. World W2; pure functions, no state.
//
// # Place in the data path
//
// The machine writes the image into guest memory before each start, in
// 0xF0000-0xFFFFF, which guests without UEFI search for the entry point.
//
// # Specifications
//
// DMTF DSP0134, System Management BIOS Reference Specification, 3.4.0 (July 2020): 5.2.2
// 64-bit entry point, 6.1 structure header, 6.1.3 text strings, 6.2 required
// structures, 7.1 BIOS, 7.2 system, 7.4 enclosure, 7.5 processor, 7.17 to 7.20 memory,
// 7.33 boot status, 7.45 end of table.
//
// # Decisions
//
//   - Only the 64-bit entry point: every guest of the last ten years knows it, and it
//     needs no counts.
//   - One processor structure: CPUID says one package with a core for each virtual CPU.
//   - One memory device: the host's memory has no modules that a guest could see.
//   - Text that the guest's owner chose is cut to 64 printable ASCII characters.
//
// Not supported: the 32-bit entry point, slots, ports, on-board devices, OEM strings.
package smbios
