package linux

import (
	"unsafe"
)

// Protection bits of mmap and mprotect, and marks of our own beside them.
const (
	protRead  = 1
	protWrite = 2
	protExec  = 4

	// areaSmall marks an area (mmap with MAP_NORESERVE) that is mostly never
	// touched: it is backed with 4 KiB frames whatever its size.
	areaSmall = 1 << 8

	// areaDying is the protection of a range that is being taken away: nobody
	// can get it or fault in it before its frames are gone.
	areaDying = 1 << 9
)

const (
	mmapTop    = 0x7f00_0000_0000
	mmapBottom = 0x1_0000_0000
	maxAreas   = 16384
)

// area is a mapped range of addresses.
type area struct {
	lo, hi uintptr
	prot   uint32
	_      uint32
}

// area gives area i. SAFETY: i < maxAreas, and init took the memory.
func (m *memory) area(i int) *area {
	return (*area)(at(m.areas + uintptr(i)*unsafe.Sizeof(area{})))
}

// find is the index of the first area that ends above va.
func (m *memory) find(va uintptr) int {
	lo, hi := 0, m.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if m.area(mid).hi <= va {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// insert adds [lo, hi), which is free, and joins neighbours that are alike.
func (m *memory) insert(lo, hi uintptr, prot uint32) bool {
	i := m.find(lo)
	if i > 0 && m.area(i-1).hi == lo && m.area(i-1).prot == prot {
		m.area(i - 1).hi = hi
		if i < m.n && m.area(i).lo == hi && m.area(i).prot == prot {
			m.area(i - 1).hi = m.area(i).hi
			m.drop(i)
		}
		return true
	}
	if i < m.n && m.area(i).lo == hi && m.area(i).prot == prot {
		m.area(i).lo = lo
		return true
	}
	if m.n == maxAreas {
		return false
	}
	for j := m.n; j > i; j-- {
		*m.area(j) = *m.area(j - 1)
	}
	*m.area(i) = area{lo: lo, hi: hi, prot: prot}
	m.n++
	return true
}

func (m *memory) drop(i int) {
	for j := i; j+1 < m.n; j++ {
		*m.area(j) = *m.area(j + 1)
	}
	m.n--
}

// remove takes [lo, hi) out of the areas, splitting at the ends.
func (m *memory) remove(lo, hi uintptr) bool {
	for i := m.find(lo); i < m.n; {
		a := m.area(i)
		switch {
		case a.lo >= hi:
			return true
		case a.lo < lo && a.hi > hi:
			end, prot := a.hi, a.prot
			if m.n == maxAreas {
				return false
			}
			a.hi = lo
			return m.insert(hi, end, prot)
		case a.lo < lo:
			a.hi = lo
			i++
		case a.hi > hi:
			a.lo = hi
			return true
		default:
			m.drop(i)
		}
	}
	return true
}

// gap finds n free bytes from the top of the mapping range down.
func (m *memory) gap(n uintptr) (uintptr, bool) {
	top := uintptr(mmapTop)
	for i := m.find(mmapTop) - 1; i >= -1; i-- {
		bottom := uintptr(mmapBottom)
		if i >= 0 && m.area(i).hi > bottom {
			bottom = m.area(i).hi
		}
		if top > bottom && top-bottom >= n+pageSize {
			return top - n, true // the page below stays free: a guard
		}
		if i < 0 || m.area(i).lo < mmapBottom {
			break
		}
		top = m.area(i).lo
	}
	return 0, false
}

// covered says that areas from the i-th on leave no hole in [lo, hi).
func (m *memory) covered(i int, lo, hi uintptr) bool {
	for ; i < m.n && m.area(i).lo <= lo && m.area(i).prot&areaDying == 0; i++ {
		if lo = m.area(i).hi; lo >= hi {
			return true
		}
	}
	return false
}
