package gmem

import "runtime"

// Reclaim gives the frame at gpa, a multiple of FrameSize and all of it memory, back to
// the host; the memory stays promised, and the next touch takes a frame again, which
// reads as zeros. taken is false, and the frame stays with its content, when it is
// absent, a window on it is pinned, or unmap fails. unmap takes the frame out of the
// nested table and returns when no processor uses it any more; nobody maps it again
// meanwhile, because the caller keeps off those who would (Touch says where a frame
// is). The guest has said that it needs no byte of it: what it writes meanwhile is
// lost. W2; it waits for accesses to the frame that are in progress.
func (m *Memory) Reclaim(gpa uint64, unmap func() error) (taken bool) {
	f := m.lookup(gpa)
	if f == nil || gpa%FrameSize != 0 || !m.Contains(gpa, FrameSize) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	hpa := f.hpa.Load()
	if m.closed || hpa == 0 || f.pins.Load() != 0 {
		return false
	}
	f.hpa.Store(0) // from here on an access finds it absent, and who wants it back waits for mu
	for f.users.Load() != 0 {
		runtime.Gosched()
	}
	if f.pins.Load() != 0 || unmap() != nil {
		f.hpa.Store(hpa)
		return false
	}
	clear(f.bytes)
	f.bytes = nil
	m.count(-1)
	m.leaves(gpa, hpa)
	m.src.Free2M(hpa)
	m.MarkDirty(gpa, FrameSize)
	return true
}
