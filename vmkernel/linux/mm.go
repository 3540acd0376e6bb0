package linux

import (
	"unsafe"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/paging"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/spin"
)

const pageSize = 4096

// memory is the one address space.
type memory struct {
	lock   spin.Mutex
	tables paging.Tables
	areas  uintptr // [maxAreas]area, sorted, outside the Go heap
	n      int
	device uintptr // next free device window
	faults uint64
	backed uint64 // bytes of physical memory behind areas

	// known are pages that a Walk found since something was last taken away: the
	// runtime gives the same few buffers to the system calls that it waits in.
	known [64]knownPage
	epoch uint64 // counts what is taken away
}

// knownPage is a page that was backed, for writing too, before epoch was counted up.
type knownPage struct {
	va    uintptr
	epoch uint64
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
	m.guardBootStack()
	lazy := uintptr(eager+pageSize-1) &^ (pageSize - 1)
	if end := uintptr(image.BSSEnd+pageSize-1) &^ (pageSize - 1); end > lazy {
		m.insert(lazy, end, protRead|protWrite)
	}
	lapicWindow = MapDevice(apic.Base(), pageSize)
	initAPIC(this())
}
