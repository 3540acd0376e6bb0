package gmem_test

import (
	"errors"
	"sync"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
)

func TestGrow(t *testing.T) {
	fr, b := &gmemtest.Frames{}, gmem.NewBudget(32<<20)
	m := machine(t, fr, b) // 8 MiB at 0, 4 at 4 GiB
	const at = 1<<32 + 4<<20
	for _, r := range []gmem.Range{{at, 0}, {at + 4096, 2 << 20}, {at, 4096}, {1 << 32, 2 << 20}, {at - 2<<20, 2 << 20}, {^uint64(0) &^ (gmem.FrameSize - 1), 4 << 20}} {
		if err := m.Grow(r); err == nil || errors.Is(err, gmem.ErrNoMemory) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if err := m.Grow(gmem.Range{Start: at, Size: 22 << 20}); !errors.Is(err, gmem.ErrNoMemory) {
		t.Errorf("more than the budget has: %v", err)
	}
	if m.Size() != 12<<20 || b.Used() != 12<<20 || m.Contains(at, 1) || m.PutUint64(at, 1) {
		t.Errorf("after refusals %d bytes, %d promised", m.Size(), b.Used())
	}
	if err := m.StartDirty(); err != nil {
		t.Fatal(err)
	}
	m.PutUint64(1<<32, 1)
	if err := m.Grow(gmem.Range{Start: at, Size: 4 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := m.Grow(gmem.Range{Start: at + 8<<20, Size: 2 << 20}); err != nil { // a gap between
		t.Fatal(err)
	}
	if m.Size() != 18<<20 || b.Used() != 18<<20 || len(m.Regions()) != 4 || fr.InUse() != 1 {
		t.Errorf("%d bytes, %d promised, %d regions, %d frames", m.Size(), b.Used(), len(m.Regions()), fr.InUse())
	}
	if !m.Contains(at-8, 16) || m.Contains(at+4<<20, 1) || !m.PutUint64(at-4, 7) || !m.PutUint64(at+8<<20, 8) {
		t.Error("the new memory is not there")
	}
	if got := dirty(t, m); len(got) != 4 { // the write across the border is in two pages
		t.Errorf("dirty pages %v", got)
	}
	m.StopDirty()
	if !m.Reclaim(at+8<<20, func() error { return nil }) {
		t.Error("reclaim")
	}
	if err := m.Close(); err != nil || fr.InUse() != 0 || b.Used() != 0 {
		t.Errorf("%v, %d frames out, %d bytes promised", err, fr.InUse(), b.Used())
	}
	if err := m.Grow(gmem.Range{Start: 1 << 33, Size: 2 << 20}); err == nil || b.Used() != 0 {
		t.Error("grew after Close")
	}
}

// TestGrowBesideAccesses has the race detector look at it, while writes are tracked.
func TestGrowBesideAccesses(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	if err := m.StartDirty(); err != nil {
		t.Fatal(err)
	}
	const at, pieces = 1<<32 + 4<<20, 8
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for n := 0; n < pieces; {
				if m.PutUint64(at+uint64(n)*gmem.FrameSize+uint64(w)*gmem.PageSize, 1) {
					n++
				}
				m.Contains(0, 16)
			}
		})
	}
	for n := range uint64(pieces) {
		if err := m.Grow(gmem.Range{Start: at + n*gmem.FrameSize, Size: gmem.FrameSize}); err != nil {
			t.Error(err)
		}
		m.Regions()
	}
	wg.Wait()
	if got := dirty(t, m); len(got) != 3*pieces {
		t.Errorf("%d dirty pages, want %d", len(got), 3*pieces)
	}
}
