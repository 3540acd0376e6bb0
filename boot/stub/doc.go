// Package stub builds the boot blob: the machine code that every loader enters
// and that hands the machine to the kernel's entry in long mode. cmd/mkimage
// puts it in front of the Go-linked kernel.
//
// World: the builder is W2 and runs on the developer's machine; what it builds
// is W0.
//
// # Ways in
//
//	PVH        32-bit protected mode, EBX = hvm_start_info      (qemu -kernel)
//	multiboot2 32-bit protected mode, EAX = magic, EBX = info   (GRUB)
//	UEFI       long mode, boot services ended, RSI = info       (boot/uefi)
//
// # The way out: what the kernel's entry finds
//
//	RIP  the kernel ELF's e_entry (go build -ldflags "-E symbol")
//	RDI  protocol: 1 PVH, 2 multiboot2, 3 UEFI
//	RSI  physical address of the protocol's information structure
//	RDX  physical address of the boot header (type Header)
//	RSP  top of a boot stack of 64 KiB, 16-byte aligned
//	other general registers undefined; RFLAGS 2 (interrupts off, DF clear)
//
//	CS   selector 0x08, 64-bit code; SS DS ES FS GS selector 0x10, flat data
//	IDT  none of ours: load one before anything may fault
//	CR0  PE MP NE WP PG set, EM TS CD NW clear
//	CR4  PAE OSFXSR OSXMMEXCPT and nothing else
//	EFER LME LMA, NXE where CPUID says so; x87 and MXCSR at their defaults
//
// # Memory (physical)
//
//	Base + 0x00000  multiboot2 header, boot header, Xen note, code, GDT
//	Base + 0x01000  PML4, PDPT, four page directories
//	Base + 0x08000  boot stack, 64 KiB
//	Base + 0x18000  copy of the multiboot2 information, 64 KiB
//	Base + 0x28000  copy of the first multiboot2 module, 64 KiB
//	Base + 0x38000  end of the blob
//
// The page tables map the first 4 GiB twice with 2 MiB pages, readable,
// writable and executable: at 0 and at DirectMap (slots 0 and 256 of the PML4
// share one PDPT). They are for the way to the kernel's own tables only; the
// whole blob is free memory once the kernel has left tables and stack behind
// and has read the information structure.
//
// # A kernel that was written over
//
// A loader that puts the kernel into memory before the firmware has run (QEMU's
// -kernel) does not tell the firmware, which takes memory below the end of RAM:
// SeaBIOS keeps the topmost 16 MiB for tables and moves its own code right below
// them, which in a machine of 32 to about 52 MiB is the middle of the kernel. The
// blob therefore adds up the kernel's segments before it enters them (some 4 million
// instructions) and, if the sum is not the boot header's, says so on COM1 and stops.
//
// # The kernel's BSS
//
// The linked kernel has a BSS of tens of MiB that must not cost memory until
// it is touched, so the loaders are told of its first info.EagerBSS bytes only,
// which the kernel uses at their own physical addresses: GRUB puts a large module
// right behind what it was told. The boot header gives the whole range; the kernel
// zeroes what it uses. Because a loader may be told nothing (an older image, or one
// that ignores p_memsz) and have put its own structures there, the stub copies the multiboot2 information (up to 64 KiB) and the first
// module (up to 64 KiB; the settings file) into the blob first. Larger ones
// stay where they are. A PVH loader keeps its structures below 1 MiB (QEMU,
// and every other one seen).
//
// Specifications: "x86/HVM direct boot ABI" (Xen, docs/misc/pvh), "Multiboot2
// Specification" version 2.0, Intel SDM Vol. 3A "Initializing IA-32e Mode"
// (edition 085).
//
// # Five-level page tables
//
// Firmware may run with CR4.LA57 set. It cannot be changed in IA-32e mode, so the
// UEFI entry then turns paging off and goes the way of the 32-bit entries. Those
// have paging off anyway, and take nothing of CR4 over. Other processors start with
// CR4 zero.
//
// Not supported: processors without long mode (the stub writes "no 64-bit
// mode" to COM1 and stops).
package stub
