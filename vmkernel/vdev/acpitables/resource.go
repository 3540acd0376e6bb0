package acpitables

// Resource descriptors (6.4.2 small, 6.4.3 large); resources closes the list with
// an end tag whose checksum 0 means "not checked".

func ioPorts(base uint16, count uint8) []byte {
	return []byte{0x47, 0x01, byte(base), byte(base >> 8), byte(base), byte(base >> 8), 0x01, count}
}

func irqEdge(n uint8) []byte {
	m := uint16(1) << (n & 15)
	return []byte{0x22, byte(m), byte(m >> 8)}
}

// fixedMemory is Memory32Fixed, read and write (6.4.3.4).
func fixedMemory(base, size uint32) []byte {
	b := []byte{0x86, 9, 0, 1}
	return le.AppendUint32(le.AppendUint32(b, base), size)
}

// Address space descriptors (6.4.3.5): what a bridge passes on (producer), both
// ends fixed.
const (
	spaceMemory = 0
	spaceIO     = 1
	spaceBus    = 2
	fixedEnds   = 1<<2 | 1<<3
	consumer    = 1 // it uses the space itself

	memoryReadWrite = 1 // not cacheable
	cacheable       = 1 << 1
	ioEntireRange   = 3
)

func wordSpace(kind, flags byte, first, last uint16) []byte {
	b := []byte{0x88, 13, 0, kind, fixedEnds, flags}
	for _, v := range []uint16{0, first, last, 0, last - first + 1} {
		b = le.AppendUint16(b, v)
	}
	return b
}

func dwordMemory(base, size uint32) []byte {
	b := []byte{0x87, 23, 0, spaceMemory, fixedEnds, memoryReadWrite}
	for _, v := range []uint32{0, base, base + size - 1, 0, size} {
		b = le.AppendUint32(b, v)
	}
	return b
}

func qwordMemory(base, size uint64) []byte { return qwordSpace(fixedEnds, memoryReadWrite, base, size) }

// qwordRAM is what a memory device consumes; the fields begin at qwordMin, qwordMax and
// qwordLen.
func qwordRAM(base, size uint64) []byte {
	return qwordSpace(consumer|fixedEnds, memoryReadWrite|cacheable, base, size)
}

const qwordMin, qwordMax, qwordLen = 14, 22, 38

func qwordSpace(flags, memory byte, base, size uint64) []byte {
	b := []byte{0x8A, 43, 0, spaceMemory, flags, memory}
	for _, v := range []uint64{0, base, base + size - 1, 0, size} {
		b = le.AppendUint64(b, v)
	}
	return b
}

func resources(list ...[]byte) aml {
	var b []byte
	for _, r := range list {
		b = append(b, r...)
	}
	return name("_CRS", buffer(append(b, endTag...)))
}

var endTag = []byte{0x79, 0}
