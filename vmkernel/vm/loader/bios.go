package loader

import "encoding/binary"

// Words of the BIOS data area, and what they say of memory below 1 MiB.
const (
	biosCOM1   = 0x400
	biosEBDA   = 0x40e
	biosMemory = 0x413
	biosTicks  = 0x46c // of the timer, 32 bits
	lowKiB     = 639
)

// Where real-mode interrupts go: the calls of a BIOS, its timer, and the other
// requests of the two interrupt controllers.
const (
	biosStub   = 0x500
	biosTimer  = 0x510
	biosMaster = 0x530
	biosSlave  = 0x540
)

// The first vectors of the two controllers, as a PC's BIOS programs them.
const (
	biosIRQ0 = 0x08
	biosIRQ8 = 0x70
)

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

// biosTimerCode counts a tick and ends the interrupt.
var biosTimerCode = []byte{
	0x50,       // push ax
	0x1e,       // push ds
	0x31, 0xc0, // xor ax, ax
	0x8e, 0xd8, // mov ds, ax
	0x66, 0xff, 0x06, biosTicks & 0xff, biosTicks >> 8, // inc dword [biosTicks]
	0xb0, 0x20, // mov al, 20h: non-specific EOI
	0xe6, 0x20, // out 20h, al
	0x1f, // pop ds
	0x58, // pop ax
	0xcf, // iret
}

// biosMasterCode and biosSlaveCode end an interrupt that nobody handles.
var (
	biosMasterCode = []byte{
		0x50,       // push ax
		0xb0, 0x20, // mov al, 20h
		0xe6, 0x20, // out 20h, al
		0x58, // pop ax
		0xcf, // iret
	}
	biosSlaveCode = []byte{
		0x50,       // push ax
		0xb0, 0x20, // mov al, 20h
		0xe6, 0xa0, // out 0a0h, al
		0xe6, 0x20, // out 20h, al
		0x58, // pop ax
		0xcf, // iret
	}
)

// bios writes what kernels read and call of a BIOS even where there was none: in
// its data area the first serial port, the segment of the extended data area and
// the KiB of memory below it (IBM PS/2 and PC BIOS Interface Technical Reference,
// 1991, section 3), and interrupts: the calls answer "not supported" (Xen makes some),
// the timer counts, and other requests of the interrupt controllers are ended.
func (l *load) bios() error {
	table := make([]byte, 4*256)
	for v := range 256 {
		at := uint32(biosStub)
		switch {
		case v == biosIRQ0:
			at = biosTimer
		case v >= biosIRQ0 && v < biosIRQ0+8:
			at = biosMaster
		case v >= biosIRQ8 && v < biosIRQ8+8:
			at = biosSlave
		}
		binary.LittleEndian.PutUint32(table[4*v:], at)
	}
	word := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	for _, w := range []struct {
		at uint64
		b  []byte
	}{{0, table}, {biosStub, biosCode}, {biosTimer, biosTimerCode}, {biosMaster, biosMasterCode}, {biosSlave, biosSlaveCode},
		{biosCOM1, word(0x3f8)}, {biosEBDA, word(lowKiB << 10 >> 4)}, {biosMemory, word(lowKiB)}} {
		if err := l.put(w.at, w.b); err != nil {
			return err
		}
	}
	return nil
}
