package pmem

import (
	"unsafe"

	"basalt/arch/x86/cpu"
	"basalt/arch/x86/paging"
	"basalt/vmkernel/spin"
)

// Frame sizes in bytes.
const (
	Frame = 4096
	Large = 2 << 20
	Huge  = 1 << 30

	framesPerBlock = Large / Frame
	blockSize      = 96
)

const none = ^uint32(0)

// block describes 2 MiB. bits has a one for every free frame.
type block struct {
	bits       [framesPerBlock / 64]uint64
	next, prev uint32
	free       uint32
	list       uint32 // 0 none, 1 partial, 2 whole
	_          [16]byte
}

const (
	listNone = iota
	listPartial
	listWhole
)

type state struct {
	lock    spin.Mutex
	blocks  uintptr // virtual address of the block table
	n       uint32  // blocks in it
	heads   [3]uint32
	total   uint64 // frames ever given to the allocator
	free    uint64
	whole   uint64 // blocks that are whole
	reserve uint64 // frames that only the host's own page faults may take
	tableHi uint64 // physical end of the table
}

var s state

// directMap is where physical memory is seen; tests put a mapping of their own
// there.
var directMap = paging.DirectMap

// Stats are the allocator's counts in bytes. Whole is what is free in whole frames of
// 2 MiB.
type Stats struct{ Total, Free, Whole uint64 }

// Region is a range of usable memory, in bytes of physical address.
type Region struct{ Start, End uint64 }

//go:nosplit
func at(i uint32) *block {
	// JUSTIFICATION: the block table is outside the Go heap and must work
	// before the runtime does; no safe type can name it.
	// SAFETY: i < s.n, and Init carved s.n*blockSize bytes at s.blocks, which
	// are never given out; a block holds no Go pointers.
	return (*block)(pointer(s.blocks + uintptr(i)*blockSize))
}

// Init takes the usable regions, less the reserved ones. direct turns a physical
// address into a virtual one at this moment of the start-up; the table is reached
// through the direct map from then on. It returns false when no region can hold
// the block table.
func Init(usable, reserved []Region) bool {
	top := uint64(0)
	for i := range usable {
		if usable[i].End > top {
			top = usable[i].End
		}
	}
	s.n = uint32((top + Large - 1) / Large)
	need := (uint64(s.n)*blockSize + Frame - 1) &^ (Frame - 1)
	base, ok := carve(usable, reserved, need)
	if !ok {
		return false
	}
	s.blocks = directMap + uintptr(base)
	s.tableHi = base + need
	zero(s.blocks, uintptr(need))
	s.heads = [3]uint32{none, none, none}
	for i := range usable {
		lo := (usable[i].Start + Frame - 1) &^ (Frame - 1)
		hi := usable[i].End &^ (Frame - 1)
		for pa := lo; pa < hi; pa += Frame {
			if pa&(Large-1) == 0 && pa+Large <= hi && !hits(reserved, pa, pa+Large) && !overlap(pa, pa+Large, base, base+need) {
				b := at(uint32(pa / Large))
				for j := range b.bits {
					b.bits[j] = ^uint64(0)
				}
				b.free = framesPerBlock
				s.total += framesPerBlock
				pa += Large - Frame
				continue
			}
			if hits(reserved, pa, pa+Frame) || overlap(pa, pa+Frame, base, base+need) {
				continue
			}
			b := at(uint32(pa / Large))
			f := pa % Large / Frame
			if b.bits[f/64]>>(f%64)&1 == 0 {
				b.bits[f/64] |= 1 << (f % 64)
				b.free++
				s.total++
			}
		}
	}
	for i := s.n; i > 0; i-- { // low addresses first on the lists
		b := at(i - 1)
		s.free += uint64(b.free)
		relist(i-1, b)
	}
	return true
}

func overlap(a, b, lo, hi uint64) bool { return a < hi && lo < b }

func hits(rs []Region, lo, hi uint64) bool {
	for i := range rs {
		if overlap(lo, hi, rs[i].Start, rs[i].End) {
			return true
		}
	}
	return false
}

// carve finds room for the table above 1 MiB.
func carve(usable, reserved []Region, need uint64) (uint64, bool) {
	for i := range usable {
		pa := (usable[i].Start + Frame - 1) &^ (Frame - 1)
		if pa < 1<<20 {
			pa = 1 << 20
		}
	again:
		if pa+need > usable[i].End {
			continue
		}
		for j := range reserved {
			if overlap(pa, pa+need, reserved[j].Start, reserved[j].End) {
				pa = (reserved[j].End + Frame - 1) &^ (Frame - 1)
				goto again
			}
		}
		return pa, true
	}
	return 0, false
}

//go:nosplit
func wanted(b *block) uint32 {
	switch b.free {
	case 0:
		return listNone
	case framesPerBlock:
		return listWhole
	}
	return listPartial
}

// relist puts a block on the list where it belongs.
//
//go:nosplit
func relist(i uint32, b *block) {
	w := wanted(b)
	if w == b.list {
		return
	}
	if b.list == listWhole {
		s.whole--
	}
	if w == listWhole {
		s.whole++
	}
	if b.list != listNone {
		if b.prev != none {
			at(b.prev).next = b.next
		} else {
			s.heads[b.list] = b.next
		}
		if b.next != none {
			at(b.next).prev = b.prev
		}
	}
	b.list = w
	if w != listNone {
		b.prev, b.next = none, s.heads[w]
		if b.next != none {
			at(b.next).prev = i
		}
		s.heads[w] = i
	}
}

// lock takes the lock with interrupts off and gives what unlock needs.
//
//go:nosplit
func lock() (on bool) {
	on = interruptsOn()
	if on {
		cpu.CLI()
	}
	s.lock.Lock()
	return on
}

//go:nosplit
func unlock(on bool) {
	s.lock.Unlock()
	if on {
		cpu.STI()
	}
}

// AllocFrame takes one zeroed 4 KiB frame.
func AllocFrame() (pa uint64, ok bool) {
	on := lock()
	i := s.heads[listPartial]
	if i == none {
		i = s.heads[listWhole]
	}
	if i == none {
		unlock(on)
		return 0, false
	}
	b := at(i)
	for w := range b.bits {
		if v := b.bits[w]; v != 0 {
			f := trailing(v)
			b.bits[w] = v & (v - 1)
			pa = uint64(i)*Large + uint64(w*64+f)*Frame
			break
		}
	}
	b.free--
	s.free--
	relist(i, b)
	unlock(on)
	zero(Virt(pa), Frame)
	return pa, true
}

// AllocLarge takes one zeroed, aligned 2 MiB frame. It leaves the reserve alone.
func AllocLarge() (pa uint64, ok bool) { return allocLarge(true) }

// AllocLargeHost is AllocLarge for what the host itself cannot do without: it may
// take the reserve.
func AllocLargeHost() (pa uint64, ok bool) { return allocLarge(false) }

func allocLarge(modest bool) (pa uint64, ok bool) {
	on := lock()
	i := s.heads[listWhole]
	if i == none || modest && refuse(framesPerBlock) {
		unlock(on)
		return 0, false
	}
	takeAll(i)
	unlock(on)
	pa = uint64(i) * Large
	clearLarge(Virt(pa))
	return pa, true
}

//go:nosplit
func takeAll(i uint32) {
	b := at(i)
	for w := range b.bits {
		b.bits[w] = 0
	}
	b.free = 0
	s.free -= framesPerBlock
	relist(i, b)
}

// Alloc takes n zeroed frames that are physically contiguous and whose address
// is a multiple of align (a power of two, at least 4096) and below limit (0: no
// limit). It leaves the reserve alone and looks at every block in the worst case.
func Alloc(n int, align, limit uint64) (pa uint64, ok bool) { return alloc(n, align, limit, true) }

// AllocHost is Alloc for what the host itself cannot do without: it may take the
// reserve.
func AllocHost(n int, align, limit uint64) (pa uint64, ok bool) {
	return alloc(n, align, limit, false)
}

func alloc(n int, align, limit uint64, modest bool) (pa uint64, ok bool) {
	if n <= 0 || align&(align-1) != 0 {
		return 0, false
	}
	if align < Frame {
		align = Frame
	}
	on := lock()
	if !modest || !refuse(uint64(n)) {
		pa, ok = search(uint64(n), align, limit)
	}
	if ok {
		mark(pa, uint64(n), false)
	}
	unlock(on)
	if ok {
		zero(Virt(pa), uintptr(n)*Frame)
	}
	return pa, ok
}

//go:nosplit
func search(n, align, limit uint64) (uint64, bool) {
	top := uint64(s.n) * Large
	if limit != 0 && limit < top {
		top = limit
	}
	run, start := uint64(0), uint64(0)
	for i := uint32(0); i < s.n && uint64(i)*Large < top; i++ {
		b := at(i)
		if b.free == 0 {
			run = 0
			continue
		}
		for f := uint64(0); f < framesPerBlock; f++ {
			pa := uint64(i)*Large + f*Frame
			if b.bits[f/64]>>(f%64)&1 == 0 || pa+Frame > top {
				run = 0
				continue
			}
			if run == 0 {
				if pa&(align-1) != 0 {
					continue
				}
				start = pa
			}
			if run++; run == n {
				return start, true
			}
		}
	}
	return 0, false
}

// mark sets or clears frames; free says which.
//
//go:nosplit
func mark(pa, n uint64, free bool) {
	for ; n > 0; n-- {
		i := uint32(pa / Large)
		b := at(i)
		f := pa % Large / Frame
		bit := uint64(1) << (f % 64)
		if free && b.bits[f/64]&bit == 0 {
			b.bits[f/64] |= bit
			b.free++
			s.free++
		} else if !free && b.bits[f/64]&bit != 0 {
			b.bits[f/64] &^= bit
			b.free--
			s.free--
		}
		relist(i, b)
		pa += Frame
	}
}

// Free gives back n frames from pa, which an Alloc function gave.
func Free(pa uint64, n int) {
	if pa&(Frame-1) != 0 || n <= 0 || pa/Frame+uint64(n) > uint64(s.n)*framesPerBlock {
		panic("pmem: free of memory that was never handed out")
	}
	on := lock()
	mark(pa, uint64(n), true)
	unlock(on)
}

// SetReserve keeps bytes for page faults of the host itself, which end it when no
// frame is left: Alloc and AllocLarge fail rather than go below.
func SetReserve(bytes uint64) {
	on := lock()
	s.reserve = bytes / Frame
	unlock(on)
}

// refuse says that n frames are not to be had without the reserve. The lock is held.
//
//go:nosplit
func refuse(n uint64) bool { return s.free < n || s.free-n < s.reserve }

// Read gives the counts.
func Read() Stats {
	on := lock()
	st := Stats{Total: s.total * Frame, Free: s.free * Frame, Whole: s.whole * Large}
	unlock(on)
	return st
}

// Virt is the address of physical memory in the direct map.
func Virt(pa uint64) uintptr { return directMap + uintptr(pa) }

// Bytes is a window on n bytes of physical memory that the caller owns.
func Bytes(pa uint64, n int) []byte {
	// JUSTIFICATION: frames are outside the Go heap; no safe API can name them.
	// SAFETY: the caller got [pa, pa+n) from an Alloc function and has not freed
	// it; the direct map covers all of it; it holds no Go pointers.
	return unsafe.Slice((*byte)(pointer(Virt(pa))), n)
}

// pointer is va as a pointer to memory outside the Go heap.
//
//go:nosplit
func pointer(va uintptr) unsafe.Pointer {
	// JUSTIFICATION: the address comes from the allocator's own arithmetic.
	// SAFETY: both callers say why the memory behind it is theirs.
	return *(*unsafe.Pointer)(unsafe.Pointer(&va))
}

//go:nosplit
func trailing(v uint64) int {
	n := 0
	for v&0xff == 0 {
		v >>= 8
		n += 8
	}
	for v&1 == 0 {
		v >>= 1
		n++
	}
	return n
}

//go:nosplit
func interruptsOn() bool { return cpu.RFLAGS()&(1<<9) != 0 && started }

// started is set when an interrupt may arrive at all.
var started bool

// Started says that interrupts are in use from now on.
func Started() { started = true }

// zero clears n bytes at va, a multiple of 8, for who uses them at once.
func zero(va, n uintptr)

// zeroAround clears n bytes at va, a multiple of 512, without the caches. W1: it
// gives the one SIMD register that it uses back.
func zeroAround(va, n uintptr)

// zeroAroundAVX is zeroAround with registers twice as wide.
func zeroAroundAVX(va, n uintptr)

// avx says that this processor has AVX and that XGETBV may be used (SDM Vol. 1, 14.3).
var avx = hasAVX()

func hasAVX() bool {
	const osxsaveAVX = 1<<27 | 1<<28
	_, _, c, _ := cpu.CPUID(1, 0)
	return c&osxsaveAVX == osxsaveAVX
}

// clearLarge clears a frame of Large bytes. A guest's XCR0 may be in force.
func clearLarge(va uintptr) {
	const sseAVX = 1<<1 | 1<<2
	if avx && cpu.XGETBV(0)&sseAVX == sseAVX {
		zeroAroundAVX(va, Large)
	} else {
		zeroAround(va, Large)
	}
}
