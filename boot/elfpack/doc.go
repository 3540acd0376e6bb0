// Package elfpack turns a Go-linked kernel into basalt.elf: one ELF64 that
// QEMU's -kernel enters through its PVH note and GRUB through its multiboot2
// header. World W2, build time only.
//
// The output has the ELF header, one PT_NOTE (the Xen note), one PT_LOAD for
// the boot blob (boot/stub) and the kernel's own PT_LOADs at the addresses at
// which they were linked, with p_memsz of the data cut to the part of the BSS
// that the kernel keeps at its own addresses, info.EagerBSS (boot/stub's doc.go
// says why). Section headers and symbols stay behind in the linked file: debuggers
// read that one. The output depends on the input alone.
//
// Input: ELF64, little endian, EM_X86_64, ET_EXEC, p_vaddr = p_paddr, at most
// one segment of each kind (text, read-only, data), all above the blob and
// below 4 GiB: what "go build -ldflags '-T 0x1000000 -E symbol'" gives.
package elfpack
