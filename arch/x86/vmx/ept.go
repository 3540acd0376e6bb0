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
			next, err := t.split(e, l)
			if err != nil {
				return nil, err
			}
			store(tab, i, next)
			e, *flush = next, true
		}
		tab = t.frames.Table(e.Addr())
	}
	return tab, nil
}

// split makes a table of 512 smaller pages that maps what leaf e maps. Accessed
// and dirty flags are kept, so that a dirty log loses nothing.
func (t *EPT) split(e Entry, level int) (Entry, error) {
	pa, ok := t.frames.AllocFrame()
	if !ok {
		return 0, ErrNoFrame
	}
	t.tables++
	tab := t.frames.Table(pa)
	child := e
	if level == 2 {
		child &^= EPTLeaf
	}
	for i := range tab {
		store(tab, i, child+Entry(uint64(i)*levelSize(level-1)))
	}
	return Entry(pa) | EPTRights, nil
}

// Unmap removes every mapping in the range. flush says whether any was there.
func (t *EPT) Unmap(gpa, size uint64) (flush bool, err error) {
	return t.edit(gpa, size, func(Entry) Entry { return 0 })
}

// Protect gives what is mapped in the range the rights in attr.
func (t *EPT) Protect(gpa, size uint64, attr Entry) (flush bool, err error) {
	attr &= EPTRights
	return t.edit(gpa, size, func(e Entry) Entry { return e&^EPTRights | attr })
}

// edit applies f to every leaf in the range, splitting pages at its edges.
func (t *EPT) edit(gpa, size uint64, f func(Entry) Entry) (flush bool, err error) {
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
		if gpa&(n-1) != 0 || end-gpa < n {
			next, err := t.split(e, level)
			if err != nil {
				return flush, fmt.Errorf("vmx: change %#x: %w", gpa, err)
			}
			store(tab, i, next)
			flush = true
			continue
		}
		if ne := f(e); ne != e {
			store(tab, i, ne)
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
