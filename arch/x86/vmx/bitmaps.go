package vmx

// MSRBitmap is the 4 KiB MSR bitmap (SDM Vol. 3C, 25.6.9): a set bit makes the
// access exit. Registers outside the two ranges always exit.
type MSRBitmap [4096]byte

// The four parts of the bitmap.
const (
	msrReadLow   = 0
	msrReadHigh  = 1024
	msrWriteLow  = 2048
	msrWriteHigh = 3072
	msrHighBase  = 0xc0000000
	msrPerRange  = 0x2000
)

// InterceptAll makes every access exit.
func (b *MSRBitmap) InterceptAll() {
	for i := range b {
		b[i] = 0xff
	}
}

// Pass lets reads, writes or both of one register reach the hardware. It
// reports false for a register that no bitmap covers.
func (b *MSRBitmap) Pass(index uint32, read, write bool) bool {
	return b.set(index, read, write, false)
}

// Intercept makes reads, writes or both exit.
func (b *MSRBitmap) Intercept(index uint32, read, write bool) bool {
	return b.set(index, read, write, true)
}

func (b *MSRBitmap) set(index uint32, read, write, on bool) bool {
	rd, wr, ok := msrOffsets(index)
	if !ok {
		return false
	}
	bit := byte(1) << (index & 7)
	if read {
		b[rd] = b[rd]&^bit | mask(on, bit)
	}
	if write {
		b[wr] = b[wr]&^bit | mask(on, bit)
	}
	return true
}

func mask(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

// Intercepts says what exits for a register.
func (b *MSRBitmap) Intercepts(index uint32) (read, write bool) {
	rd, wr, ok := msrOffsets(index)
	if !ok {
		return true, true
	}
	bit := byte(1) << (index & 7)
	return b[rd]&bit != 0, b[wr]&bit != 0
}

func msrOffsets(index uint32) (rd, wr uint32, ok bool) {
	switch {
	case index < msrPerRange:
		return msrReadLow + index/8, msrWriteLow + index/8, true
	case index >= msrHighBase && index < msrHighBase+msrPerRange:
		i := index - msrHighBase
		return msrReadHigh + i/8, msrWriteHigh + i/8, true
	}
	return 0, 0, false
}

// IOBitmaps are bitmaps A and B together (SDM Vol. 3C, 25.6.4): one bit a port,
// set makes IN and OUT exit. An access that wraps past port FFFFH always exits.
type IOBitmaps [8192]byte

// InterceptAll makes every port exit.
func (b *IOBitmaps) InterceptAll() {
	for i := range b {
		b[i] = 0xff
	}
}

// Pass lets one port reach the hardware.
func (b *IOBitmaps) Pass(port uint16) { b[port/8] &^= 1 << (port & 7) }

// Intercepts reports whether the port exits.
func (b *IOBitmaps) Intercepts(port uint16) bool { return b[port/8]>>(port&7)&1 != 0 }
