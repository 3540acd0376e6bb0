package svm

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Errors of nested tables.
var (
	ErrNoFrames = errors.New("svm: no frame for a nested page table")
	ErrRange    = errors.New("svm: range is not page-aligned or outside the guest-physical space")
)

// Frames gives the nested tables their memory; tests give ordinary Go memory.
type Frames interface {
	// AllocTable gives one zeroed 4 KiB frame.
	AllocTable() (pa uint64, ok bool)
	// FreeTable takes it back.
	FreeTable(pa uint64)
	// Table is where the frame at pa can be reached.
	Table(pa uint64) *[512]uint64
}

// Bits of a nested page-table entry: the ordinary long-mode format; a nested
// walk is a user access, so NPTUser is always set (15.25.5).
const (
	NPTPresent  uint64 = 1 << 0
	NPTWrite    uint64 = 1 << 1
	NPTUser     uint64 = 1 << 2
	NPTAccessed uint64 = 1 << 5
	NPTDirty    uint64 = 1 << 6
	NPTLarge    uint64 = 1 << 7
	NPTNX       uint64 = 1 << 63

	nptAddr  uint64 = 0x000F_FFFF_FFFF_F000
	nptTable        = NPTPresent | NPTWrite | NPTUser | NPTAccessed
	nptLeaf         = NPTPresent | NPTUser | NPTAccessed | NPTDirty
	nptTop   uint64 = 1 << 48
)

// Rights of a nested mapping. Zero maps nothing.
type Rights uint8

// The rights. A page that can be written or executed can be read.
const (
	Read Rights = 1 << iota
	Write
	Exec
)

// NPT is one set of nested page tables of four levels. Methods are safe for
// several goroutines. Where an entry that a processor may have cached changes,
// the flush function given to NewNPT runs before any frame is freed and before
// the method returns.
type NPT struct {
	mu     sync.Mutex
	frames Frames
	flush  func()
	root   uint64
	max    int      // highest level that may hold a leaf: 1 2 MiB, 2 1 GiB
	dead   []uint64 // tables to free after the flush
	stale  bool     // a present entry changed
	tables int
}

// NewNPT makes empty tables. page1G says whether 1 GiB leaves may be used; flush
// must return only when no processor uses an old translation.
func NewNPT(f Frames, page1G bool, flush func()) (*NPT, error) {
	root, ok := f.AllocTable()
	if !ok {
		return nil, ErrNoFrames
	}
	t := &NPT{frames: f, flush: flush, root: root, max: 1, tables: 1}
	if page1G {
		t.max = 2
	}
	return t, nil
}

// Root is the physical address for N_CR3.
func (t *NPT) Root() uint64 { return t.root }

// Tables is the number of frames in use.
func (t *NPT) Tables() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tables
}

// Map maps [gpa, gpa+size) to hpa with the largest pages that fit, replacing
// what was there. After ErrNoFrames a part may be mapped: unmap the range.
func (t *NPT) Map(gpa, hpa, size uint64, r Rights) error {
	if hpa&0xFFF != 0 || hpa&^nptAddr != 0 {
		return ErrRange
	}
	if r == 0 {
		return t.Unmap(gpa, size)
	}
	return t.change(gpa, size, change{op: opMap, bits: leafBits(r), hpa: hpa})
}

// Unmap removes every mapping in the range.
func (t *NPT) Unmap(gpa, size uint64) error {
	return t.change(gpa, size, change{op: opUnmap})
}

// Protect changes the rights of what is mapped in the range. Where the range
// covers whole larger pages whose parts are contiguous, they are merged.
func (t *NPT) Protect(gpa, size uint64, r Rights) error {
	if r == 0 {
		return t.Unmap(gpa, size)
	}
	return t.change(gpa, size, change{op: opProtect, bits: leafBits(r)})
}

// StartDirty begins to note which pages of the range are written: what is mapped there is
// mapped in pages of 4 KiB whose Dirty bits are clear, which the processor sets (15.25.6).
func (t *NPT) StartDirty(gpa, size uint64) error {
	return t.change(gpa, size, change{op: opClean})
}

// CollectDirty calls found for every page of the range that was written since the last
// call, in ascending order, and clears its Dirty bit. Pages that were mapped meanwhile
// count as written, in the size in which they are mapped; afterwards they are of 4 KiB, too.
// When it returns the processor notes the next write of each again. After an error what was
// found is found.
func (t *NPT) CollectDirty(gpa, size uint64, found func(gpa, size uint64)) error {
	return t.change(gpa, size, change{op: opCollect, found: found})
}

// Lookup walks the tables as the processor does.
func (t *NPT) Lookup(gpa uint64) (hpa uint64, r Rights, size uint64, ok bool) {
	if gpa >= nptTop {
		return 0, 0, 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pa := t.root
	for level := 3; ; level-- {
		e := t.frames.Table(pa)[index(gpa, level)]
		if e&NPTPresent == 0 {
			return 0, 0, 0, false
		}
		if level == 0 || e&NPTLarge != 0 {
			size = pageSize(level)
			r = Read
			if e&NPTWrite != 0 {
				r |= Write
			}
			if e&NPTNX == 0 {
				r |= Exec
			}
			return e&nptAddr&^(size-1) | gpa&(size-1), r, size, true
		}
		pa = e & nptAddr
	}
}

// Close frees all tables. No processor may use them any more.
func (t *NPT) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root == 0 {
		return
	}
	t.condemn(t.root, 3)
	t.root = 0
	t.release()
}

type op uint8

const (
	opMap op = iota
	opUnmap
	opProtect
	opClean
	opCollect
)

type change struct {
	op   op
	bits uint64 // leaf bits without the address
	hpa  uint64 // opMap: where the next byte of the range goes
	// opCollect: takes what was written.
	found func(gpa, size uint64)
}

func leafBits(r Rights) uint64 {
	b := nptLeaf
	if r&Write != 0 {
		b |= NPTWrite
	}
	if r&Exec == 0 {
		b |= NPTNX
	}
	return b
}

func pageSize(level int) uint64       { return 1 << (12 + 9*level) }
func index(gpa uint64, level int) int { return int(gpa>>(12+9*level)) & 511 }

func (t *NPT) change(gpa, size uint64, c change) error {
	if size == 0 {
		return nil
	}
	if (gpa|size)&0xFFF != 0 || gpa >= nptTop || size > nptTop-gpa || c.hpa+size < c.hpa {
		return ErrRange
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root == 0 {
		return ErrRange
	}
	err := t.walk(t.root, 3, gpa, gpa+size, &c)
	if t.stale {
		t.stale = false
		t.flush()
	}
	t.release()
	return err
}

// walk applies c to [lo, hi), which lies inside the table at pa.
func (t *NPT) walk(pa uint64, level int, lo, hi uint64, c *change) error {
	tab, size := t.frames.Table(pa), pageSize(level)
	for lo < hi {
		next := min(lo&^(size-1)+size, hi)
		slot := &tab[index(lo, level)]
		if err := t.slot(slot, level, lo, next, c); err != nil {
			return err
		}
		lo = next
	}
	return nil
}

// slot applies c to [lo, hi), which lies inside one entry.
func (t *NPT) slot(slot *uint64, level int, lo, hi uint64, c *change) error {
	size, old := pageSize(level), atomic.LoadUint64(slot) // the processor sets bits in it
	whole := hi-lo == size
	leaf := level == 0 || old&NPTLarge != 0
	present := old&NPTPresent != 0
	switch {
	case c.op == opMap:
		if whole && (level == 0 || level <= t.max && c.hpa&(size-1) == 0) {
			bits := c.bits | c.hpa
			if level > 0 {
				bits |= NPTLarge
			}
			t.replace(slot, level, bits)
			c.hpa += size
			return nil
		}
	case !present:
		return nil
	case c.op == opUnmap && whole:
		t.replace(slot, level, 0)
		return nil
	case c.op == opProtect && whole && leaf:
		t.replace(slot, level, c.bits|old&nptAddr&^(size-1)|old&NPTLarge)
		return nil
	case (c.op == opClean || c.op == opCollect) && leaf:
		return t.clean(slot, level, lo, c)
	}
	child, err := t.descend(slot, level)
	if err != nil {
		return err
	}
	if err := t.walk(child, level-1, lo, hi, c); err != nil {
		return err
	}
	if whole && c.op == opProtect {
		t.merge(slot, level)
	}
	return nil
}

// clean takes note of a leaf that was written, and makes it one, or many, that notes the
// next write.
func (t *NPT) clean(slot *uint64, level int, at uint64, c *change) error {
	written := atomic.LoadUint64(slot)&NPTDirty != 0
	if !written && (level == 0 || c.op == opCollect) {
		return nil
	}
	if level == 0 {
		// The processor may set it at the same time: one of us comes first.
		atomic.AndUint64(slot, ^NPTDirty)
		t.stale = true
		if c.op == opCollect {
			c.found(at, pageSize(0))
		}
		return nil
	}
	size := pageSize(level)
	at &^= size - 1
	child, err := t.descend(slot, level)
	if err != nil {
		return err
	}
	if written && c.op == opCollect {
		c.found(at, size)
	}
	return t.walk(child, level-1, at, at+size, &change{op: opClean})
}

// replace puts a new entry in place and condemns what hung below the old one.
func (t *NPT) replace(slot *uint64, level int, e uint64) {
	old := atomic.LoadUint64(slot)
	if old == e {
		return
	}
	atomic.StoreUint64(slot, e)
	if old&NPTPresent == 0 {
		return
	}
	t.stale = true
	if level > 0 && old&NPTLarge == 0 {
		t.condemn(old&nptAddr, level-1)
	}
}

// descend gives the table below an entry: an existing one, a new one, or a large
// page split into equal parts.
func (t *NPT) descend(slot *uint64, level int) (uint64, error) {
	old := atomic.LoadUint64(slot)
	if old&NPTPresent != 0 && old&NPTLarge == 0 {
		return old & nptAddr, nil
	}
	pa, ok := t.frames.AllocTable()
	if !ok {
		return 0, ErrNoFrames
	}
	t.tables++
	if old&NPTPresent != 0 {
		tab, size := t.frames.Table(pa), pageSize(level-1)
		e := old
		if level == 1 {
			e &^= NPTLarge
		}
		for i := range tab {
			tab[i] = e + uint64(i)*size
		}
		t.stale = true
	}
	atomic.StoreUint64(slot, pa|nptTable)
	return pa, nil
}

// merge replaces a table of contiguous pages with equal rights by one large page.
func (t *NPT) merge(slot *uint64, level int) {
	if level > t.max {
		return
	}
	tab, size := t.frames.Table(atomic.LoadUint64(slot)&nptAddr), pageSize(level-1)
	first := atomic.LoadUint64(&tab[0])
	if first&NPTPresent == 0 || first&nptAddr&(pageSize(level)-1) != 0 || level > 1 && first&NPTLarge == 0 {
		return
	}
	for i := range tab {
		if atomic.LoadUint64(&tab[i]) != first+uint64(i)*size {
			return
		}
	}
	t.replace(slot, level, first|NPTLarge)
}

// condemn marks a table and all below it to be freed after the flush.
func (t *NPT) condemn(pa uint64, level int) {
	if level > 0 {
		for _, e := range t.frames.Table(pa) {
			if e&NPTPresent != 0 && e&NPTLarge == 0 {
				t.condemn(e&nptAddr, level-1)
			}
		}
	}
	t.dead = append(t.dead, pa)
}

func (t *NPT) release() {
	for _, pa := range t.dead {
		t.frames.FreeTable(pa)
	}
	t.tables -= len(t.dead)
	t.dead = t.dead[:0]
}
