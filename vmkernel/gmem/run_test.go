package gmem_test

import (
	"testing"
	"time"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
)

const perRun = gmem.RunSize / gmem.FrameSize

// TestRun: a piece of memory gets a run of the host's, frame by frame, and is one when
// all of it is there; pieces with holes and those that do not fit are left alone.
func TestRun(t *testing.T) {
	fr := &gmemtest.Runs{}
	m, err := gmem.New(gmem.Config{Frames: fr,
		Regions: []gmem.Range{{Start: 0, Size: 3<<30 - 2<<20}, {Start: 4<<30 + 2<<20, Size: 1<<30 + 4<<20}},
		Holes:   []gmem.Range{{Start: 0xa0000, Size: 0x20000}}})
	if err != nil {
		t.Fatal(err)
	}
	fill := func(from, to uint64) {
		for at := from; at < to; at += gmem.FrameSize {
			m.Contains(at, 1)
			if _, err := m.Touch(at, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	is := func(what string, gpa uint64, want bool) {
		t.Helper()
		got, ok := m.Run(gpa)
		if ok != want || ok && got != (gmem.Mapping{GPA: gpa &^ (gmem.RunSize - 1), HPA: gmemtest.RunBase, Size: gmem.RunSize}) {
			t.Errorf("%s: %+v, %v", what, got, ok)
		}
	}
	fill(0, 1<<30)
	is("around a hole", 1<<20, false)
	fill(1<<30, 2<<30-gmem.FrameSize)
	is("one is missing", 1<<30, false)
	fill(2<<30-gmem.FrameSize, 2<<30)
	is("all is there", 2<<30-1, true)
	is("the next", 2<<30, false)
	if got := m.Huge(); got != gmem.RunSize {
		t.Errorf("%d bytes are in runs", got)
	}
	fill(2<<30, 3<<30-2<<20)
	is("the end of a region", 2<<30, false)
	fill(4<<30+2<<20, 5<<30+6<<20)
	is("no run is left, and none fits", 4<<30+2<<20, false)
	is("no memory", 6<<30, false)
	const at = 1<<30 + 5*gmem.FrameSize
	if !m.Reclaim(at, func() error { return nil }) {
		t.Fatal("reclaim")
	}
	is("a frame went", 1<<30, false)
	if !fr.Alloc2MAt(gmemtest.RunBase + 5*gmem.FrameSize) {
		t.Fatal("the frame is not free")
	}
	fill(at, at+1)
	is("another has its place", 1<<30, false)
	fr.Free2M(gmemtest.RunBase + 5*gmem.FrameSize)
	if !m.Reclaim(at, func() error { return nil }) {
		t.Fatal("reclaim")
	}
	fill(at, at+1)
	is("it came back", 1<<30, true)
	if m.Reclaim(at, func() error { return gmem.ErrPinned }) {
		t.Fatal("reclaim")
	}
	is("it stayed", 1<<30, true)
	if err := m.Close(); err != nil || fr.InUse() != 0 {
		t.Errorf("%v, %d frames are out", err, fr.InUse())
	}
	is("closed", 1<<30, false)
	if m.Huge() != 0 {
		t.Error("a run is left")
	}
}

// TestRunGrows: what is added may be a run.
func TestRunGrows(t *testing.T) {
	fr := &gmemtest.Runs{}
	m, err := gmem.New(gmem.Config{Frames: fr, Regions: []gmem.Range{{Start: 0, Size: 8 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Grow(gmem.Range{Start: 4 << 30, Size: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(perRun) {
		if _, ok := m.Run(4 << 30); ok || !m.PutUint64(4<<30+i*gmem.FrameSize, i) {
			t.Fatalf("frame %d", i)
		}
	}
	if _, ok := m.Run(4 << 30); !ok || fr.InUse() != perRun {
		t.Errorf("%v, %d frames", ok, fr.InUse())
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestHugeWaitsForNothing: who asks how much is in runs does not wait for those who take
// frames away or clear them, which may take long.
func TestHugeWaitsForNothing(t *testing.T) {
	m, err := gmem.New(gmem.Config{Frames: &gmemtest.Runs{}, Regions: []gmem.Range{{Start: 0, Size: gmem.RunSize}}})
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(0); at < gmem.RunSize; at += gmem.FrameSize {
		if _, err := m.Touch(at, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Reclaim(0, func() error {
		done := make(chan uint64, 1)
		go func() { done <- m.Huge() }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("it waits")
		}
		return nil
	}) || m.Huge() != 0 {
		t.Errorf("%d bytes are in runs without a frame", m.Huge())
	}
	if _, err := m.Touch(0, nil); err != nil || m.Huge() != gmem.RunSize {
		t.Errorf("%d bytes are in runs, %v", m.Huge(), err)
	}
	if err := m.Close(); err != nil || m.Huge() != 0 {
		t.Errorf("%d bytes are in runs after the end, %v", m.Huge(), err)
	}
}
