package gmem_test

import (
	"bytes"
	"errors"
	"math"
	"sync"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
)

func machine(t testing.TB, fr *gmemtest.Frames, b *gmem.Budget) *gmem.Memory {
	m, err := gmem.New(gmem.Config{
		Frames: fr, Budget: b,
		Regions: []gmem.Range{{0, 8 << 20}, {1 << 32, 4 << 20}},
		Holes:   []gmem.Range{{0xa0000, 0x20000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRanges(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	for _, c := range []struct {
		gpa, n uint64
		ok     bool
	}{
		{0, 1, true}, {0, 0xa0000, true}, {0, 0xa0001, false}, {0x9ffff, 2, false},
		{0xbffff, 1, false}, {0xc0000, 16, true}, {8<<20 - 1, 1, true}, {8<<20 - 1, 2, false},
		{8 << 20, 1, false}, {1<<32 - 1, 2, false}, {1 << 32, 4 << 20, true}, {1 << 32, 4<<20 + 1, false},
		{math.MaxUint64, 1, false}, {math.MaxUint64, 2, false}, {math.MaxUint64 - 7, 8, false}, {2<<20 - 4, 8, true},
	} {
		if got := m.Contains(c.gpa, c.n); got != c.ok {
			t.Errorf("Contains(%#x, %#x) = %v", c.gpa, c.n, got)
		}
		if c.n > 16 {
			continue
		}
		p := make([]byte, c.n)
		if err := m.Read(c.gpa, p); (err == nil) != c.ok || err != nil && !errors.Is(err, gmem.ErrNotMemory) {
			t.Errorf("Read(%#x, %d): %v", c.gpa, c.n, err)
		}
		if err := m.Write(c.gpa, p); (err == nil) != c.ok {
			t.Errorf("Write(%#x, %d): %v", c.gpa, c.n, err)
		}
	}
}

func TestAccessAcrossFrames(t *testing.T) {
	fr := &gmemtest.Frames{}
	m := machine(t, fr, nil)
	at := uint64(gmem.FrameSize - 3)
	if v, ok := m.Uint64(at); v != 0 || !ok || fr.InUse() != 0 {
		t.Fatalf("untouched: %#x %v, %d frames", v, ok, fr.InUse())
	}
	if !m.PutUint64(at, 0x1122334455667788) {
		t.Fatal("put")
	}
	if v, _ := m.Uint64(at); v != 0x1122334455667788 {
		t.Fatalf("got %#x", v)
	}
	if v, _ := m.Uint16(at + 2); v != 0x5566 {
		t.Fatalf("got %#x", v)
	}
	if _, ok := m.Load(at, 8); ok {
		t.Error("Load across frames must leave it to ordinary Go")
	}
	if m.Resident() != 2*gmem.FrameSize {
		t.Errorf("resident %d", m.Resident())
	}
	if sw, ok := m.CompareAndSwap64(8, 0, 7); !sw || !ok {
		t.Error("cas")
	}
	if sw, ok := m.CompareAndSwap64(8, 0, 9); sw || !ok {
		t.Error("cas of another value")
	}
	if _, ok := m.CompareAndSwap64(9, 0, 9); ok {
		t.Error("misaligned cas")
	}
}

func TestTouchLeavesHolesOut(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	ps, err := m.Touch(0x1234, nil)
	if err != nil || len(ps) != 2 || ps[0].Size != 0xa0000 || ps[1].GPA != 0xc0000 ||
		ps[1].HPA-ps[0].HPA != 0xc0000 || ps[1].Size != gmem.FrameSize-0xc0000 {
		t.Fatalf("%+v %v", ps, err)
	}
	if _, err := m.Touch(0xa0000, nil); !errors.Is(err, gmem.ErrNotMemory) {
		t.Error(err)
	}
	if ps, _ := m.Touch(3<<20, nil); len(ps) != 1 || ps[0].Size != gmem.FrameSize {
		t.Errorf("%+v", ps)
	}
}

func TestEndOfLife(t *testing.T) {
	fr := &gmemtest.Frames{}
	b := gmem.NewBudget(16 << 20)
	m := machine(t, fr, b)
	if _, err := gmem.New(gmem.Config{Frames: fr, Budget: b, Regions: []gmem.Range{{0, 8 << 20}}}); !errors.Is(err, gmem.ErrNoMemory) {
		t.Fatalf("admitted: %v", err)
	}
	w, err := m.Pin(1<<32+5, 100)
	if err != nil {
		t.Fatal(err)
	}
	copy(w.Bytes(), "tenant's secret")
	if err := m.Close(); !errors.Is(err, gmem.ErrPinned) {
		t.Fatalf("closed under a window: %v", err)
	}
	w.Unpin()
	w.Unpin()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if fr.InUse() != 0 || b.Used() != 0 {
		t.Errorf("%d frames out, %d bytes promised", fr.InUse(), b.Used())
	}
	if m.Write(0, []byte{1}) == nil {
		t.Error("write after Close")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestHostOutOfFrames(t *testing.T) {
	m := machine(t, &gmemtest.Frames{Limit: 1}, nil)
	if err := m.Write(gmem.FrameSize-1, []byte{1, 2}); !errors.Is(err, gmem.ErrNoMemory) {
		t.Error(err)
	}
}

func TestParallelFirstTouch(t *testing.T) {
	fr := &gmemtest.Frames{}
	m := machine(t, fr, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 4 {
				m.PutUint64(uint64(j)*gmem.FrameSize+uint64(i)*64, uint64(i))
			}
		})
	}
	wg.Wait()
	if fr.InUse() != 4 {
		t.Errorf("%d frames", fr.InUse())
	}
}

func TestNoAllocation(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	m.PutUint8(0, 1)
	var buf [64]byte
	if n := testing.AllocsPerRun(100, func() {
		m.PutUint32(16, 7)
		m.Uint64(16)
		m.Load(16, 4)
		m.Store(16, 2, 9)
		m.CompareAndSwap32(16, 9, 10)
		_ = m.Read(8, buf[:])
		_ = m.Write(8, buf[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAccess compares the memory with a plain map of bytes.
func FuzzAccess(f *testing.F) {
	f.Add([]byte{0, 0xff, 0xff, 0x1f, 0, 0, 8, 1})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := machine(t, &gmemtest.Frames{}, nil)
		model := map[uint64]byte{}
		for len(ops) >= 8 {
			var gpa uint64
			for i, b := range ops[1:7] {
				gpa |= uint64(b) << (8 * i)
			}
			switch ops[0] & 6 {
			case 0:
				gpa &= 0xfffffff
			case 2:
				gpa = gpa<<40 | gpa
			}
			n := uint64(ops[7] % 32)
			p := bytes.Repeat(ops[7:8], int(n))
			if ops[0]&1 == 1 {
				if m.Write(gpa, p) == nil {
					for i := range n {
						model[gpa+i] = p[i]
					}
				}
			} else if m.Read(gpa, p) == nil {
				for i := range n {
					if p[i] != model[gpa+i] {
						t.Fatalf("%#x: %#x, want %#x", gpa+i, p[i], model[gpa+i])
					}
				}
			}
			m.Touch(gpa, nil)
			ops = ops[8:]
		}
	})
}

func TestPinIntoUsesAWindowAgainWithoutAllocating(t *testing.T) {
	m := gmemtest.New(2 * gmem.FrameSize)
	var w gmem.Window
	w.Unpin() // nothing pinned: harmless
	at := uint64(0)
	failed := 0
	n := testing.AllocsPerRun(50, func() {
		at = (at + 4096) % gmem.FrameSize
		if m.PinInto(&w, at, 4096) != nil || len(w.Bytes()) != 4096 {
			failed++
		}
		if m.Close() == nil { // still pinned
			failed++
		}
		w.Unpin()
		w.Unpin()
	})
	// Close allocates its error, PinInto nothing.
	if free := testing.AllocsPerRun(50, func() {
		if m.PinInto(&w, 4096, 4096) != nil {
			failed++
		}
		w.Unpin()
	}); free != 0 || failed != 0 {
		t.Errorf("%v allocations (%v with the refused Close), %d failures", free, n, failed)
	}
	if err := m.PinInto(&w, gmem.FrameSize-1, 2); !errors.Is(err, gmem.ErrNotMemory) {
		t.Errorf("across a frame: %v", err)
	}
	w.Unpin()
	if err := m.Close(); err != nil {
		t.Errorf("with nothing pinned: %v", err)
	}
}
