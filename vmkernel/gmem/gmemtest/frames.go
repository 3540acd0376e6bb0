// Package gmemtest has frames of ordinary Go memory for tests. World W2.
package gmemtest

import (
	"sync"

	"basalt/vmkernel/gmem"
)

// Frames is a gmem.Frames in the Go heap. Addresses are invented and start at
// Base. The zero value is ready for use.
type Frames struct {
	// Limit is the number of frames to give at most; 0 is no limit.
	Limit int

	mu     sync.Mutex
	next   uint64
	frames map[uint64][]byte
}

// Base is the address of the first frame.
const Base = 1 << 40

// Alloc2M gives a zeroed frame.
func (f *Frames) Alloc2M() (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Limit != 0 && len(f.frames) >= f.Limit {
		return 0, false
	}
	if f.frames == nil {
		f.frames = make(map[uint64][]byte)
	}
	hpa := Base + f.next*gmem.FrameSize
	f.next++
	f.frames[hpa] = make([]byte, gmem.FrameSize)
	return hpa, true
}

// Free2M takes a frame back.
func (f *Frames) Free2M(hpa uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.frames[hpa]; !ok {
		panic("gmemtest: frame is not in use")
	}
	delete(f.frames, hpa)
}

// Bytes is the memory of a frame.
func (f *Frames) Bytes(hpa uint64, n int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	base := hpa &^ (gmem.FrameSize - 1)
	return f.frames[base][hpa-base:][:n]
}

// InUse is the number of frames that are out.
func (f *Frames) InUse() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.frames)
}

// New makes memory of size bytes at 0, with frames of its own and no budget.
func New(size uint64) *gmem.Memory {
	m, err := gmem.New(gmem.Config{
		Frames:  &Frames{},
		Regions: []gmem.Range{{Start: 0, Size: size}},
	})
	if err != nil {
		panic(err)
	}
	return m
}
