// Package uefi builds BOOTX64.EFI, the kernel's own UEFI loader: a PE32+ file
// of a few KiB of machine code, written with boot/asm.
//
// World: the builder is W2 and runs on the developer's machine; what it builds
// is W0 and runs under the firmware.
//
// # What the loader does
//
//  1. finds \basalt.elf: on the volume that it was started from, then on every
//     other volume that the firmware can read, in the firmware's order (so the
//     ESP may carry the kernel, or the bank partitions do);
//  2. reads it, and \basalt.conf (at most 64 KiB) beside the loader, into memory
//     below 4 GiB and above the end of the kernel's BSS;
//  3. notes the ACPI root pointer, the GOP framebuffer and the load options if
//     they are printable text;
//  4. checks that the firmware keeps nothing where the kernel will lie;
//  5. gets the memory map and ends the boot services, with a new map and another
//     try when the key was stale (UEFI 2.10, section 7.4.6);
//  6. on its own page tables and stack, copies the kernel's segments to their
//     addresses and jumps to boot/stub's UEFI entry, with RSI at the structure
//     that boot/info documents and parses.
//
// Before step 5 every failure is a line on the firmware's console and an error
// status for the boot manager, which then tries the next entry.
//
// Specification: UEFI 2.10: sections 4 (tables), 7 (boot services), 12.9 (GOP),
// 13.4-13.5 (files); "PE Format" (Microsoft) for the file.
//
// Firmware may run with five-level page tables (CR4.LA57): the loader says so and
// gives the same tables a fifth level; boot/stub switches it off.
//
// Not supported: Secure Boot signatures, 32-bit firmware.
package uefi
