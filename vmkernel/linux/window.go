package linux

import (
	"basalt/arch/x86/paging"
)

// Memory outside the areas: the direct map of everything physical, and windows onto
// device registers.

const deviceBase = 0xffff_c000_0000_0000

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
