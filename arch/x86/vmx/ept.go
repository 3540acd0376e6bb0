package vmx

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// Errors of the nested table.
var (
	ErrNoFrame   = errors.New("no frame left for a nested page table")
	ErrAlignment = errors.New("address or size is not a multiple of 4 KiB")
	ErrRange     = errors.New("address is beyond what the nested table covers")
)

// MaxGPA is the first guest-physical address that a 4-level table cannot map.
const MaxGPA = 1 << 48

// Frames gives the memory of the tables. Tests implement it on the Go heap, the
// VMkernel on frames of the VM's budget.
type Frames interface {
	// AllocFrame gives a zeroed 4 KiB frame.
	AllocFrame() (pa uint64, ok bool)
	// FreeFrame takes it back.
	FreeFrame(pa uint64)
	// Table is where the 512 entries of the frame at pa can be reached.
	Table(pa uint64) *[512]uint64
}

// EPT is one 4-level table. It has no lock and flushes nothing: the owner
// serialises changes, runs INVEPT where the answer of a change asks for it, and
// only then calls Reclaim.
type EPT struct {
	caps   *Caps
	frames Frames
	root   uint64
	tables int      // frames in use, root included
	dead   []uint64 // unlinked tables: the processor may still walk them
}

// NewEPT makes an empty table.
func NewEPT(c *Caps, f Frames) (*EPT, error) {
	root, ok := f.AllocFrame()
	if !ok {
		return nil, fmt.Errorf("vmx: new nested table: %w", ErrNoFrame)
	}
	return &EPT{caps: c, frames: f, root: root, tables: 1}, nil
}

// Root is the physical address of the top table.
func (t *EPT) Root() uint64 { return t.root }

// Tables is the number of frames that the table occupies.
func (t *EPT) Tables() int { return t.tables }

func load(tab *[512]uint64, i int) Entry     { return Entry(atomic.LoadUint64(&tab[i])) }
func store(tab *[512]uint64, i int, e Entry) { atomic.StoreUint64(&tab[i], uint64(e)) }

// amend makes f of an entry, whatever flags the processor sets in it at the same time. It
// gives both.
func amend(tab *[512]uint64, i int, f func(Entry) Entry) (old, now Entry) {
	for {
		old = load(tab, i)
		if now = f(old); now == old || atomic.CompareAndSwapUint64(&tab[i], uint64(old), uint64(now)) {
			return old, now
		}
	}
}

func index(gpa uint64, level int) int { return int(gpa >> (12 + 9*(level-1)) & 511) }

// check is for a range that is to be changed. After Free there is nothing that could be.
func (t *EPT) check(gpa, size uint64) error {
	if t.root == 0 {
		return ErrRange
	}
	if (gpa|size)&0xfff != 0 {
		return ErrAlignment
	}
	if gpa >= MaxGPA || size > MaxGPA-gpa {
		return ErrRange
	}
	return nil
}

// Map maps [gpa, gpa+size) to hpa with the rights and memory type in attr, with
// the largest pages that alignment and processor allow. flush says that an
// existing mapping changed, so that INVEPT is needed.
func (t *EPT) Map(gpa, hpa, size uint64, attr Entry) (flush bool, err error) {
	if err := t.check(gpa, size); err != nil {
		return false, fmt.Errorf("vmx: map %#x+%#x: %w", gpa, size, err)
	}
	if hpa&0xfff != 0 {
		return false, fmt.Errorf("vmx: map to %#x: %w", hpa, ErrAlignment)
	}
	for size > 0 {
		level := t.fit(gpa, hpa, size)
		tab, err := t.descend(gpa, level, &flush)
		if err != nil {
			return flush, fmt.Errorf("vmx: map %#x: %w", gpa, err)
		}
		e := Entry(hpa) | attr&(EPTRights|eptTypeMask|EPTIgnorePAT)
		if level > 1 {
			e |= EPTLeaf
		}
		i := index(gpa, level)
		old := load(tab, i)
		store(tab, i, e)
		if old.Present() {
			flush = true
			if !old.Leaf(level) {
				t.bury(old.Addr(), level-1)
			}
		}
		n := levelSize(level)
		gpa, hpa, size = gpa+n, hpa+n, size-n
	}
	return flush, nil
}

// fit is the level of the largest page that can start here.
func (t *EPT) fit(gpa, hpa, size uint64) int {
	for level := 3; level > 1; level-- {
		if level == 3 && !t.caps.EPT1G {
			continue
		}
		if n := levelSize(level); (gpa|hpa)&(n-1) == 0 && size >= n {
			return level
		}
	}
	return 1
}

// descend walks to the table of the given level that covers gpa, makes missing
// tables and splits larger pages on the way.
func (t *EPT) descend(gpa uint64, level int, flush *bool) (*[512]uint64, error) {
	tab := t.frames.Table(t.root)
	for l := 4; l > level; l-- {
		i := index(gpa, l)
		e := load(tab, i)
		switch {
		case !e.Present():
			pa, ok := t.frames.AllocFrame()
			if !ok {
				return nil, ErrNoFrame
			}
			t.tables++
			e = Entry(pa) | EPTRights
			store(tab, i, e)
		case e.Leaf(l):
			next, err := t.split(tab, i, l)
			if err != nil {
				return nil, err
			}
			e, *flush = next, true
		}
		tab = t.frames.Table(e.Addr())
	}
	return tab, nil
}

// split puts a table of 512 smaller pages in the place of leaf i of tab, and gives the
// reference to it. Accessed and dirty flags are kept, so that a dirty log loses nothing,
// even when the processor sets one at the same time.
func (t *EPT) split(tab *[512]uint64, i, level int) (Entry, error) {
	pa, ok := t.frames.AllocFrame()
	if !ok {
		return 0, ErrNoFrame
	}
	t.tables++
	small, next := t.frames.Table(pa), Entry(pa)|EPTRights
	amend(tab, i, func(e Entry) Entry {
		if level == 2 {
			e &^= EPTLeaf
		}
		for k := range small {
			store(small, k, e+Entry(uint64(k)*levelSize(level-1)))
		}
		return next
	})
	return next, nil
}

// Unmap removes every mapping in the range. flush says whether any was there.
func (t *EPT) Unmap(gpa, size uint64) (flush bool, err error) {
	return t.edit(gpa, size, 3, func(uint64, Entry) Entry { return 0 })
}

// Protect gives what is mapped in the range the rights in attr. Where the range covers
// whole larger pages whose parts are contiguous, they are merged.
func (t *EPT) Protect(gpa, size uint64, attr Entry) (flush bool, err error) {
	attr &= EPTRights
	if flush, err = t.edit(gpa, size, 3, func(_ uint64, e Entry) Entry { return e&^EPTRights | attr }); err != nil {
		return flush, err
	}
	for level := 2; level <= 3 && (level == 2 || t.caps.EPT1G); level++ {
		n := levelSize(level)
		for at := (gpa + n - 1) &^ (n - 1); at < gpa+size && gpa+size-at >= n; at += n {
			if t.merge(at, level) {
				flush = true
			}
		}
	}
	return flush, nil
}

// merge puts one larger page in the place of a table of contiguous pages with equal
// rights. A flag that one of them has, it has.
func (t *EPT) merge(gpa uint64, level int) bool {
	tab := t.frames.Table(t.root)
	for l := 4; l > level; l-- {
		e := load(tab, index(gpa, l))
		if !e.Present() || e.Leaf(l) {
			return false
		}
		tab = t.frames.Table(e.Addr())
	}
	i := index(gpa, level)
	e := load(tab, i)
	if !e.Present() || e.Leaf(level) {
		return false
	}
	const flags = EPTAccessed | EPTDirty
	small, n := t.frames.Table(e.Addr()), levelSize(level-1)
	first := load(small, 0)
	if !first.Present() || !first.Leaf(level-1) || first.Addr()&(levelSize(level)-1) != 0 {
		return false
	}
	for k := range small {
		if load(small, k)&^flags != first&^flags+Entry(uint64(k)*n) {
			return false
		}
	}
	// Nothing is lost that the processor notes meanwhile: both are set.
	store(tab, i, first|flags|EPTLeaf)
	t.bury(e.Addr(), level-1)
	return true
}

// StartDirty begins to note which pages of the range are written: what is mapped there is
// mapped in pages of 4 KiB whose dirty flags are clear, which the processor sets (SDM Vol.
// 3C, 29.3.5).
func (t *EPT) StartDirty(gpa, size uint64) (flush bool, err error) {
	return t.edit(gpa, size, 1, func(_ uint64, e Entry) Entry { return e &^ EPTDirty })
}

// CollectDirty calls found for every page of the range that was written since the last
// call, in ascending order, and clears its dirty flag. It counts once every processor has
// dropped its translations: then each notes the next write again.
func (t *EPT) CollectDirty(gpa, size uint64, found func(gpa, size uint64)) (flush bool, err error) {
	return t.edit(gpa, size, 1, func(gpa uint64, e Entry) Entry {
		if e&EPTDirty != 0 {
			found(gpa, levelSize(1))
		}
		return e &^ EPTDirty
	})
}

// edit applies f to every leaf in the range, splitting pages at its edges and those that
// are larger than those of level largest.
func (t *EPT) edit(gpa, size uint64, largest int, f func(gpa uint64, e Entry) Entry) (flush bool, err error) {
	if err := t.check(gpa, size); err != nil {
		return false, fmt.Errorf("vmx: change %#x+%#x: %w", gpa, size, err)
	}
	for end := gpa + size; gpa < end; {
		tab, level := t.find(gpa)
		i, n := index(gpa, level), levelSize(level)
		e := load(tab, i)
		if !e.Present() {
			gpa = gpa&^(n-1) + n
			continue
		}
		if gpa&(n-1) != 0 || end-gpa < n || level > largest {
			if _, err := t.split(tab, i, level); err != nil {
				return flush, fmt.Errorf("vmx: change %#x: %w", gpa, err)
			}
			flush = true
			continue
		}
		if old, now := amend(tab, i, func(e Entry) Entry { return f(gpa, e) }); old != now {
			flush = true
		}
		gpa += n
	}
	return flush, nil
}

// find is the table and level where the walk for gpa ends: at a leaf or at an
// entry that is not present.
func (t *EPT) find(gpa uint64) (*[512]uint64, int) {
	tab := t.frames.Table(t.root)
	for level := 4; ; level-- {
		e := load(tab, index(gpa, level))
		if !e.Present() || e.Leaf(level) {
			return tab, level
		}
		tab = t.frames.Table(e.Addr())
	}
}

// Lookup translates an address: the host-physical address, the leaf entry and
// the size of its page. It does not allocate (world W1).
func (t *EPT) Lookup(gpa uint64) (hpa uint64, e Entry, size uint64, ok bool) {
	if gpa >= MaxGPA || t.root == 0 {
		return 0, 0, 0, false
	}
	tab, level := t.find(gpa)
	e = load(tab, index(gpa, level))
	n := levelSize(level)
	if !e.Present() {
		return 0, e, n, false
	}
	return e.Addr()&^(n-1) | gpa&(n-1), e, n, true
}

// bury unlinks a table and what is below it; Reclaim frees them.
func (t *EPT) bury(pa uint64, level int) {
	if level > 1 {
		tab := t.frames.Table(pa)
		for i := range tab {
			if e := load(tab, i); e.Present() && !e.Leaf(level) {
				t.bury(e.Addr(), level-1)
			}
		}
	}
	t.dead = append(t.dead, pa)
}

// Reclaim frees the tables that earlier changes unlinked. Call it after every
// processor has dropped its translations.
func (t *EPT) Reclaim() {
	for _, pa := range t.dead {
		t.frames.FreeFrame(pa)
		t.tables--
	}
	t.dead = t.dead[:0]
}

// Free gives back every frame. No processor may use the table any more. Changes fail with
// ErrRange then.
func (t *EPT) Free() {
	t.bury(t.root, 4)
	t.Reclaim()
	t.root = 0
}
