// Package loader puts a kernel, its initial RAM disk or modules and its command
// line into guest memory and says how the first processor starts. The format is
// recognised by content.
//
// World: W2. Place in the data path: vm (start, reset) -> loader -> gmem.
//
// Every image is hostile: sizes and offsets are checked in 64 bits before use,
// headers are copied once and parsed from the copy, and work is bounded (64
// program headers, 64 notes, 64 modules). Each refusal wraps ErrImage, or
// ErrTooLarge when the image is fine and the memory is not, and says what is
// wrong in words.
//
// Low memory while a kernel starts:
//
//	0x00000  real-mode interrupts (code from 0x00500): calls answer "not supported",
//	         the timer counts, other requests of the controllers are ended
//	0x00400  words of the BIOS data area: COM1, EBDA, size of low memory, ticks
//	0x01000  Multiboot or PVH information, memory map, module list
//	0x06000  GDT
//	0x07000  boot_params ("zero page")
//	0x09000  page tables: one PML4, one PDPT, four page directories (4 GiB)
//	0x20000  command line and module strings, at most 64 KiB
//
// A Multiboot kernel may count on the machine as a BIOS leaves it, the vectors of the
// interrupt controllers among it (0.6.96, 3.2): vm programs them and the timer for that
// format.
//
// Specifications: Linux Documentation/arch/x86/boot.rst (6.1, protocol 2.15);
// Xen docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h (4.17);
// Multiboot 0.6.96; ELF gABI 4.1; IBM PS/2 and PC BIOS Interface Technical
// Reference (1991) for the BIOS data area.
//
// Not supported: 16-bit entry of bzImage, zImage, kernels below 1 MiB other than an
// ELF by Multiboot, Multiboot2, compressed ELF, relocation of PVH and Multiboot
// kernels; of the BIOS' timer the interrupt 1Ch and the end of the day.
package loader
