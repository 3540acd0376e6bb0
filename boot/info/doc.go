// Package info is what a loader told the kernel about the machine, in one
// neutral structure: memory map, ACPI root pointer, command line, modules and
// framebuffer.
//
// World W1: the parsers run before the Go runtime does. They allocate nothing,
// keep no pointer and import nothing; the structure is one block of memory
// without pointers, meant to be a package variable of its user. World W2 may
// use everything too.
//
// The input is not trusted, not even as far as its own sizes go: physical
// memory is read through a Reader which may refuse, counts and sizes are
// bounded before use, and what does not fit is left out and noted in Flags. A
// structure from which nothing can be learned is refused with a Problem.
//
// # The memory map
//
// Regions is sorted by address and free of overlaps; neighbours of one kind are
// merged. Where the loader's entries overlap, the more restrictive kind wins
// (the order of the Kind constants). What no entry mentions is not memory. The
// map says nothing about the kernel's own image, the boot blob and the modules:
// they lie in Usable memory, and it is the kernel that keeps them out of use.
//
// # Specifications
//
//	PVH         "x86/HVM direct boot ABI" (Xen, docs/misc/pvh), start info version 1
//	Multiboot2  "Multiboot2 Specification" version 2.0, section 3.6
//	UEFI        boot/uefi's own structure (uefi.go); descriptors: UEFI 2.10, section 7.2.3
//	RSDP        ACPI 6.5, section 5.2.5
//
// Not supported: PVH start info version 0 (no memory map), indexed-colour
// framebuffers, more than MaxModules modules.
package info
