package virtiotest

import (
	"sync"
	"syscall"
	"testing"

	"basalt/vmkernel/gmem"
)

// frames are a gmem.Frames outside of the Go heap, as the real ones are: guest and
// device share this memory by the rules of the rings, which the race detector does
// not know and there does not watch.
type frames struct {
	mu  sync.Mutex
	all map[uint64][]byte
	at  uint64
}

func (f *frames) Alloc2M() (uint64, bool) {
	b, err := syscall.Mmap(-1, 0, gmem.FrameSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return 0, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at += gmem.FrameSize
	f.all[f.at] = b
	return f.at, true
}

func (f *frames) Free2M(hpa uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if syscall.Munmap(f.all[hpa]) != nil {
		panic("virtiotest: frame is not in use")
	}
	delete(f.all, hpa)
}

func (f *frames) Bytes(hpa uint64, n int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[hpa][:n]
}

// NewMemory makes guest memory of size bytes at 0. At the end of the test no
// window may be pinned any more.
func NewMemory(t testing.TB, size uint64) *gmem.Memory {
	t.Helper()
	m, err := gmem.New(gmem.Config{
		Frames:  &frames{all: map[uint64][]byte{}},
		Regions: []gmem.Range{{Start: 0, Size: size}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
