package guests

import (
	"bytes"
	"encoding/binary"
)

// Load is where guests are loaded and linked.
const Load = 0x10_0000

const stackTop = 0x9_0000

// Multiboot header (Multiboot Specification 0.6.96, 3.1.1).
const (
	multibootMagic = 0x1BADB002
	multibootFlags = 0x3 // align modules, give the memory map
)

// Image wraps code, which was made for address Load + headerSize, as a Multiboot1
// ELF32 file with one segment. The header is the segment's first bytes.
func image(code []byte) []byte {
	seg := new(bytes.Buffer)
	put := func(b *bytes.Buffer, v ...any) {
		for _, x := range v {
			_ = binary.Write(b, binary.LittleEndian, x) // a Buffer takes everything
		}
	}
	magic, flags := uint32(multibootMagic), uint32(multibootFlags)
	put(seg, magic, flags, -(magic + flags), uint32(0))
	seg.Write(code)

	const ehsize, phsize, off = 52, 32, 0x1000
	f := new(bytes.Buffer)
	f.Write([]byte{0x7F, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	put(f, uint16(2), uint16(3), uint32(1), // EXEC, 386, version
		uint32(Load+headerSize), uint32(ehsize), uint32(0), uint32(0),
		uint16(ehsize), uint16(phsize), uint16(1), uint16(40), uint16(0), uint16(0))
	n := uint32(seg.Len())
	put(f, uint32(1), uint32(off), uint32(Load), uint32(Load), n, n+bssSize, uint32(7), uint32(0x1000))
	f.Write(make([]byte, off-f.Len()))
	f.Write(seg.Bytes())
	return f.Bytes()
}

const (
	headerSize = 16
	bssSize    = 0x1_0000
)
