package linux

import (
	"unsafe"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/paging"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/spin"
)

// Protection bits of mmap and mprotect.
const (
	protRead  = 1
	protWrite = 2
	protExec  = 4
)

const (
	pageSize    = 4096
	mmapTop     = 0x7f00_0000_0000
	mmapBottom  = 0x1_0000_0000
	deviceBase  = 0xffff_c000_0000_0000
	maxAreas    = 16384
	largeAtSize = 4 << 20 // areas of this size are backed with 2 MiB frames

	// areaSmall marks an area (mmap with MAP_NORESERVE) that is mostly never
	// touched: it is backed with 4 KiB frames whatever its size.
	areaSmall = 1 << 8

	// areaDying is the protection of a range that is being taken away: nobody
	// can get it or fault in it before its frames are gone.
	areaDying = 1 << 9

	// One trap looks at so many entries and drops translations so often at most;
	// then it lets interrupts in and goes on where it was.
	maxWalks   = 1 << 15
	maxBatches = 32
)

// area is a mapped range of addresses.
type area struct {
	lo, hi uintptr
	prot   uint32
	_      uint32
}

// memory is the one address space.
type memory struct {
	lock   spin.Mutex
	tables paging.Tables
	areas  uintptr // [maxAreas]area, sorted, outside the Go heap
	n      int
	device uintptr // next free device window
	faults uint64
	backed uint64 // bytes of physical memory behind areas
}

var (
	mm          memory
	lapicWindow uintptr
)

// frames lets paging reach its tables.
type frames struct{}

func (frames) Alloc() (uint64, bool) { return pmem.AllocFrame() }
func (frames) Free(pa uint64)        { pmem.Free(pa, 1) }

// SAFETY: pa is an entry of a table that Alloc gave, seen through the direct map.
func (frames) Load(pa uint64) uint64     { return *(*uint64)(at(pmem.Virt(pa))) }
func (frames) Store(pa uint64, v uint64) { *(*uint64)(at(pmem.Virt(pa))) = v }

// area gives area i. SAFETY: i < maxAreas, and init took the memory.
func (m *memory) area(i int) *area {
	return (*area)(at(m.areas + uintptr(i)*unsafe.Sizeof(area{})))
}

// init builds the kernel's own tables and loads them.
func (m *memory) init() {
	root, ok := pmem.AllocFrame()
	if !ok {
		die("boot: no memory for page tables", nil)
	}
	m.tables.Root = root
	if max, _, _, _ := cpu.CPUID(0x8000_0000, 0); max >= 0x8000_0001 {
		_, _, _, d := cpu.CPUID(0x8000_0001, 0)
		m.tables.Huge = d&(1<<26) != 0
	}
	good := true
	// All memory, and everything else the firmware speaks of, in 2 MiB steps.
	for i := 0; i < facts.NumRegions; i++ {
		lo := facts.Regions[i].Start &^ (paging.Size2M - 1)
		hi := (facts.Regions[i].End + paging.Size2M - 1) &^ (paging.Size2M - 1)
		if hi > 1<<46 {
			continue
		}
		good = good && m.direct(lo, hi)
	}
	// The image's code and constants are as read-only there as at home.
	still := func(lo, hi uint64) {
		lo, hi = (lo+pageSize-1)&^(pageSize-1), hi&^(pageSize-1)
		good = good && (hi <= lo || m.tables.Map(frames{}, uint64(paging.DirectMap)+lo, lo, hi-lo, paging.NX|paging.A))
	}
	still(image.TextStart, image.TextEnd)
	still(image.ReadOnlyStart, image.ReadOnlyEnd)
	const rw = paging.RW | paging.A | paging.D
	img := func(lo, hi, bits uint64) {
		lo &^= pageSize - 1
		hi = (hi + pageSize - 1) &^ (pageSize - 1)
		good = good && m.tables.Map(frames{}, lo, lo, hi-lo, bits)
	}
	img(image.TextStart, image.TextEnd, paging.A)
	img(image.ReadOnlyStart, image.ReadOnlyEnd, paging.A|paging.NX)
	eager := image.DataEnd + eagerBSS
	if eager > image.BSSEnd {
		eager = image.BSSEnd
	}
	img(image.DataStart, eager, rw|paging.NX)
	// Two adjacent large regions make room for the list of areas.
	pa, ok := pmem.Alloc(int(maxAreas*unsafe.Sizeof(area{})/pageSize), pageSize, 1<<32)
	if !ok || !good {
		die("boot: no memory for page tables", nil)
	}
	m.areas = pmem.Virt(pa)
	m.device = deviceBase
	cpu.WriteCR3(root)
	lazy := uintptr(eager+pageSize-1) &^ (pageSize - 1)
	if end := uintptr(image.BSSEnd+pageSize-1) &^ (pageSize - 1); end > lazy {
		m.insert(lazy, end, protRead|protWrite)
	}
	lapicWindow = MapDevice(apic.Base(), pageSize)
	initAPIC(this())
}

// direct adds [lo, hi) to the direct map where it is not there yet.
func (m *memory) direct(lo, hi uint64) bool {
	for pa := lo; pa < hi; {
		_, _, size, ok := m.tables.Walk(frames{}, uint64(paging.DirectMap)+pa)
		if ok {
			pa = pa&^(size-1) + size
			continue
		}
		n := uint64(paging.Size2M)
		if m.tables.Huge && pa&(paging.Size1G-1) == 0 && hi-pa >= paging.Size1G && size >= paging.Size1G {
			n = paging.Size1G
		}
		if !m.tables.Map(frames{}, uint64(paging.DirectMap)+pa, pa, n, paging.RW|paging.NX|paging.A|paging.D) {
			return false
		}
		pa += n
	}
	return true
}

// maxDevice bounds one device window: the largest is a screen.
const maxDevice = 256 << 20

// MapDevice maps size bytes of device registers at physical address pa, uncached,
// and gives their virtual address. The window stays for ever. 0 means that there
// was no memory for page tables, or that no device is there or so large.
func MapDevice(pa, size uint64) uintptr {
	if size == 0 || size > maxDevice || pa+size < pa || pa+size > 1<<52 {
		return 0
	}
	if inHandler() {
		return mm.mapDevice(pa, size)
	}
	return uintptr(trap(sysBasaltDevice, pa, size))
}

func (m *memory) mapDevice(pa, size uint64) uintptr {
	lo := pa &^ (pageSize - 1)
	n := (pa + size - lo + pageSize - 1) &^ (pageSize - 1)
	m.lock.Lock()
	va := m.device
	m.device += uintptr(n) + pageSize
	ok := m.tables.Map(frames{}, uint64(va), lo, n, paging.RW|paging.NX|paging.PCD|paging.PWT|paging.A|paging.D)
	m.lock.Unlock()
	if !ok {
		return 0
	}
	return va + uintptr(pa-lo)
}

// DirectPhysical makes sure that [pa, pa+size) can be read at the direct map, for
// tables that no memory map mentions. False means that it cannot.
func DirectPhysical(pa, size uint64) bool {
	if pa+size < pa || pa+size > 1<<46 || size > 1<<30 {
		return false
	}
	if inHandler() {
		return mm.directPhysical(pa, size)
	}
	return trap(sysBasaltDirect, pa, size) == 1
}

func (m *memory) directPhysical(pa, size uint64) bool {
	m.lock.Lock()
	ok := m.direct(pa&^(paging.Size2M-1), (pa+size+paging.Size2M-1)&^(paging.Size2M-1))
	m.lock.Unlock()
	return ok
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

// covered says that areas from the i-th on leave no hole in [lo, hi).
func (m *memory) covered(i int, lo, hi uintptr) bool {
	for ; i < m.n && m.area(i).lo <= lo && m.area(i).prot&areaDying == 0; i++ {
		if lo = m.area(i).hi; lo >= hi {
			return true
		}
	}
	return false
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

// unback takes the frames out of [va, va+n): they read as zero from then on. It
// stops at next when it has done enough with interrupts off.
func (m *memory) unback(va, n uintptr) (next uintptr) {
	var batch [64]struct{ pa, size uint64 }
	end := va + n
	walks := 0
	for round := 0; va < end && round < maxBatches && walks < maxWalks; round++ {
		k := 0
		m.lock.Lock()
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
			if m.place(lo, pa, 2<<20, a.prot) {
				return true
			}
			pmem.Free(pa, 512)
		}
	}
	pa, ok := pmem.AllocFrame()
	if !ok {
		die("out of memory: no frame for a page fault", nil)
	}
	if !m.place(va&^(pageSize-1), pa, pageSize, a.prot) {
		pmem.Free(pa, 1)
	}
	return true
}

// place maps a new frame if the area is still there and nothing is mapped.
func (m *memory) place(va uintptr, pa, size uint64, prot uint32) bool {
	m.lock.Lock()
	i := m.find(va)
	ok := i < m.n && m.area(i).lo <= va && m.area(i).hi >= va+uintptr(size) && m.area(i).prot == prot
	if ok {
		_, e, span, present := m.tables.Walk(frames{}, uint64(va))
		ok = !present && e == 0 && span >= size
	}
	ok = ok && m.tables.Map(frames{}, uint64(va), pa, size, bitsOf(prot)&^paging.P)
	if ok {
		m.backed += size
	}
	m.lock.Unlock()
	return ok
}

// ensure backs [va, va+n) so that a handler may write there.
func (m *memory) ensure(va, n uintptr) bool {
	for p := va &^ (pageSize - 1); p < va+n; p += pageSize {
		m.lock.Lock()
		_, e, _, present := m.tables.Walk(frames{}, uint64(p))
		m.lock.Unlock()
		if present && e&paging.RW != 0 {
			continue
		}
		if !m.fault(p, 2) {
			return false
		}
	}
	return true
}

// readable says that [va, va+n) is mapped or can be, and backs it.
func (m *memory) readable(va, n uintptr) bool {
	for p := va &^ (pageSize - 1); p < va+n; p += pageSize {
		m.lock.Lock()
		_, _, _, present := m.tables.Walk(frames{}, uint64(p))
		m.lock.Unlock()
		if !present && !m.fault(p, 0) {
			return false
		}
	}
	return true
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

func zero(va, n uintptr) {
	for i := uintptr(0); i+8 <= n; i += 8 {
		*(*uint64)(at(va + i)) = 0
	}
}
