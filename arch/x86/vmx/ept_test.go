package vmx

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// heapFrames is a Frames on the Go heap with a limit.
type heapFrames struct {
	tabs map[uint64]*[512]uint64
	next uint64
	left int
}

func newHeapFrames(limit int) *heapFrames {
	return &heapFrames{tabs: map[uint64]*[512]uint64{}, next: 0x1000, left: limit}
}

func (h *heapFrames) AllocFrame() (uint64, bool) {
	if h.left == 0 {
		return 0, false
	}
	h.left--
	pa := h.next
	h.next += 0x1000
	h.tabs[pa] = new([512]uint64)
	return pa, true
}

func (h *heapFrames) FreeFrame(pa uint64) {
	if h.tabs[pa] == nil {
		panic("free of a frame that is not allocated")
	}
	delete(h.tabs, pa)
	h.left++
}

func (h *heapFrames) Table(pa uint64) *[512]uint64 { return h.tabs[pa] }

var testCaps = &Caps{EPT1G: true, EPTAccessedDirty: true}

func newTestEPT(t *testing.T, limit int) (*EPT, *heapFrames) {
	t.Helper()
	h := newHeapFrames(limit)
	e, err := NewEPT(testCaps, h)
	if err != nil {
		t.Fatal(err)
	}
	return e, h
}

const rwxWB = EPTRights | EPTWriteBack

func TestMapUsesLargestPages(t *testing.T) {
	const M2, G1 = 2 << 20, 1 << 30
	for _, tc := range []struct {
		name           string
		gpa, hpa, size uint64
		at             uint64
		page           uint64
	}{
		{"4K", 0x1000, 0x7000, 0x1000, 0x1000, 0x1000},
		{"2M", M2, 4 * M2, M2, M2 + 0x1234, M2},
		{"2M misaligned host", M2, 4*M2 + 0x1000, M2, M2, 0x1000},
		{"1G", G1, 2 * G1, G1, G1 + 5, G1},
		{"1G in a longer range", M2, G1 + M2, 3 * G1, 2 * G1, G1},
		{"head of a longer range", M2, G1 + M2, 3 * G1, M2, M2},
	} {
		e, _ := newTestEPT(t, -1)
		if flush, err := e.Map(tc.gpa, tc.hpa, tc.size, rwxWB); err != nil || flush {
			t.Fatalf("%s: flush %v, %v", tc.name, flush, err)
		}
		hpa, leaf, size, ok := e.Lookup(tc.at)
		if !ok || hpa != tc.hpa+tc.at-tc.gpa || size != tc.page || leaf&rwxWB != rwxWB {
			t.Errorf("%s: %#x -> %#x size %#x leaf %#x %v", tc.name, tc.at, hpa, size, leaf, ok)
		}
		if _, _, _, ok := e.Lookup(tc.gpa + tc.size); ok {
			t.Errorf("%s: maps past its end", tc.name)
		}
	}
}

func TestWithout1GPages(t *testing.T) {
	e, err := NewEPT(&Caps{}, newHeapFrames(-1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Map(0, 0, 1<<30, rwxWB); err != nil {
		t.Fatal(err)
	}
	if _, _, size, _ := e.Lookup(0); size != 2<<20 {
		t.Errorf("page of %#x", size)
	}
}

func TestUnmapSplitsAtItsEdges(t *testing.T) {
	e, _ := newTestEPT(t, -1)
	e.Map(0, 1<<30, 1<<30, rwxWB)
	flush, err := e.Unmap(0x201000, 0x1000)
	if err != nil || !flush {
		t.Fatal(flush, err)
	}
	for _, tc := range []struct {
		gpa uint64
		ok  bool
	}{{0x200000, true}, {0x201000, false}, {0x201fff, false}, {0x202000, true}, {0x3fffffff, true}} {
		hpa, _, _, ok := e.Lookup(tc.gpa)
		if ok != tc.ok || ok && hpa != 1<<30+tc.gpa {
			t.Errorf("%#x: %#x %v", tc.gpa, hpa, ok)
		}
	}
	if flush, _ := e.Unmap(1<<40, 1<<30); flush {
		t.Error("unmapping nothing asks for a flush")
	}
}

func TestProtectKeepsAddressAndType(t *testing.T) {
	e, _ := newTestEPT(t, -1)
	e.Map(0, 1<<30, 4<<20, rwxWB)
	if flush, err := e.Protect(0, 0x1000, EPTRead); err != nil || !flush {
		t.Fatal(flush, err)
	}
	hpa, leaf, size, ok := e.Lookup(0)
	if !ok || hpa != 1<<30 || size != 0x1000 || leaf&(rwxWB) != EPTRead|EPTWriteBack {
		t.Errorf("%#x leaf %#x size %#x", hpa, leaf, size)
	}
	if _, leaf, _, _ := e.Lookup(0x1000); leaf&EPTRights != EPTRights {
		t.Error("the neighbour lost its rights")
	}
}

func TestRemapBuriesTablesUntilReclaim(t *testing.T) {
	e, h := newTestEPT(t, -1)
	e.Map(0, 0x5000, 0x1000, rwxWB)
	before := len(h.tabs)
	flush, err := e.Map(0, 1<<30, 2<<20, rwxWB)
	if err != nil || !flush {
		t.Fatal(flush, err)
	}
	if len(h.tabs) != before {
		t.Error("a table was freed before Reclaim")
	}
	e.Reclaim()
	if len(h.tabs) != before-1 || e.Tables() != before-1 {
		t.Errorf("%d frames, %d counted, want %d", len(h.tabs), e.Tables(), before-1)
	}
	e.Free()
	if len(h.tabs) != 0 {
		t.Errorf("%d frames leaked", len(h.tabs))
	}
}

func TestErrors(t *testing.T) {
	e, _ := newTestEPT(t, 2)
	if _, err := e.Map(0x800, 0, 0x1000, rwxWB); !errors.Is(err, ErrAlignment) {
		t.Error(err)
	}
	if _, err := e.Map(0, 0x800, 0x1000, rwxWB); !errors.Is(err, ErrAlignment) {
		t.Error(err)
	}
	if _, err := e.Map(MaxGPA-0x1000, 0, 0x2000, rwxWB); !errors.Is(err, ErrRange) {
		t.Error(err)
	}
	if _, err := e.Unmap(0, 1<<63); !errors.Is(err, ErrRange) {
		t.Error(err)
	}
	if _, err := e.Map(0, 0, 0x1000, rwxWB); !errors.Is(err, ErrNoFrame) {
		t.Error(err)
	}
	if _, err := NewEPT(testCaps, newHeapFrames(0)); !errors.Is(err, ErrNoFrame) {
		t.Error(err)
	}
}

func TestEntriesAreNeverMisconfigured(t *testing.T) {
	e, h := newTestEPT(t, -1)
	e.Map(0, 0, 3<<30, rwxWB)
	e.Protect(0x5000, 0x3000, EPTRead)
	e.Unmap(1<<30+0x1000, 0x1000)
	var walk func(pa uint64, level int)
	walk = func(pa uint64, level int) {
		for i, v := range h.Table(pa) {
			x := Entry(v)
			if why := x.Misconfigured(level, testCaps); why != "" {
				t.Errorf("level %d entry %d %#x: %s", level, i, v, why)
			}
			if x.Present() && !x.Leaf(level) {
				walk(x.Addr(), level-1)
			}
		}
	}
	walk(e.Root(), 4)
	for _, tc := range []struct {
		e     Entry
		level int
	}{
		{EPTWrite, 1}, {EPTExecute, 1}, {EPTRights | 2<<3, 1}, {EPTRights | 0x10, 2},
		{EPTRights | EPTLeaf | 0x1000, 2}, {EPTRights | EPTLeaf, 4},
	} {
		if tc.e.Misconfigured(tc.level, testCaps) == "" {
			t.Errorf("%#x at level %d passes", tc.e, tc.level)
		}
	}
}

// TestAgainstMap compares random changes with a plain map of 4 KiB pages.
func TestAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	e, h := newTestEPT(t, -1)
	type page struct {
		hpa    uint64
		rights Entry
	}
	model := map[uint64]page{}
	const span = 1 << 12 // pages: 16 MiB
	for step := range 2000 {
		p := uint64(r.IntN(span))
		n := min(uint64(1+r.IntN(1500)), span-p)
		if r.IntN(2) == 0 { // make 2 MiB runs likely
			p, n = p&^511, min((n+511)&^511, span-p&^511)
		}
		gpa, size := p<<12, n<<12
		switch r.IntN(3) {
		case 0:
			hpa := uint64(r.IntN(64))<<21 + gpa&(2<<20-1)
			if _, err := e.Map(gpa, hpa, size, rwxWB); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				model[p+i] = page{hpa + i<<12, EPTRights}
			}
		case 1:
			e.Unmap(gpa, size)
			for i := range n {
				delete(model, p+i)
			}
		case 2:
			e.Protect(gpa, size, EPTRead|EPTExecute)
			for i := range n {
				if m, ok := model[p+i]; ok {
					model[p+i] = page{m.hpa, EPTRead | EPTExecute}
				}
			}
		}
		e.Reclaim()
		for range 50 {
			p := uint64(r.IntN(span))
			hpa, leaf, _, ok := e.Lookup(p << 12)
			m, want := model[p]
			if ok != want || ok && (hpa != m.hpa || leaf&EPTRights != m.rights) {
				t.Fatalf("step %d page %#x: got %#x %#x %v, want %+v %v", step, p, hpa, leaf, ok, m, want)
			}
		}
	}
	if e.Tables() != len(h.tabs) {
		t.Errorf("%d tables counted, %d allocated", e.Tables(), len(h.tabs))
	}
	e.Free()
	if len(h.tabs) != 0 {
		t.Errorf("%d frames leaked", len(h.tabs))
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	e, _ := newTestEPT(t, -1)
	e.Map(0, 0, 1<<21, rwxWB)
	if n := testing.AllocsPerRun(100, func() { e.Lookup(0x1234) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestEPTP(t *testing.T) {
	if got := testCaps.EPTP(0x1000); got != 0x105e {
		t.Errorf("%#x", got)
	}
	if got := (&Caps{}).EPTP(0x1000); got != 0x101e {
		t.Errorf("%#x", got)
	}
}

// TestAfterFree: who still has an end of a machine's memory to clear up finds no table,
// and changes nothing.
func TestAfterFree(t *testing.T) {
	e, h := newTestEPT(t, -1)
	if _, err := e.Map(0, 0x200000, 2<<20, rwxWB); err != nil {
		t.Fatal(err)
	}
	e.Free()
	for name, f := range map[string]func() (bool, error){
		"map":     func() (bool, error) { return e.Map(0, 0x200000, 2<<20, rwxWB) },
		"unmap":   func() (bool, error) { return e.Unmap(0, 2<<20) },
		"protect": func() (bool, error) { return e.Protect(0, 2<<20, EPTRead) },
	} {
		if flush, err := f(); flush || !errors.Is(err, ErrRange) {
			t.Errorf("%s: %v %v", name, flush, err)
		}
	}
	if _, _, _, ok := e.Lookup(0); ok || len(h.tabs) != 0 || e.Tables() != 0 {
		t.Errorf("%d tables are left", len(h.tabs))
	}
}
