package gmem

import (
	"errors"
	"sync/atomic"
)

// ErrTracking says that dirty tracking is on already, or is not on.
var ErrTracking = errors.New("dirty tracking")

// PageSize is what one bit of dirty tracking covers, in bytes.
const PageSize = pageSize

const wordsPerFrame = FrameSize / pageSize / 64

// Pages is a bitmap of the 4 KiB pages of one frame, the lowest address in bit 0 of
// word 0.
type Pages = [wordsPerFrame]uint64

// dirtyMap has a bit for each page of each region: 64 bytes a frame.
type dirtyMap struct{ regions [][]atomic.Uint64 }

// StartDirty begins to note which pages are written by the host: by every method of
// Memory that writes, by MarkDirty, and by Unpin for what a window covered. What the
// guest itself writes is the engine's to report through MarkDirty. All pages are
// clean at first: the caller copies everything after this call. The machine is paused
// during the call; a write of that very moment would be missed.
func (m *Memory) StartDirty() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.dirty.Load() != nil {
		return ErrTracking
	}
	d := &dirtyMap{}
	for _, r := range m.all() {
		d.regions = append(d.regions, newWords(r))
	}
	m.dirty.Store(d)
	return nil
}

func newWords(r region) []atomic.Uint64 {
	w := make([]atomic.Uint64, len(r.frames)*wordsPerFrame)
	for i := range w {
		w[i].Store(0) // W1 writes here and must not be the first: see newRegion
	}
	return w
}

// CollectDirty calls f for each frame with pages that were written since the last
// call, in ascending order, and takes them as clean before f sees them: a write that
// comes while f copies is found next time. An error of f ends it; the pages of that
// frame are dirty again. A window that is pinned counts when it is unpinned, so the
// last collection of a machine that moves needs Pinned to be 0.
func (m *Memory) CollectDirty(f func(gpa uint64, pages *Pages) error) error {
	d := m.dirty.Load()
	if d == nil {
		return ErrTracking
	}
	var p Pages
	all := m.all()
	for i, words := range d.regions[:min(len(d.regions), len(all))] { // Grow makes the words first
		for w := 0; w < len(words); w += wordsPerFrame {
			p = Pages{}
			any := uint64(0)
			for j := range p {
				if words[w+j].Load() != 0 {
					p[j] = words[w+j].Swap(0)
					any |= p[j]
				}
			}
			if any == 0 {
				continue
			}
			if err := f(all[i].Start+uint64(w/wordsPerFrame)*FrameSize, &p); err != nil {
				for j := range p {
					words[w+j].Or(p[j])
				}
				return err
			}
		}
	}
	return nil
}

// StopDirty ends the tracking and forgets what was noted.
func (m *Memory) StopDirty() { m.dirty.Store(nil) }

// Pinned is the number of windows that are in use.
func (m *Memory) Pinned() int { return int(m.pins.Load()) }

// MarkDirty says that [gpa, gpa+n) was, or is about to be, written behind gmem's
// back. What is not memory is left out. W1, bounded by n.
func (m *Memory) MarkDirty(gpa, n uint64) {
	if m.dirty.Load() != nil {
		m.mark(gpa, n)
	}
}

// mark sets the bits of [gpa, gpa+n), after the bytes were written. It is always
// the locked instruction, even for a bit that is set: a plain look could be done
// before the bytes leave the store buffer, and a collection in between would take
// the bit and copy the old bytes. W1.
func (m *Memory) mark(gpa, n uint64) {
	d := m.dirty.Load()
	if d == nil || n == 0 {
		return
	}
	last := gpa + n - 1
	if last < gpa {
		last = ^uint64(0)
	}
	all := m.all()
	for i := range min(len(d.regions), len(all)) {
		r := &all[i]
		if last < r.Start || gpa >= r.End() {
			continue
		}
		from, to := max(gpa, r.Start)-r.Start, min(last, r.End()-1)-r.Start
		words := d.regions[i]
		for p := from / pageSize; p <= to/pageSize; p++ {
			words[p>>6].Or(1 << (p & 63))
		}
	}
}
