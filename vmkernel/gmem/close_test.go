package gmem

import (
	"errors"
	"runtime"
	"testing"
)

// watched are frames that look whether somebody uses the one that is given back.
type watched struct {
	m    *Memory
	used int
}

func (w *watched) Alloc2M() (uint64, bool)      { return FrameSize, true }
func (w *watched) Bytes(_ uint64, n int) []byte { return make([]byte, n) }
func (w *watched) Free2M(uint64) {
	if w.m.lookup(0).users.Load() != 0 {
		w.used++
	}
}

func newWatched(t *testing.T) *watched {
	w := &watched{}
	var err error
	if w.m, err = New(Config{Frames: w, Regions: []Range{{Size: FrameSize}}}); err != nil {
		t.Fatal(err)
	}
	if !w.m.PutUint8(0, 1) {
		t.Fatal("no frame")
	}
	return w
}

// TestCloseWaits: a frame in which somebody writes just now is not given back: the next
// machine would have the bytes.
func TestCloseWaits(t *testing.T) {
	w := newWatched(t)
	f := w.m.lookup(0)
	if !f.enter() {
		t.Fatal("the frame is not there")
	}
	go func() {
		for f.hpa.Load() != 0 {
			runtime.Gosched()
		}
		f.leave()
	}()
	if err := w.m.Close(); err != nil {
		t.Fatal(err)
	}
	if w.used != 0 {
		t.Error("a frame in use was given back")
	}
	if w.m.PutUint8(0, 1) {
		t.Error("memory that is closed was written to")
	}
	if _, err := w.m.Pin(0, 1); !errors.Is(err, ErrNotMemory) {
		t.Error(err)
	}
}

// TestCloseMeetsPin: a window that is pinned while Close begins keeps everything.
func TestCloseMeetsPin(t *testing.T) {
	w := newWatched(t)
	f := w.m.lookup(0)
	f.enter() // as PinInto does, which has counted its window in m.pins already ...
	go func() {
		for f.hpa.Load() != 0 {
			runtime.Gosched()
		}
		f.pins.Add(1) // ... after Close has looked there
		f.leave()
	}()
	if err := w.m.Close(); !errors.Is(err, ErrPinned) {
		t.Fatal(err)
	}
	if v, ok := w.m.Uint8(0); v != 1 || !ok {
		t.Errorf("it reads %d, %v", v, ok)
	}
	f.pins.Add(-1)
	if err := w.m.Close(); err != nil {
		t.Error(err)
	}
}
