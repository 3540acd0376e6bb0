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

// startDirty begins to note which pages are written, by the host or by the guest. All
// are clean at first. No processor runs.
func (b *board) startDirty() error {
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	if err := b.mem.StartDirty(); err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	b.maps.tracking = true
	if err := b.protect(noWrite); err != nil {
		return errors.Join(err, b.endDirty())
	}
	return nil
}

// collectDirty appends to out the frames with pages that were written since the last
// call, in ascending order. When it returns, all of them are without the right to
// write: what is read of them afterwards and written after that is found by the next
// call. The guest runs on meanwhile; it is held up once for each region of memory.
func (b *board) collectDirty(out []dirtyFrame) ([]dirtyFrame, error) {
	// A page that becomes dirty between the two steps is found now or next time: its
	// mark came with its right under maps.mu, and the right is taken back after.
	err := b.mem.CollectDirty(func(gpa uint64, pages *gmem.Pages) error {
		out = append(out, dirtyFrame{gpa, *pages})
		return nil
	})
	if err == nil && len(out) > 0 {
		b.maps.mu.Lock()
		err = b.protect(noWrite)
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

// stopDirty ends it: everything is writable again, in large pages.
func (b *board) stopDirty() error {
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	return b.endDirty()
}

func (b *board) endDirty() error {
	b.maps.tracking = false
	b.mem.StopDirty()
	if err := b.protect(allRights); err != nil {
		return err
	}
	return b.mapRuns()
}

// protect sets the rights of everything that is mapped, and returns when no processor
// has others any more. Whole frames are merged to large pages.
func (b *board) protect(p vcpu.Prot) error {
	for _, r := range b.mem.Regions() {
		if err := b.table.Protect(r.Start, r.Size, p); err != nil {
			return fmt.Errorf("vm: rights of %#x: %w", r.Start, err)
		}
	}
	return nil
}
