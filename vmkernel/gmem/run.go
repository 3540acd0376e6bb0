package gmem

// RunSize is how much guest memory one entry of a nested table can map at the most, in
// bytes. A piece of that size, aligned and wholly memory, gets its frames in one aligned
// run of the host's where there is one, each still when it is first touched. When the last
// is there, Run says so.
const RunSize = 1 << 30

const perRun = RunSize / FrameSize

// run is one such piece. mu guards it.
type run struct {
	looked bool   // for a run of the host's
	hpa    uint64 // of that; 0: there was none
	n      int    // frames that are in their place
}

func (m *Memory) newRegion(r Range) region {
	n := region{Range: r, frames: make([]frame, r.Size/FrameSize)}
	for i := range n.frames {
		// W1 looks here (Load, Store) and must not be the first to touch a page of it.
		n.frames[i].users.Store(0)
	}
	if first := r.firstRun(); m.huge != nil && first+RunSize <= r.End() {
		n.runs = make([]run, (r.End()-first)/RunSize)
	}
	return n
}

func (r *Range) firstRun() uint64 { return (r.Start + RunSize - 1) &^ (RunSize - 1) }

// runOf is the run of gpa; nil if its frame is in none. mu is held.
func (m *Memory) runOf(gpa uint64) *run {
	all := m.all()
	for i := range all {
		r := &all[i]
		if gpa < r.Start || gpa >= r.End() {
			continue
		}
		first := r.firstRun()
		if n := (gpa - first) / RunSize; gpa >= first && n < uint64(len(r.runs)) && !m.inHole(gpa&^(RunSize-1), RunSize) {
			return &r.runs[n]
		}
		return nil
	}
	return nil
}

// place is where the frame of gpa belongs in a run.
func (r *run) place(gpa uint64) uint64 { return r.hpa + gpa%RunSize&^(FrameSize-1) }

// take gets a frame for gpa, in its place if that can be. mu is held.
func (m *Memory) take(gpa uint64) (hpa uint64, ok bool) {
	r := m.runOf(gpa)
	if r == nil {
		return m.src.Alloc2M()
	}
	if !r.looked {
		r.looked = true
		if r.hpa, ok = m.huge.FreeRun(); !ok {
			r.hpa = 0
		}
	}
	if hpa = r.place(gpa); r.hpa != 0 && m.huge.Alloc2MAt(hpa) {
		m.came(r)
		return hpa, true
	}
	if hpa, ok = m.src.Alloc2M(); ok && r.hpa != 0 && hpa == r.place(gpa) {
		m.came(r)
	}
	return hpa, ok
}

// leaves notes that the frame of gpa is about to go. mu is held.
func (m *Memory) leaves(gpa, hpa uint64) {
	if r := m.runOf(gpa); r != nil && r.hpa != 0 && hpa == r.place(gpa) {
		if r.n == perRun {
			m.whole.Add(-1)
		}
		r.n--
	}
}

// came notes that a frame is in its place. mu is held.
func (m *Memory) came(r *run) {
	if r.n++; r.n == perRun {
		m.whole.Add(1)
	}
}

// Run gives the RunSize bytes around gpa as one piece, if all their frames are there and
// next to each other in the host. They stay so until one is reclaimed.
func (m *Memory) Run(gpa uint64) (Mapping, bool) {
	if m.huge == nil {
		return Mapping{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runOf(gpa)
	if r == nil || r.n != perRun || m.closed {
		return Mapping{}, false
	}
	return Mapping{GPA: gpa &^ (RunSize - 1), HPA: r.hpa, Size: RunSize}, true
}

// Huge is how much memory is in such runs that are complete, in bytes. It waits for
// nothing.
func (m *Memory) Huge() uint64 { return uint64(m.whole.Load()) * RunSize }
