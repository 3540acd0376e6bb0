package linux

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/paging"
	"basalt/vmkernel/pmem"
)

// Frames behind areas: given at the first touch, taken back when the range goes.

const (
	largeAtSize = 4 << 20 // areas of this size are backed with 2 MiB frames

	// One trap looks at so many entries and drops translations so often at most;
	// then it lets interrupts in and goes on where it was.
	maxWalks   = 1 << 15
	maxBatches = 32
)

// unback takes the frames out of [va, va+n): they read as zero from then on. It
// stops at next when it has done enough with interrupts off.
func (m *memory) unback(va, n uintptr) (next uintptr) {
	var batch [64]struct{ pa, size uint64 }
	end := va + n
	walks := 0
	for round := 0; va < end && round < maxBatches && walks < maxWalks; round++ {
		k := 0
		m.lock.Lock()
		m.epoch++
		for ; va < end && k < len(batch) && walks < maxWalks; walks++ {
			at, e, size, present := m.tables.Walk(frames{}, uint64(va))
			held := present || (size == pageSize && e != 0)
			next := (va &^ uintptr(size-1)) + uintptr(size)
			if held && size > pageSize && (va&uintptr(size-1) != 0 || end-va < uintptr(size)) {
				if m.tables.Split(frames{}, uint64(va)) {
					continue
				}
				// No frame for a table: zero in place instead.
				stop := next
				if stop > end {
					stop = end
				}
				zero(va, stop-va)
				va = stop
				continue
			}
			if held {
				frames{}.Store(at, 0)
				batch[k].pa, batch[k].size = paging.Addr(e, size), size
				m.backed -= size
				k++
			}
			va = next
		}
		m.lock.Unlock()
		if k > 0 {
			flushAll()
			for _, b := range batch[:k] {
				pmem.Free(b.pa, int(b.size/pageSize))
			}
		}
	}
	return min(va, end)
}

// fault backs the page at va if an area allows the access; code is the error
// code of #PF (SDM Vol. 3A, 4.7): 0 present, 1 write, 4 fetch.
func (m *memory) fault(va uintptr, code uint64) bool {
	if code&8 != 0 {
		return false // a reserved bit in our own tables
	}
	m.lock.Lock()
	m.faults++
	i := m.find(va)
	if i == m.n || m.area(i).lo > va {
		m.lock.Unlock()
		return false
	}
	a := *m.area(i)
	if a.prot&(protRead|protWrite|protExec) == 0 || code&2 != 0 && a.prot&protWrite == 0 || code&16 != 0 && a.prot&protExec == 0 {
		m.lock.Unlock()
		return false
	}
	_, e, _, present := m.tables.Walk(frames{}, uint64(va))
	m.lock.Unlock()
	if present {
		// Another processor was faster, or a translation was stale.
		if code&2 != 0 && e&paging.RW == 0 {
			return false
		}
		cpu.INVLPG(va)
		return true
	}
	lo := va &^ (2<<20 - 1)
	if a.lo <= lo && a.hi >= lo+2<<20 && a.hi-a.lo >= largeAtSize && a.prot&protWrite != 0 && a.prot&areaSmall == 0 {
		if pa, ok := pmem.AllocLargeHost(); ok {
			if ok, _ := m.place(lo, pa, 2<<20, a.prot); ok {
				return true
			}
			pmem.Free(pa, 512)
		}
	}
	pa, ok := pmem.AllocFrame()
	if !ok {
		die("out of memory: no frame for a page fault", nil)
	}
	if ok, full := m.place(va&^(pageSize-1), pa, pageSize, a.prot); full {
		// The access would fault again, and again.
		die("out of memory: no frame for a page table", nil)
	} else if !ok {
		pmem.Free(pa, 1)
	}
	return true
}

// place maps a new frame if the area is still there and nothing is mapped. full says
// that there was no frame for a table.
func (m *memory) place(va uintptr, pa, size uint64, prot uint32) (ok, full bool) {
	m.lock.Lock()
	i := m.find(va)
	ok = i < m.n && m.area(i).lo <= va && m.area(i).hi >= va+uintptr(size) && m.area(i).prot == prot
	if ok {
		_, e, span, present := m.tables.Walk(frames{}, uint64(va))
		ok = !present && e == 0 && span >= size
	}
	if ok {
		ok = m.tables.Map(frames{}, uint64(va), pa, size, bitsOf(prot)&^paging.P)
		full = !ok
	}
	if ok {
		m.backed += size
	}
	m.lock.Unlock()
	return ok, full
}

// look says whether the page at p is backed.
func (m *memory) look(p uintptr) (present, writable bool) {
	k := &m.known[p/pageSize%uintptr(len(m.known))]
	m.lock.Lock()
	if k.va == p && k.epoch == m.epoch+1 {
		m.lock.Unlock()
		return true, true
	}
	_, e, _, present := m.tables.Walk(frames{}, uint64(p))
	if writable = present && e&paging.RW != 0; writable {
		k.va, k.epoch = p, m.epoch+1
	}
	m.lock.Unlock()
	return present, writable
}

// ensure backs [va, va+n) so that a handler may write there.
func (m *memory) ensure(va, n uintptr) bool {
	for p := va &^ (pageSize - 1); p < va+n; p += pageSize {
		if _, writable := m.look(p); !writable && !m.fault(p, 2) {
			return false
		}
	}
	return true
}

// readable says that [va, va+n) is mapped or can be, and backs it.
func (m *memory) readable(va, n uintptr) bool {
	for p := va &^ (pageSize - 1); p < va+n; p += pageSize {
		if present, _ := m.look(p); !present && !m.fault(p, 0) {
			return false
		}
	}
	return true
}

func zero(va, n uintptr) {
	for i := uintptr(0); i+8 <= n; i += 8 {
		*(*uint64)(at(va + i)) = 0
	}
}
