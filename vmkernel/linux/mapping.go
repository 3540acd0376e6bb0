package linux

import (
	"basalt/arch/x86/paging"
)

// The calls of mmap(2) and its kin on areas.

// mapAnon is mmap of anonymous memory. fixed replaces what is there; otherwise
// va is a wish.
func (m *memory) mapAnon(va, n uintptr, prot uint32, flags uint32) (uintptr, bool) {
	const mapFixed, mapNoReserve = 0x10, 0x4000
	if flags&mapNoReserve != 0 {
		prot |= areaSmall
	}
	n = (n + pageSize - 1) &^ (pageSize - 1)
	if n == 0 || va&(pageSize-1) != 0 || va+n < va || va+n > mmapTop+(1<<40) {
		return 0, false
	}
	fixed := flags&mapFixed != 0
	m.lock.Lock()
	if m.n+2 > maxAreas {
		m.lock.Unlock()
		return 0, false
	}
	if !fixed {
		i := m.find(va)
		if va < mmapBottom || i < m.n && m.area(i).lo < va+n {
			var ok bool
			if va, ok = m.gap(n); !ok {
				m.lock.Unlock()
				return 0, false
			}
		}
	} else {
		if va < mmapBottom || !m.remove(va, va+n) || !m.insert(va, va+n, areaDying) {
			m.lock.Unlock()
			return 0, false
		}
		m.lock.Unlock()
		for p := va; p < va+n; {
			p = m.unback(p, va+n-p)
		}
		m.lock.Lock()
		m.remove(va, va+n)
	}
	ok := m.insert(va, va+n, prot)
	m.lock.Unlock()
	return va, ok
}

// user says that [va, va+n) is where mappings may be, and gives n in whole pages.
func user(va, n uintptr) (uintptr, bool) {
	whole := (n + pageSize - 1) &^ (pageSize - 1)
	return whole, va&(pageSize-1) == 0 && whole >= n && va >= mmapBottom && va+whole >= va && va+whole <= mmapTop+(1<<40)
}

// unmap is munmap of whole pages. What it cannot do in one go is left: next is
// where it has to go on. The range is nobody's until its frames are gone, or a
// mapping that got the same addresses meanwhile would lose its own.
func (m *memory) unmap(va, n uintptr) (next uintptr, ok bool) {
	m.lock.Lock()
	ok = m.n+2 <= maxAreas && m.remove(va, va+n) && m.insert(va, va+n, areaDying)
	m.lock.Unlock()
	if !ok {
		return va, false
	}
	next = m.unback(va, n)
	m.lock.Lock()
	ok = m.remove(va, next)
	m.lock.Unlock()
	return next, ok
}

// protect is mprotect. Pages that are backed lose or gain rights when they fault
// next: they are taken out of the tables if the rights shrink.
func (m *memory) protect(va, n uintptr, prot uint32) bool {
	if n == 0 {
		return true
	}
	m.lock.Lock()
	i := m.find(va)
	if m.n+2 > maxAreas || !m.covered(i, va, va+n) {
		m.lock.Unlock()
		return false
	}
	m.epoch++
	prot = prot&7 | m.area(i).prot&areaSmall
	ok := m.remove(va, va+n) && m.insert(va, va+n, prot)
	prot &^= areaSmall
	end := va + n
	for p := va; ok && p < end; {
		at, e, size, present := m.tables.Walk(frames{}, uint64(p))
		if present || size == pageSize && e != 0 {
			if size > pageSize && (prot == 0 || p&uintptr(size-1) != 0 || end-p < uintptr(size)) {
				ok = m.tables.Split(frames{}, uint64(p))
				continue
			}
			frames{}.Store(at, e&^(paging.RW|paging.NX|paging.P)|bitsOf(prot))
		}
		p = (p &^ uintptr(size-1)) + uintptr(size)
	}
	m.lock.Unlock()
	flushAll()
	return ok
}

// bitsOf are the bits of an entry for a protection. PROT_NONE keeps the frame but
// is not present: the address stays in the entry.
func bitsOf(prot uint32) uint64 {
	b := uint64(paging.A | paging.D)
	if prot != 0 {
		b |= paging.P
	}
	if prot&protWrite != 0 {
		b |= paging.RW
	}
	if prot&protExec == 0 {
		b |= paging.NX
	}
	return b
}

// mincore is mincore(2): which pages have memory behind them.
func (m *memory) mincore(va, n, vec uintptr) int64 {
	if va&(pageSize-1) != 0 {
		return -errInval
	}
	pages := (n + pageSize - 1) / pageSize
	if n > 1<<40 || va+n < va {
		return -errNoMem
	}
	for i := uintptr(0); i < pages; i++ {
		p := va + i*pageSize
		if !m.ensure(vec+i, 1) {
			return -errFault
		}
		m.lock.Lock()
		k := m.find(p)
		mapped := k < m.n && m.area(k).lo <= p
		_, _, _, present := m.tables.Walk(frames{}, uint64(p))
		m.lock.Unlock()
		if !mapped && !present {
			return -errNoMem
		}
		resident := byte(0)
		if present {
			resident = 1
		}
		// SAFETY: ensure backed the byte.
		*(*byte)(at(vec + i)) = resident
	}
	return 0
}
