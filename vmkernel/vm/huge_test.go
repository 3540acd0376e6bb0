package vm

import (
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/host"
)

// TestHugeMappings: memory whose frames are next to each other is mapped by one entry, as
// soon as the last is there, and again after a part was taken or written page by page.
func TestHugeMappings(t *testing.T) {
	r := newMemRig(t, 8<<20)
	fr := &gmemtest.Runs{}
	b := &board{space: spaceOf(host.Config{MemoryMiB: 3 << 10}, nil), table: r.n}
	var err error
	if b.mem, err = gmem.New(gmem.Config{Frames: fr, Regions: b.space.regions(), Holes: []gmem.Range{{Start: vgaStart, Size: vgaSize}}}); err != nil {
		t.Fatal(err)
	}
	io := &cpuIO{b: b}
	touch := func(from, to uint64) {
		t.Helper()
		for at := from; at < to; at += gmem.FrameSize {
			if ok, err := io.Backed(at, true); !ok || err != nil {
				t.Fatalf("%#x: %v, %v", at, ok, err)
			}
		}
	}
	page := func(what string, gpa, want uint64) {
		t.Helper()
		hpa, _, size, ok := r.n.Lookup(gpa)
		if size != want || !ok {
			t.Errorf("%s: %#x is in a page of %#x, %v", what, gpa, size, ok)
		}
		if w, ok := r.n.walkOf(gpa); !ok || w != hpa {
			t.Errorf("%s: %#x is %#x for the table, %#x for the processor", what, gpa, hpa, w)
		}
	}
	const last = 2<<30 - gmem.FrameSize
	touch(0, last)
	page("the hole", 1<<20, 4096)
	page("around the hole", 4<<20, gmem.FrameSize)
	page("one is missing", 1<<30, gmem.FrameSize)
	if err := b.mem.Write(last, []byte{1}); err != nil { // a device has it first
		t.Fatal(err)
	}
	touch(last, 2<<30)
	page("all is there", 1<<30, gmem.RunSize)
	page("at its end", 2<<30-1, gmem.RunSize)
	shots := r.n.shots

	// The balloon takes a frame, and the guest takes it back.
	const at = 1<<30 + 7*gmem.FrameSize
	if !(reclaimer{b}).Reclaim(at) {
		t.Fatal("reclaim")
	}
	if _, _, _, ok := r.n.Lookup(at); ok || r.n.shots == shots {
		t.Error("the frame is mapped still")
	}
	page("beside it", at+gmem.FrameSize, gmem.FrameSize)
	touch(at, at+1)
	page("it came back", at, gmem.RunSize)

	// Writes are tracked by the page.
	if err := b.startDirty(); err != nil {
		t.Fatal(err)
	}
	page("tracked", at, gmem.RunSize)
	if _, writable, _ := r.n.walk(at, false); writable {
		t.Error("writable while it is tracked")
	}
	touch(at, at+1)
	page("written", at, 4096)
	page("beside it", at+gmem.FrameSize, gmem.FrameSize)
	list, err := b.collectDirty(nil)
	if err != nil || len(list) != 1 || list[0].gpa != at || list[0].pages[0] != 1 {
		t.Errorf("%v: %d frames are dirty", err, len(list))
	}
	if err := b.stopDirty(); err != nil {
		t.Fatal(err)
	}
	page("no more", at, gmem.RunSize)
	if _, writable, ok := r.n.walk(at, false); !writable || !ok {
		t.Error("not writable after it was tracked")
	}
	if err := r.n.Unmap(0, 3<<30); err != nil {
		t.Fatal(err)
	}
	if err := b.mem.Close(); err != nil || fr.InUse() != 0 {
		t.Errorf("%v, %d frames are out", err, fr.InUse())
	}
}

// walkOf is where the processor finds gpa.
func (n *npt) walkOf(gpa uint64) (uint64, bool) {
	hpa, _, ok := n.walk(gpa, false)
	return hpa, ok
}
