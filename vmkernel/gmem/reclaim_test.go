package gmem_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
)

func TestReclaim(t *testing.T) {
	frames := &gmemtest.Frames{}
	m := machine(t, frames, nil)
	calls := 0
	unmap := func() error { calls++; return nil }
	const at = gmem.FrameSize
	if m.Reclaim(at, unmap) {
		t.Error("an absent frame")
	}
	m.PutUint64(at+8, 7)
	m.PutUint64(0, 7)
	for _, gpa := range []uint64{0, at + 4096, 1 << 31, 1 << 60} { // a hole, no frame, no memory
		if m.Reclaim(gpa, unmap) {
			t.Errorf("%#x", gpa)
		}
	}
	w, err := m.Pin(at+4096, 10)
	if err != nil {
		t.Fatal(err)
	}
	if m.Reclaim(at, unmap) || calls != 0 {
		t.Error("a pinned frame")
	}
	w.Unpin()
	if m.Reclaim(at, func() error { return errors.New("no") }) {
		t.Error("a frame that is still mapped")
	}
	if v, _ := m.Uint64(at + 8); v != 7 {
		t.Errorf("content of a frame that stayed: %d", v)
	}
	if err := m.StartDirty(); err != nil {
		t.Fatal(err)
	}
	in := frames.InUse()
	if !m.Reclaim(at, unmap) || calls != 1 || frames.InUse() != in-1 {
		t.Errorf("%d calls, %d frames of %d", calls, frames.InUse(), in)
	}
	if n := len(dirty(t, m)); n != gmem.FrameSize/gmem.PageSize {
		t.Errorf("%d pages dirty", n)
	}
	m.StopDirty()
	if v, ok := m.Uint64(at + 8); v != 0 || !ok || frames.InUse() != in-1 {
		t.Errorf("reads %d, %v", v, ok)
	}
	if !m.PutUint64(at+8, 9) || frames.InUse() != in {
		t.Error("a new frame")
	}
	if _, ok := m.Load(at+8, 8); !ok {
		t.Error("not present again")
	}
}

// TestReclaimWhileUsed: no access meets a frame that was given back. Frames come back
// clean, so gmemtest would see what is written too late, and the race detector what is
// read.
func TestReclaimWhileUsed(t *testing.T) {
	frames := &gmemtest.Frames{}
	m := machine(t, frames, nil)
	const at = gmem.FrameSize
	var wg sync.WaitGroup
	var taken atomic.Int64
	for id := range uint64(3) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := make([]byte, 100)
			var w gmem.Window
			gpa := at + 4096*id
			// Until frames were taken a few times: how often a try meets no access is up to
			// who runs when.
			for i := uint64(0); i < 2000 || taken.Load() < 3; i++ {
				switch i % 5 {
				case 0:
					m.PutUint64(gpa, i)
				case 1:
					m.Load(gpa, 8)
				case 2:
					_ = m.Write(gpa, p)
				case 3:
					_ = m.Read(gpa, p)
				case 4:
					if err := m.PinInto(&w, gpa, 8); err != nil {
						t.Error(err)
						return
					}
					w.Bytes()[0] = 1
					w.Unpin()
				}
			}
		}()
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		if m.Reclaim(at, func() error { return nil }) {
			taken.Add(1)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
}
