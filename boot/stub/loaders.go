package stub

import (
	"basalt/boot/asm"
	"encoding/binary"
)

// multibootHeader places the header that a multiboot2 loader looks for in the
// first 32 KiB of the file. Multiboot2 Specification 2.0, section 3.1. It does
// not ask for a framebuffer: GRUB would then set a VESA mode on every BIOS
// machine, and with some VGA firmware (Bochs 2.7's among them) it crashes there.
func multibootHeader(c *asm.Code) {
	const (
		magic        = 0xe85250d6
		archI386     = 0
		tagEnd       = 0
		tagRequest   = 1
		tagEntry     = 3
		tagFlags     = 4
		tagAlign     = 6
		optional     = 1
		infoMap      = 6
		infoFrame    = 8
		infoOldRSDP  = 14
		infoNewRSDP  = 15
		headerLength = 16 + 24 + 16 + 16 + 8
	)
	arch, length := uint32(archI386), uint32(headerLength)
	c.Data32("magic, architecture, length, checksum", magic, arch, length, -(magic + arch + length))
	c.Data("information request: memory map, framebuffer, both RSDPs (optional)", tag(tagRequest, optional, 24, infoMap, infoFrame, infoOldRSDP, infoNewRSDP)...)
	c.Data("entry address: tag head", tag(tagEntry, 0, 12)...)
	c.Addr32("entry address", "multiboot2")
	c.Data("padding", 0, 0, 0, 0)
	c.Data("console flags: text is understood, none is required", tag(tagFlags, 0, 12, 2, 0)...)
	c.Data("end", tag(tagEnd, 0, 8)...)
}

func tag(kind, flags uint16, size uint32, words ...uint32) []byte {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint32(b, size)
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// xenNote places the ELF note that tells a PVH loader its 32-bit entry.
// "x86/HVM direct boot ABI"; the value is 8 bytes wide because the file is an
// ELF64.
func xenNote(c *asm.Code) (size uint64) {
	const typePhys32Entry = 18
	start := c.Len()
	c.Data32("note: name size, value size, XEN_ELFNOTE_PHYS32_ENTRY", 4, 8, typePhys32Entry)
	c.Data("name", 'X', 'e', 'n', 0)
	c.Addr64("32-bit entry", "pvh")
	return uint64(c.Len() - start)
}
