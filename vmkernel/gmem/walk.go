package gmem

// Frames calls f for every frame that is present, in ascending order, with its
// bytes and the pages of it that are memory (no hole). The bytes are the memory
// itself: f only reads them and keeps nothing. The caller has paused the guest, or
// tracks what is written meanwhile. An error of f ends the walk.
func (m *Memory) Frames(f func(gpa uint64, b []byte, pages *Pages) error) error {
	for _, r := range m.all() {
		for j := range r.frames {
			if r.frames[j].hpa.Load() == 0 {
				continue
			}
			gpa := r.Start + uint64(j)*FrameSize
			p := m.memoryPages(gpa)
			if err := f(gpa, r.frames[j].bytes, &p); err != nil {
				return err
			}
		}
	}
	return nil
}

// Frame gives the bytes of the frame at gpa and the pages of it that are memory; b
// is nil when nobody has touched it.
func (m *Memory) Frame(gpa uint64) (b []byte, pages Pages) {
	f := m.lookup(gpa)
	if f == nil || f.hpa.Load() == 0 {
		return nil, pages
	}
	return f.bytes, m.memoryPages(gpa &^ (FrameSize - 1))
}

// memoryPages are the pages of the frame at gpa that no hole covers.
func (m *Memory) memoryPages(gpa uint64) (p Pages) {
	for i := range p {
		p[i] = ^uint64(0)
	}
	for i := range m.holes {
		h := &m.holes[i]
		if h.Start >= gpa+FrameSize || h.End() <= gpa {
			continue
		}
		for at := max(h.Start, gpa); at < min(h.End(), gpa+FrameSize); at += pageSize {
			n := (at - gpa) / pageSize
			p[n>>6] &^= 1 << (n & 63)
		}
	}
	return p
}
