package paging

// The bits of an entry (SDM Vol. 3A, 4.5, tables 4-15 to 4-20).
const (
	P   uint64 = 1 << 0 // present
	RW  uint64 = 1 << 1 // writable
	US  uint64 = 1 << 2 // user
	PWT uint64 = 1 << 3 // write-through (PAT bit 0)
	PCD uint64 = 1 << 4 // cache disable (PAT bit 1)
	A   uint64 = 1 << 5 // accessed
	D   uint64 = 1 << 6 // dirty
	PS  uint64 = 1 << 7 // large page
	NX  uint64 = 1 << 63

	addrMask uint64 = 0x000f_ffff_ffff_f000
)

// Page sizes in bytes.
const (
	Size4K uint64 = 1 << 12
	Size2M uint64 = 1 << 21
	Size1G uint64 = 1 << 30
)

// DirectMap is where all physical memory is seen: the byte at physical address
// pa is at DirectMap+pa. It is page-map slot 256, the first of the upper half.
const DirectMap uintptr = 0xffff_8000_0000_0000

// Memory is where tables live: Alloc gives a zeroed 4 KiB frame, Load and Store
// reach an entry at a physical address.
type Memory interface {
	Alloc() (pa uint64, ok bool)
	Free(pa uint64)
	Load(pa uint64) uint64
	Store(pa uint64, v uint64)
}

// Tables is one address space.
type Tables struct {
	Root uint64 // physical address of the PML4
	Huge bool   // 1 GiB pages may be used
}

// level 4 is the PML4, level 1 the page table.
func index(va uint64, level int) uint64 { return va >> (12 + 9*uint(level-1)) & 511 }

func sizeAt(level int) uint64 { return 1 << (12 + 9*uint(level-1)) }

// Walk finds the entry that maps va: its physical address, its value and the size
// of what it maps. ok is false when nothing is present; then size is the span
// that is known to be unmapped from va's aligned start.
func (t *Tables) Walk(m Memory, va uint64) (at, entry, size uint64, ok bool) {
	table := t.Root
	for level := 4; ; level-- {
		at = table + index(va, level)*8
		entry = m.Load(at)
		if entry&P == 0 {
			return at, entry, sizeAt(level), false
		}
		if level == 1 || entry&PS != 0 {
			return at, entry, sizeAt(level), true
		}
		table = entry & addrMask
	}
}

// Map maps [va, va+n) to pa with the given bits (without P and PS), using the
// largest pages that alignment allows. It replaces what was mapped; it splits a
// large page where only a part of it changes. False means that no table frame
// could be had; what was mapped until then stays.
func (t *Tables) Map(m Memory, va, pa, n, bits uint64) bool {
	for n > 0 {
		level := 1
		if (va|pa)&(Size2M-1) == 0 && n >= Size2M {
			level = 2
		}
		if t.Huge && (va|pa)&(Size1G-1) == 0 && n >= Size1G {
			level = 3
		}
		at, ok := t.entry(m, va, level)
		if !ok {
			return false
		}
		e := pa | bits | P
		if level > 1 {
			e |= PS
		}
		old := m.Load(at)
		m.Store(at, e)
		if level == 2 && old&P != 0 && old&PS == 0 {
			m.Free(old & addrMask)
		}
		s := sizeAt(level)
		va, pa, n = va+s, pa+s, n-s
	}
	return true
}

// Clear removes one entry, whatever its size, and gives what it was.
func (t *Tables) Clear(m Memory, va uint64) (entry, size uint64, ok bool) {
	at, entry, size, ok := t.Walk(m, va)
	if ok {
		m.Store(at, 0)
	}
	return entry, size, ok
}

// Split makes the entry for va a 4 KiB one, if it is a 2 MiB page.
func (t *Tables) Split(m Memory, va uint64) bool {
	_, ok := t.entry(m, va, 1)
	return ok
}

// entry gives the address of va's entry at a level; it makes tables on the way
// and splits larger pages.
func (t *Tables) entry(m Memory, va uint64, want int) (at uint64, ok bool) {
	table := t.Root
	for level := 4; level > want; level-- {
		at := table + index(va, level)*8
		e := m.Load(at)
		switch {
		case e&P == 0:
			pa, ok := m.Alloc()
			if !ok {
				return 0, false
			}
			m.Store(at, pa|P|RW)
			table = pa
		case e&PS != 0:
			pa, ok := m.Alloc()
			if !ok {
				return 0, false
			}
			step := sizeAt(level - 1)
			sub := e
			if level-1 == 1 {
				sub &^= PS
			}
			for i := uint64(0); i < 512; i++ {
				m.Store(pa+i*8, sub+i*step)
			}
			m.Store(at, pa|P|RW)
			table = pa
		default:
			table = e & addrMask
		}
	}
	return table + index(va, want)*8, true
}

// Addr is the physical address in an entry that maps size bytes.
func Addr(entry, size uint64) uint64 { return entry & addrMask &^ (size - 1) }
