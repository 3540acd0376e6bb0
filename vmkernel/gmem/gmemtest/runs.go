package gmemtest

import (
	"sync"

	"basalt/vmkernel/gmem"
)

// Runs is a gmem.Frames with runs that costs no memory: all frames have the same bytes.
// The zero value has one run, at RunBase.
type Runs struct {
	mu    sync.Mutex
	next  uint64
	used  map[uint64]bool
	bytes []byte
}

// RunBase is where the run is.
const RunBase = 1 << 42

// Alloc2M gives a frame that is in no run.
func (r *Runs) Alloc2M() (uint64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next += gmem.FrameSize
	return Base + r.next, r.take(Base + r.next)
}

// take is with mu held.
func (r *Runs) take(hpa uint64) bool {
	if r.used[hpa] {
		return false
	}
	if r.used == nil {
		r.used, r.bytes = map[uint64]bool{}, make([]byte, gmem.FrameSize)
	}
	r.used[hpa] = true
	return true
}

// FreeRun implements gmem.Runs.
func (r *Runs) FreeRun() (uint64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for hpa := range r.used {
		if hpa >= RunBase {
			return 0, false
		}
	}
	return RunBase, true
}

// Alloc2MAt implements gmem.Runs.
func (r *Runs) Alloc2MAt(hpa uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.take(hpa)
}

// Free2M takes a frame back.
func (r *Runs) Free2M(hpa uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.used[hpa] {
		panic("gmemtest: frame is not in use")
	}
	delete(r.used, hpa)
}

// Bytes is the memory of every frame.
func (r *Runs) Bytes(hpa uint64, n int) []byte {
	return r.bytes[hpa%gmem.FrameSize:][:n]
}

// InUse is the number of frames that are out.
func (r *Runs) InUse() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.used)
}
