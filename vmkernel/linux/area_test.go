package linux

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// offHeap gives n zeroed bytes outside the Go heap, where this package keeps what
// it names by address.
func offHeap(t testing.TB, n int) uintptr {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(b) })
	// SAFETY: the mapping stays until the clean-up.
	return uintptr(unsafe.Pointer(&b[0]))
}

func newAreas(t testing.TB) *memory {
	return &memory{areas: offHeap(t, int(maxAreas*unsafe.Sizeof(area{})))}
}

// Pages that the model knows; addresses are mmapBottom + page.
const modelPages = 256

// check compares every page and the shape of the list.
func (m *memory) check(t *testing.T, model *[modelPages]uint32) {
	t.Helper()
	for p := range model {
		va := uintptr(mmapBottom + p*pageSize)
		got := uint32(0)
		if i := m.find(va); i < m.n && m.area(i).lo <= va {
			got = m.area(i).prot
		}
		if got != model[p] {
			t.Fatalf("page %d: %d, want %d", p, got, model[p])
		}
	}
	for i := range m.n {
		a := m.area(i)
		if a.lo >= a.hi {
			t.Fatalf("area %d is empty", i)
		}
		if i > 0 && (m.area(i-1).hi > a.lo || m.area(i-1).hi == a.lo && m.area(i-1).prot == a.prot) {
			t.Fatalf("areas %d and %d overlap or should be one", i-1, i)
		}
	}
}

// change is one step: remove the range, then insert it unless prot is 0.
func (m *memory) change(t *testing.T, model *[modelPages]uint32, from, n int, prot uint32) {
	t.Helper()
	n = min(n, modelPages-from)
	lo, hi := uintptr(mmapBottom+from*pageSize), uintptr(mmapBottom+(from+n)*pageSize)
	if !m.remove(lo, hi) {
		t.Fatal("no room to remove")
	}
	if prot != 0 && !m.insert(lo, hi, prot) {
		t.Fatal("no room to insert")
	}
	for p := from; p < from+n; p++ {
		model[p] = prot
	}
}

func TestAreasAgainstModel(t *testing.T) {
	for seed := range uint64(50) {
		m := newAreas(t)
		var model [modelPages]uint32
		rnd := rand.New(rand.NewPCG(seed, 3))
		for range 300 {
			m.change(t, &model, rnd.IntN(modelPages), 1+rnd.IntN(60), uint32(rnd.IntN(4)))
			m.check(t, &model)
		}
	}
}

func FuzzAreas(f *testing.F) {
	f.Add([]byte{0, 10, 1, 10, 10, 1, 5, 10, 0, 3, 3, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newAreas(t)
		var model [modelPages]uint32
		for ; len(b) >= 3; b = b[3:] {
			m.change(t, &model, int(b[0])%modelPages, 1+int(b[1])%64, uint32(b[2])%4)
		}
		m.check(t, &model)
	})
}

func TestGapKeepsAGuardPage(t *testing.T) {
	m := newAreas(t)
	var last uintptr = mmapTop
	for range 10 {
		va, ok := m.gap(3 * pageSize)
		if !ok || va+3*pageSize > last {
			t.Fatalf("gap at %#x (found %v), the area above begins at %#x", va, ok, last)
		}
		if !m.insert(va, va+3*pageSize, protRead) {
			t.Fatal("no room")
		}
		last = va
	}
	// A hole that fits exactly is too small: no page would be left as a guard.
	m.remove(last+3*pageSize, last+3*pageSize+1)
	if va, ok := m.gap(mmapTop); ok {
		t.Fatalf("found %#x for more than there is", va)
	}
}

func TestFullListIsAnError(t *testing.T) {
	m := newAreas(t)
	for i := range uintptr(maxAreas) {
		if !m.insert(mmapBottom+i*2*pageSize, mmapBottom+(i*2+1)*pageSize, protRead) {
			t.Fatalf("only %d areas", i)
		}
	}
	if m.insert(mmapBottom+maxAreas*2*pageSize, mmapBottom+(maxAreas*2+1)*pageSize, protRead) {
		t.Fatal("more areas than there is room for")
	}
}
