package gmem

import (
	"fmt"
	"slices"
)

// Grow adds a region, of whole frames and above all others, while the machine runs: it
// reserves it in the budget and takes no frame. Those who look at the memory see it at
// once; while writes are tracked all of it is clean, which is right for what nobody
// has touched. Errors: ErrNoMemory, ErrNotMemory after Close, or a plain error for a
// region that cannot be added; then nothing changed.
func (m *Memory) Grow(r Range) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrNotMemory
	}
	old := m.all()
	if r.Start%FrameSize != 0 || r.Size%FrameSize != 0 || r.Size == 0 || r.End() < r.Start || len(old) > 0 && r.Start < old[len(old)-1].End() {
		return fmt.Errorf("gmem: region %#x size %#x cannot be added", r.Start, r.Size)
	}
	if m.budget != nil {
		if err := m.budget.Reserve(r.Size); err != nil {
			return err
		}
	}
	n := m.newRegion(r)
	// The words first: whoever finds the region finds them too.
	if d := m.dirty.Load(); d != nil {
		m.dirty.CompareAndSwap(d, &dirtyMap{regions: append(slices.Clip(d.regions), newWords(n))})
	}
	all := append(slices.Clip(old), n)
	m.regions.Store(&all)
	m.size.Add(r.Size)
	return nil
}
