package loader

import "encoding/binary"

// Words of the BIOS data area, and what they say of memory below 1 MiB.
const (
	biosCOM1   = 0x400
	biosEBDA   = 0x40e
	biosMemory = 0x413
	lowKiB     = 639
)

// biosStub is where every real-mode interrupt goes.
const biosStub = 0x500

// biosCode answers a BIOS call: not supported. AH is 86h, and carry and zero are
// set in the caller's flags.
var biosCode = []byte{
	0xb4, 0x86, // mov ah, 86h
	0x55,       // push bp
	0x89, 0xe5, // mov bp, sp
	0x83, 0x4e, 0x06, 0x41, // or word [bp+6], CF|ZF
	0x5d, // pop bp
	0xcf, // iret
}

// bios writes what kernels read and call of a BIOS even where there was none: in
// its data area the first serial port, the segment of the extended data area and
// the KiB of memory below it (IBM PS/2 and PC BIOS Interface Technical Reference,
// 1991, section 3), and interrupts that answer "not supported". Xen does both.
func (l *load) bios() error {
	table := make([]byte, 4*256)
	for v := range 256 {
		binary.LittleEndian.PutUint32(table[4*v:], biosStub)
	}
	word := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	for _, w := range []struct {
		at uint64
		b  []byte
	}{{0, table}, {biosStub, biosCode}, {biosCOM1, word(0x3f8)}, {biosEBDA, word(lowKiB << 10 >> 4)}, {biosMemory, word(lowKiB)}} {
		if err := l.put(w.at, w.b); err != nil {
			return err
		}
	}
	return nil
}
