package paging

import (
	"math/rand/v2"
	"testing"
)

// fakeMemory keeps tables in a map and counts frames.
type fakeMemory struct {
	next  uint64
	words map[uint64]uint64
	out   map[uint64]bool
	limit int
}

func newFake(limit int) *fakeMemory {
	return &fakeMemory{next: 0x1000, words: map[uint64]uint64{}, out: map[uint64]bool{}, limit: limit}
}

func (m *fakeMemory) Alloc() (uint64, bool) {
	if len(m.out) == m.limit {
		return 0, false
	}
	pa := m.next
	m.next += 4096
	m.out[pa] = true
	return pa, true
}

func (m *fakeMemory) Free(pa uint64) {
	if !m.out[pa] {
		panic("free of a frame that is not out")
	}
	delete(m.out, pa)
	for i := range uint64(512) {
		delete(m.words, pa+8*i)
	}
}

func (m *fakeMemory) Load(pa uint64) uint64     { return m.words[pa] }
func (m *fakeMemory) Store(pa uint64, v uint64) { m.words[pa] = v }

func newTables(m *fakeMemory, huge bool) *Tables {
	root, _ := m.Alloc()
	return &Tables{Root: root, Huge: huge}
}

func TestMapUsesTheLargestPages(t *testing.T) {
	for _, c := range []struct {
		name      string
		va, pa, n uint64
		huge      bool
		at, size  uint64 // a probe and the page that maps it
	}{
		{"small", 0x40_0000, 0x123000, Size4K, false, 0x40_0000, Size4K},
		{"large", 0x40_0000, 0x20_0000, Size2M, false, 0x5f_ffff, Size2M},
		{"unaligned address", 0x40_1000, 0x20_0000, Size2M, false, 0x40_1000, Size4K},
		{"huge", 0x4000_0000, 0x8000_0000, Size1G, true, 0x7fff_ffff, Size1G},
		{"huge not allowed", 0x4000_0000, 0x8000_0000, Size1G, false, 0x7fff_ffff, Size2M},
		{"end of a large range", 0x40_0000, 0x20_0000, Size2M + Size4K, false, 0x60_0000, Size4K},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newFake(1 << 20)
			tb := newTables(m, c.huge)
			if !tb.Map(m, c.va, c.pa, c.n, RW|NX) {
				t.Fatal("no memory")
			}
			_, e, size, ok := tb.Walk(m, c.at)
			if !ok || size != c.size || e&(RW|NX|P) != RW|NX|P {
				t.Fatalf("entry %#x size %#x present %v", e, size, ok)
			}
			if pa := Addr(e, size) + c.at&(size-1); pa != c.pa+c.at-c.va {
				t.Fatalf("physical %#x, want %#x", pa, c.pa+c.at-c.va)
			}
			if _, _, _, ok := tb.Walk(m, c.va+c.n); ok {
				t.Fatal("mapped behind the end")
			}
		})
	}
}

func TestSplitKeepsTheTranslation(t *testing.T) {
	m := newFake(1 << 20)
	tb := newTables(m, true)
	tb.Map(m, 0x4000_0000, 0x8000_0000, Size1G, RW)
	const at = 0x4000_0000 + 5*Size2M + 7*Size4K
	if !tb.Split(m, at) {
		t.Fatal("no memory")
	}
	for _, va := range []uint64{at, at + Size4K, 0x4000_0000, 0x7fff_f000, 0x4000_0000 + 5*Size2M} {
		_, e, size, ok := tb.Walk(m, va)
		if !ok || Addr(e, size)+va&(size-1) != va+0x4000_0000 || e&RW == 0 {
			t.Fatalf("%#x: %#x of %#x, present %v", va, e, size, ok)
		}
	}
	if _, _, size, _ := tb.Walk(m, at); size != Size4K {
		t.Fatalf("the page is still %#x", size)
	}
}

func TestOutOfFrames(t *testing.T) {
	for limit := 1; limit < 4; limit++ {
		m := newFake(limit)
		tb := newTables(m, false)
		if tb.Map(m, 0x1000, 0x1000, Size4K, RW) {
			t.Fatalf("mapped with %d frames", limit)
		}
		if _, _, _, ok := tb.Walk(m, 0x1000); ok {
			t.Fatal("half a mapping is present")
		}
	}
}

// TestAgainstModel compares with a map from page to translation.
func TestAgainstModel(t *testing.T) {
	type page struct{ pa, bits uint64 }
	const base, pages = uint64(0x7f00_0000_0000), 4 * 512
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		m := newFake(1 << 20)
		tb := newTables(m, false)
		model := map[uint64]page{}
		for range 200 {
			va := base + uint64(rnd.IntN(pages))*Size4K
			n := uint64(1+rnd.IntN(40)) * Size4K
			pa := uint64(rnd.IntN(1<<20)) * Size4K
			if rnd.IntN(3) == 0 {
				va, n, pa = va&^(Size2M-1), Size2M, pa&^(Size2M-1)
			}
			if rnd.IntN(4) == 0 {
				if _, size, ok := tb.Clear(m, va); ok {
					for p := va &^ (size - 1); p < va&^(size-1)+size; p += Size4K {
						delete(model, p)
					}
				}
				continue
			}
			bits := []uint64{RW, NX, RW | NX, A}[rnd.IntN(4)]
			if !tb.Map(m, va, pa, n, bits) {
				t.Fatal("no memory")
			}
			for off := uint64(0); off < n; off += Size4K {
				model[va+off] = page{pa + off, bits}
			}
		}
		for i := range uint64(pages + 600) {
			va := base + i*Size4K
			_, e, size, ok := tb.Walk(m, va)
			want, mapped := model[va]
			if ok != mapped {
				t.Fatalf("seed %d: %#x present %v, want %v", seed, va, ok, mapped)
			}
			if ok && (Addr(e, size)+va&(size-1) != want.pa || e&(RW|NX) != want.bits&(RW|NX)) {
				t.Fatalf("seed %d: %#x is %#x, want %+v", seed, va, e, want)
			}
		}
	}
}
