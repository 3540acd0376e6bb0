package gmem_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
)

// dirty lists the dirty pages by number.
func dirty(t testing.TB, m *gmem.Memory) (out []uint64) {
	t.Helper()
	if err := m.CollectDirty(func(gpa uint64, p *gmem.Pages) error {
		for i := range uint64(gmem.FrameSize / gmem.PageSize) {
			if p[i>>6]>>(i&63)&1 != 0 {
				out = append(out, gpa/gmem.PageSize+i)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDirty(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	if err := m.CollectDirty(nil); !errors.Is(err, gmem.ErrTracking) {
		t.Error(err)
	}
	m.PutUint64(0, 1)
	if err := m.StartDirty(); err != nil {
		t.Fatal(err)
	}
	if err := m.StartDirty(); !errors.Is(err, gmem.ErrTracking) {
		t.Error(err)
	}
	var w *gmem.Window
	const four = 1 << 20 // page number of 4 GiB
	for i, c := range []struct {
		do   func()
		want []uint64
	}{
		{func() { m.Uint64(0); m.Load(0, 8); m.Read(0, make([]byte, 9000)); m.Touch(2<<20, nil) }, nil},
		{func() { m.PutUint8(4095, 1) }, []uint64{0}},
		{func() { m.PutUint16(4095, 1) }, []uint64{0, 1}},
		{func() { m.PutUint32(gmem.FrameSize-1, 1) }, []uint64{511, 512}},
		{func() { m.PutUint64(1<<32, 1) }, []uint64{four}},
		{func() { m.Store(0x5000, 4, 7) }, []uint64{5}},
		{func() { m.CompareAndSwap64(0x6000, 0, 7) }, []uint64{6}},
		{func() { m.CompareAndSwap64(0x6000, 0, 9); m.CompareAndSwap32(0x6000, 0, 9) }, nil},
		{func() { m.CompareAndSwap32(0x7000, 0, 9) }, []uint64{7}},
		{func() { m.Write(0x8fff, make([]byte, 4098)) }, []uint64{8, 9, 10}},
		{func() { m.Write(gmem.FrameSize-1, make([]byte, 2)) }, []uint64{511, 512}},
		{func() { m.Write(8<<20-1, make([]byte, 2)); m.Write(0xa0000, []byte{1}) }, nil},
		{func() { m.Zero(0x10000, 4097) }, []uint64{16, 17}},
		{func() { m.Write(0, nil); m.Zero(0, 0) }, nil},
		{func() { m.MarkDirty(8<<20-1, 1<<62); m.MarkDirty(9<<20, 5) }, append([]uint64{2047}, pages(four, 1024)...)},
		{func() { m.MarkDirty(1<<32-1, ^uint64(0)) }, pages(four, 1024)},
		{func() { w, _ = m.Pin(0x20ff0, 0x20) }, nil},
		{func() { w.Bytes()[0] = 1 }, nil},
		{func() { w.Unpin(); w.Unpin() }, []uint64{0x20, 0x21}},
	} {
		c.do()
		if got := dirty(t, m); !slices.Equal(got, c.want) {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
	m.PutUint8(0x3000, 1)
	stop := errors.New("stop")
	if err := m.CollectDirty(func(uint64, *gmem.Pages) error { return stop }); err != stop {
		t.Error(err)
	}
	if got := dirty(t, m); !slices.Equal(got, []uint64{3}) {
		t.Errorf("after a collection that failed: %v", got)
	}
	m.Clear()
	if got := dirty(t, m); len(got) != int(m.Resident()/gmem.PageSize) {
		t.Errorf("%d pages after Clear", len(got))
	}
	m.StopDirty()
	m.PutUint8(0, 1)
	if err := m.StartDirty(); err != nil || dirty(t, m) != nil {
		t.Error("the second tracking knows something", err)
	}
}

func pages(first, n uint64) (out []uint64) {
	for i := range n {
		out = append(out, first+i)
	}
	return out
}

// TestDirtyWhileWriting: a copy made by collections only, beside writers, is the
// memory in the end.
func TestDirtyWhileWriting(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	if err := m.StartDirty(); err != nil {
		t.Fatal(err)
	}
	to := machine(t, &gmemtest.Frames{}, nil)
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(20000) {
				m.Store(1<<20+i*g*24%4096*8, 8, i<<8|g)
				m.PutUint64(2<<20+(i*40+g*8)%(1<<20), i)
			}
		})
	}
	done := make(chan bool)
	go func() { wg.Wait(); close(done) }()
	collect := func() {
		if err := m.CollectDirty(func(gpa uint64, p *gmem.Pages) error {
			var b [gmem.PageSize]byte
			for i := range uint64(512) {
				if p[i>>6]>>(i&63)&1 == 0 {
					continue
				}
				// 8 bytes at a time, as a copy beside writers has to.
				for o := uint64(0); o < gmem.PageSize; o += 8 {
					v, _ := m.Uint64(gpa + i*gmem.PageSize + o)
					for j := range uint64(8) {
						b[o+j] = byte(v >> (8 * j))
					}
				}
				if err := to.Write(gpa+i*gmem.PageSize, b[:]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	for run := true; run; {
		select {
		case <-done:
			run = false
		default:
		}
		if !raceDetector {
			collect()
		}
	}
	collect()
	a, b := make([]byte, 4<<20-1<<20), make([]byte, 4<<20-1<<20)
	m.Read(1<<20, a)
	to.Read(1<<20, b)
	if !bytes.Equal(a, b) {
		t.Error("the copy is not the memory")
	}
}

func TestFrames(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	m.PutUint8(5, 9)
	m.PutUint8(1<<32+gmem.FrameSize, 8)
	got := ""
	m.Frames(func(gpa uint64, b []byte, p *gmem.Pages) error {
		n := 0
		for i := range 512 {
			n += int(p[i>>6] >> (i & 63) & 1)
		}
		got += fmt.Sprintf("%x %d %d %d;", gpa, len(b), b[5]|b[0], n)
		return nil
	})
	if want := fmt.Sprintf("0 %d 9 %d;100200000 %d 8 512;", gmem.FrameSize, 512-0x20, gmem.FrameSize); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	stop := errors.New("stop")
	if err := m.Frames(func(uint64, []byte, *gmem.Pages) error { return stop }); err != stop {
		t.Error(err)
	}
	if b, p := m.Frame(100); len(b) != gmem.FrameSize || b[5] != 9 || p[2]>>32 != 0 || p[0] != ^uint64(0) {
		t.Errorf("%d bytes, %x", len(b), p)
	}
	if b, _ := m.Frame(2 << 20); b != nil {
		t.Error("an absent frame has bytes")
	}
	if b, _ := m.Frame(1 << 50); b != nil {
		t.Error("what is not memory has bytes")
	}
}

func TestDirtyDoesNotAllocate(t *testing.T) {
	m := machine(t, &gmemtest.Frames{}, nil)
	m.PutUint8(0, 1)
	m.StartDirty()
	p := make([]byte, 64)
	f := func(uint64, *gmem.Pages) error { return nil }
	if n := testing.AllocsPerRun(100, func() {
		m.PutUint32(16, 7)
		m.Store(16, 2, 9)
		m.CompareAndSwap32(16, 9, 10)
		_ = m.Write(8, p)
		m.CollectDirty(f)
	}); n > 1 { // the bitmap that f sees
		t.Errorf("%v allocations", n)
	}
}
