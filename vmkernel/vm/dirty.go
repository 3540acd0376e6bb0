package vm

import (
	"errors"
	"fmt"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vcpu"
)

// dirtyFrame is what a collection found in one frame.
type dirtyFrame struct {
	gpa   uint64
	pages gmem.Pages
}

// startDirty begins to note which pages are written, by the host or by the guest: the guest's
// by the processor itself, in the nested table, where it can; else by taking the right to
// write away. All are clean at first. No processor runs.
func (b *board) startDirty() error {
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	if err := b.mem.StartDirty(); err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	var err error
	if d, ok := b.table.(vcpu.DirtyTable); ok && d.NotesWrites() {
		b.maps.noting = d
		err = b.each(d.StartDirty)
	} else {
		b.maps.tracking = true
		err = b.protect(noWrite)
	}
	if err != nil {
		return errors.Join(err, b.endDirty())
	}
	return nil
}

// collectDirty appends to out the frames with pages that were written since the last
// call, in ascending order. What is read of them when it has returned and written after
// that is found by the next call. The guest runs on meanwhile; it is held up once for
// each region of memory.
func (b *board) collectDirty(out []dirtyFrame) ([]dirtyFrame, error) {
	if err := b.takeNotes(); err != nil {
		return nil, err
	}
	// Without notes all of them are without the right to write afterwards. A page that
	// becomes dirty between the two steps is found now or next time: its
	// mark came with its right under maps.mu, and the right is taken back after.
	err := b.mem.CollectDirty(func(gpa uint64, pages *gmem.Pages) error {
		out = append(out, dirtyFrame{gpa, *pages})
		return nil
	})
	if err == nil && len(out) > 0 {
		b.maps.mu.Lock()
		if b.maps.tracking {
			err = b.protect(noWrite)
		}
		b.maps.mu.Unlock()
	}
	if err != nil {
		for _, f := range out {
			b.mem.MarkDirty(f.gpa, gmem.FrameSize) // too many rather than one too few
		}
		return nil, fmt.Errorf("vm: dirty pages: %w", err)
	}
	return out, nil
}

// takeNotes marks what the processors noted since the last time. They write on: a page
// that is written after its note was taken is noted again.
func (b *board) takeNotes() error {
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	if b.maps.noting == nil {
		return nil
	}
	return b.each(func(gpa, size uint64) error { return b.maps.noting.CollectDirty(gpa, size, b.mem.MarkDirty) })
}

// stopDirty ends it: everything is writable again, in large pages.
func (b *board) stopDirty() error {
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	return b.endDirty()
}

func (b *board) endDirty() error {
	b.maps.tracking, b.maps.noting = false, nil
	b.mem.StopDirty()
	if err := b.protect(allRights); err != nil {
		return err
	}
	return b.mapRuns()
}

// protect sets the rights of everything that is mapped, and returns when no processor
// has others any more. Whole frames are merged to large pages.
func (b *board) protect(p vcpu.Prot) error {
	return b.each(func(gpa, size uint64) error { return b.table.Protect(gpa, size, p) })
}

// each does something with every region of memory in the nested table.
func (b *board) each(f func(gpa, size uint64) error) error {
	for _, r := range b.mem.Regions() {
		if err := f(r.Start, r.Size); err != nil {
			return fmt.Errorf("vm: nested table of %#x: %w", r.Start, err)
		}
	}
	return nil
}
