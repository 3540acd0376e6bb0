package svm

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// memFrames hands out Go memory under made-up physical addresses.
type memFrames struct {
	tabs  map[uint64]*[512]uint64
	next  uint64
	limit int
}

func newFrames(limit int) *memFrames {
	return &memFrames{tabs: map[uint64]*[512]uint64{}, next: 0x10_0000, limit: limit}
}

func (m *memFrames) AllocTable() (uint64, bool) {
	if len(m.tabs) >= m.limit {
		return 0, false
	}
	m.next += 0x1000
	m.tabs[m.next] = new([512]uint64)
	return m.next, true
}

func (m *memFrames) FreeTable(pa uint64) {
	if m.tabs[pa] == nil {
		panic("double free")
	}
	delete(m.tabs, pa)
}

func (m *memFrames) Table(pa uint64) *[512]uint64 { return m.tabs[pa] }

func newTestNPT(t *testing.T, f *memFrames) (*NPT, *int) {
	t.Helper()
	flushes := 0
	n, err := NewNPT(f, true, func() { flushes++ })
	if err != nil {
		t.Fatal(err)
	}
	return n, &flushes
}

func TestMapUsesTheLargestPage(t *testing.T) {
	const K, M, G = 1 << 10, 1 << 20, 1 << 30
	for _, c := range []struct {
		name           string
		gpa, hpa, size uint64
		at, page       uint64
	}{
		{"4K", 0x1000, 0x5000, 4 * K, 0x1000, 4 * K},
		{"2M", 2 * M, 6 * M, 2 * M, 2*M + 0x345, 2 * M},
		{"2M, host not aligned", 2 * M, 6*M + 4096, 2 * M, 2 * M, 4 * K},
		{"1G", G, 4 * G, G, G + 0x12345, G},
		{"1G, host aligned to 2M", G, 4*G + 2*M, G, G + 5, 2 * M},
		{"head of a mixed range", 2*M - 4*K, 2*M - 4*K, 4*M + 4*K, 2*M - 4*K, 4 * K},
		{"body of a mixed range", 2*M - 4*K, 2*M - 4*K, 4*M + 4*K, 4 * M, 2 * M},
	} {
		n, flushes := newTestNPT(t, newFrames(1000))
		if err := n.Map(c.gpa, c.hpa, c.size, Read|Write|Exec); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		hpa, r, size, ok := n.Lookup(c.at)
		if !ok || hpa != c.hpa+c.at-c.gpa || size != c.page || r != Read|Write|Exec {
			t.Errorf("%s: %#x rights %d size %#x %v", c.name, hpa, r, size, ok)
		}
		if _, _, _, ok := n.Lookup(c.gpa + c.size); ok {
			t.Errorf("%s: mapped past the end", c.name)
		}
		if *flushes != 0 {
			t.Errorf("%s: flush for new entries only", c.name)
		}
	}
}

func TestProtectSplitsAndMerges(t *testing.T) {
	f := newFrames(100)
	n, flushes := newTestNPT(t, f)
	n.Map(0, 1<<30, 4<<20, Read|Write|Exec)
	before := n.Tables()
	if err := n.Protect(0x3000, 0x1000, Read); err != nil {
		t.Fatal(err)
	}
	if _, r, size, _ := n.Lookup(0x3000); r != Read || size != 4096 {
		t.Errorf("rights %d size %#x", r, size)
	}
	if hpa, r, size, _ := n.Lookup(0x4008); r != Read|Write|Exec || size != 4096 || hpa != 1<<30+0x4008 {
		t.Errorf("neighbour: %#x rights %d size %#x", hpa, r, size)
	}
	if _, _, size, _ := n.Lookup(2 << 20); size != 2<<20 {
		t.Errorf("the other large page was split: %#x", size)
	}
	if *flushes != 1 {
		t.Errorf("%d flushes", *flushes)
	}
	n.Protect(0, 4<<20, Read|Write|Exec)
	if _, r, size, _ := n.Lookup(0x3000); r != Read|Write|Exec || size != 2<<20 {
		t.Errorf("not merged: rights %d size %#x", r, size)
	}
	if n.Tables() != before {
		t.Errorf("%d tables after the merge, %d before the split", n.Tables(), before)
	}
}

func TestSplitOf1G(t *testing.T) {
	n, _ := newTestNPT(t, newFrames(100))
	n.Map(0, 1<<30, 1<<30, Read|Write)
	n.Unmap(0x20_1000, 0x1000)
	for _, c := range []struct{ gpa, size uint64 }{{0, 2 << 20}, {0x20_0000, 4096}, {0x40_0000, 2 << 20}} {
		hpa, r, size, ok := n.Lookup(c.gpa)
		if !ok || hpa != c.gpa+1<<30 || size != c.size || r != Read|Write {
			t.Errorf("%#x: %#x rights %d size %#x", c.gpa, hpa, r, size)
		}
	}
	if _, _, _, ok := n.Lookup(0x20_1000); ok {
		t.Error("still mapped")
	}
}

func TestUnmapFreesTablesAfterTheFlush(t *testing.T) {
	f := newFrames(100)
	live := -1
	n, err := NewNPT(f, true, func() { live = len(f.tabs) })
	if err != nil {
		t.Fatal(err)
	}
	n.Map(0x1000, 0x1000, 0x1000, Read)
	had := len(f.tabs)
	n.Unmap(0, 1<<39)
	if live != had {
		t.Errorf("%d tables alive at the flush, want %d", live, had)
	}
	if len(f.tabs) != 1 {
		t.Errorf("%d tables left", len(f.tabs))
	}
	n.Close()
	if len(f.tabs) != 0 {
		t.Errorf("%d tables leak", len(f.tabs))
	}
}

func TestMapReplaces(t *testing.T) {
	f := newFrames(100)
	n, flushes := newTestNPT(t, f)
	n.Map(0, 0x4000_1000, 0x2000, Read|Write|Exec)
	n.Map(0, 0x4020_0000, 2<<20, Read|Write|Exec)
	if hpa, _, size, _ := n.Lookup(0x1000); hpa != 0x4020_1000 || size != 2<<20 {
		t.Errorf("%#x size %#x", hpa, size)
	}
	if *flushes != 1 {
		t.Errorf("%d flushes", *flushes)
	}
	n.Map(0x1000, 0x7000, 0x1000, Read)
	if hpa, r, size, _ := n.Lookup(0x1000); hpa != 0x7000 || r != Read || size != 0x1000 {
		t.Errorf("%#x rights %d size %#x", hpa, r, size)
	}
	if hpa, _, _, _ := n.Lookup(0x2000); hpa != 0x4020_2000 {
		t.Errorf("neighbour is %#x", hpa)
	}
}

func TestBadRanges(t *testing.T) {
	n, _ := newTestNPT(t, newFrames(100))
	for _, c := range []struct{ gpa, hpa, size uint64 }{
		{1, 0, 0x1000}, {0, 1, 0x1000}, {0, 0, 0x1001}, {1 << 48, 0, 0x1000},
		{1<<48 - 0x1000, 0, 0x2000}, {0, ^uint64(0xFFF), 0x1000}, {0x1000, 0, ^uint64(0xFFF)},
	} {
		if err := n.Map(c.gpa, c.hpa, c.size, Read); !errors.Is(err, ErrRange) {
			t.Errorf("Map(%#x, %#x, %#x): %v", c.gpa, c.hpa, c.size, err)
		}
	}
	if err := n.Map(0, 0, 0, Read); err != nil {
		t.Errorf("empty range: %v", err)
	}
}

func TestOutOfFrames(t *testing.T) {
	n, _ := newTestNPT(t, newFrames(3))
	if err := n.Map(0x1000, 0, 0x1000, Read); !errors.Is(err, ErrNoFrames) {
		t.Errorf("%v", err)
	}
	if err := n.Unmap(0, 1<<30); err != nil {
		t.Errorf("unmap after failure: %v", err)
	}
	if _, err := NewNPT(newFrames(0), true, func() {}); !errors.Is(err, ErrNoFrames) {
		t.Errorf("%v", err)
	}
}

// TestAgainstModel compares random operations with a flat array of pages.
func TestAgainstModel(t *testing.T) {
	type page struct {
		hpa uint64
		r   Rights
	}
	const pages = 3 * 512
	const base = 1<<30 - 512*4096 // crosses a 1 GiB border
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		f := newFrames(1000)
		n, _ := newTestNPT(t, f)
		var model [pages]page
		for range 60 {
			lo := rnd.IntN(pages)
			if rnd.IntN(3) == 0 {
				lo &^= 511
			}
			cnt := 1 + rnd.IntN(pages-lo)
			if rnd.IntN(2) == 0 {
				cnt = min(1+rnd.IntN(4), pages-lo)
			}
			r := Rights(1 + 2*rnd.IntN(2) + 4*rnd.IntN(2))
			gpa, size := uint64(base+lo*4096), uint64(cnt*4096)
			switch rnd.IntN(3) {
			case 0:
				hpa := uint64(rnd.IntN(1<<10))<<21 | uint64(lo)*4096&(2<<20-1)
				n.Map(gpa, hpa, size, r)
				for i := range cnt {
					model[lo+i] = page{hpa + uint64(i)*4096, r}
				}
			case 1:
				n.Unmap(gpa, size)
				clear(model[lo : lo+cnt])
			case 2:
				n.Protect(gpa, size, r)
				for i := range cnt {
					if model[lo+i].r != 0 {
						model[lo+i].r = r
					}
				}
			}
		}
		for i, want := range model {
			hpa, r, _, ok := n.Lookup(uint64(base + i*4096))
			if ok != (want.r != 0) || ok && (hpa != want.hpa || r != want.r) {
				t.Fatalf("seed %d page %d: %#x %d %v, want %#x %d", seed, i, hpa, r, ok, want.hpa, want.r)
			}
		}
		n.Close()
		if len(f.tabs) != 0 {
			t.Fatalf("seed %d: %d tables leak", seed, len(f.tabs))
		}
	}
}
