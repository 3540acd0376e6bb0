package pmem

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

const machine = 24 << 20

// memory makes size bytes of physical memory, which take none until they are touched.
func memory(t testing.TB, size int) {
	t.Helper()
	if started {
		t.Skip("the allocator is at work: this is ring 0")
	}
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	old := directMap
	t.Cleanup(func() {
		directMap, s = old, state{}
		syscall.Munmap(b)
	})
	// JUSTIFICATION: the test's memory stands for physical memory.
	// SAFETY: the mapping stays until the clean-up, outside the Go heap.
	directMap, s = uintptr(unsafe.Pointer(&b[0])), state{}
}

// boot gives the allocator a machine of 24 MiB with a hole and a reserved piece.
func boot(t testing.TB) (usable func(pa uint64) bool) {
	t.Helper()
	memory(t, machine)
	regions := []Region{{0x1234, 9<<20 + 100}, {10 << 20, machine}}
	reserved := []Region{{0, 1 << 20}, {13<<20 + 5, 13<<20 + 6}}
	if !Init(regions, reserved) {
		t.Fatal("Init says no")
	}
	table := [2]uint64{s.tableHi - 4096, s.tableHi}
	return func(pa uint64) bool {
		if pa >= table[0] && pa < table[1] || pa < 1<<20 || pa == 13<<20 {
			return false
		}
		return pa >= 0x2000 && pa+Frame <= 9<<20 || pa >= 10<<20 && pa+Frame <= machine
	}
}

func TestInitCountsWhatMayBeUsed(t *testing.T) {
	usable := boot(t)
	want := uint64(0)
	for pa := uint64(0); pa < machine; pa += Frame {
		if usable(pa) {
			want += Frame
		}
	}
	if st := Read(); st.Total != want || st.Free != want {
		t.Fatalf("%+v, want %d of both", st, want)
	}
}

func TestExhaustion(t *testing.T) {
	usable := boot(t)
	seen := map[uint64]bool{}
	for {
		pa, ok := AllocFrame()
		if !ok {
			break
		}
		if seen[pa] || !usable(pa) || pa%Frame != 0 {
			t.Fatalf("frame %#x: seen before %v, usable %v", pa, seen[pa], usable(pa))
		}
		seen[pa] = true
	}
	if st := Read(); st.Free != 0 || uint64(len(seen))*Frame != st.Total {
		t.Fatalf("%d frames were given out, counts are %+v", len(seen), st)
	}
	if _, ok := AllocLarge(); ok {
		t.Fatal("a large frame out of nothing")
	}
	if _, ok := Alloc(1, Frame, 0); ok {
		t.Fatal("a frame out of nothing")
	}
	for pa := range seen {
		Free(pa, 1)
	}
	if _, ok := AllocLarge(); !ok {
		t.Fatal("freed frames do not make a large one again")
	}
}

// TestAgainstModel runs random calls beside a slow list of frames.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		usable := boot(t)
		rnd := rand.New(rand.NewPCG(seed, 1))
		owner := map[uint64]int{} // frame -> allocation
		type piece struct {
			pa uint64
			n  int
		}
		live := map[int]piece{}
		for step := range 2000 {
			var pa uint64
			var ok bool
			n, align, limit := 1, uint64(Frame), uint64(0)
			switch rnd.IntN(8) {
			case 0, 1, 2:
				pa, ok = AllocFrame()
			case 3:
				n, align = framesPerBlock, Large
				pa, ok = AllocLarge()
			case 4:
				n = 1 + rnd.IntN(700)
				align = Frame << rnd.IntN(10)
				if rnd.IntN(2) == 0 {
					limit = uint64(rnd.IntN(machine))
				}
				pa, ok = Alloc(n, align, limit)
			default:
				for id, p := range live { // any one
					fill(p.pa, p.n, 0xa5) // what was there must not be seen again
					Free(p.pa, p.n)
					for i := range p.n {
						delete(owner, p.pa+uint64(i)*Frame)
					}
					delete(live, id)
					break
				}
			}
			if !ok {
				continue
			}
			if pa%align != 0 || limit != 0 && pa+uint64(n)*Frame > limit {
				t.Fatalf("seed %d step %d: %#x of %d frames breaks alignment %#x or limit %#x", seed, step, pa, n, align, limit)
			}
			for i := range n {
				f := pa + uint64(i)*Frame
				if old, taken := owner[f]; taken || !usable(f) {
					t.Fatalf("seed %d step %d: frame %#x belongs to %d, usable %v", seed, step, f, old, usable(f))
				}
				owner[f] = step
				if b := Bytes(f, Frame); b[0] != 0 || b[Frame-1] != 0 {
					t.Fatalf("seed %d step %d: frame %#x is not zeroed", seed, step, f)
				}
			}
			live[step] = piece{pa, n}
			whole := uint64(0)
			for i := range s.n {
				if at(i).free == framesPerBlock {
					whole += Large
				}
			}
			if st := Read(); st.Total-st.Free != uint64(len(owner))*Frame || st.Whole != whole {
				t.Fatalf("seed %d step %d: %+v with %d frames out and %d bytes in whole frames", seed, step, st, len(owner), whole)
			}
		}
	}
}

func fill(pa uint64, n int, v byte) {
	b := Bytes(pa, n*Frame)
	for i := 0; i < len(b); i += Frame {
		b[i], b[i+Frame-1] = v, v
	}
}

func TestAllocationsTakeNoGoMemory(t *testing.T) {
	boot(t)
	if n := testing.AllocsPerRun(100, func() {
		pa, _ := AllocFrame()
		Free(pa, 1)
		pa, _ = AllocLarge()
		Free(pa, framesPerBlock)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestFramesAreClearedAndNoMore(t *testing.T) {
	boot(t)
	pa, ok := AllocLarge()
	if !ok {
		t.Fatal("no frame")
	}
	frame := Bytes(pa, Large)
	for i := range frame {
		frame[i] = 0xA5
	}
	const part = 3 * 512
	ways := []func(va, n uintptr){zeroAround}
	if hasAVX() {
		ways = append(ways, zeroAroundAVX)
	}
	for n, way := range ways {
		for i := range frame {
			frame[i] = 0xA5
		}
		way(Virt(pa)+512, part)
		for i, v := range frame {
			if in := i >= 512 && i < 512+part; in != (v == 0) {
				t.Fatalf("way %d: byte %d is %#x", n, i, v)
			}
		}
	}
	Free(pa, framesPerBlock)
	if again, ok := AllocLarge(); !ok || again != pa {
		t.Fatalf("frame %#x, %v, want %#x again", again, ok, pa)
	}
	for i, v := range frame {
		if v != 0 {
			t.Fatalf("byte %d of a new frame is %#x", i, v)
		}
	}
}

// TestHuge: a run of 1 GiB is found where all of it is free, and its frames are taken one
// by one.
func TestHuge(t *testing.T) {
	boot(t)
	if _, ok := FreeHuge(); ok {
		t.Error("a run of 1 GiB on a machine of 24 MiB")
	}
	at, ok := AllocLarge()
	if !ok || AllocLargeAt(at) {
		t.Fatal("a frame that is taken was taken again")
	}
	fill(at, framesPerBlock, 0xa5)
	Free(at, framesPerBlock)
	before := Read()
	for _, bad := range []uint64{at + Frame, machine, 1 << 50} {
		if AllocLargeAt(bad) {
			t.Errorf("%#x", bad)
		}
	}
	if !AllocLargeAt(at) || AllocLargeAt(at) {
		t.Error("the frame was not taken once")
	}
	if b := Bytes(at, Large); b[0] != 0 || b[Large-1] != 0 {
		t.Error("what was there is seen")
	}
	if st := Read(); st.Free != before.Free-Large || st.Whole != before.Whole-Large {
		t.Errorf("%+v, was %+v", st, before)
	}
	Free(at, framesPerBlock)
	SetReserve(before.Free)
	if AllocLargeAt(at) {
		t.Error("out of the reserve")
	}
}

// TestFreeHuge: only a run that is wholly free is found, the highest first.
func TestFreeHuge(t *testing.T) {
	const top = 3<<30 + 6<<20
	memory(t, top)
	if !Init([]Region{{1 << 20, top}}, nil) { // the first run is not whole
		t.Fatal("Init says no")
	}
	for _, want := range []uint64{2 << 30, 1 << 30, 0} {
		got, ok := FreeHuge()
		if got != want || ok != (want != 0) {
			t.Errorf("%#x, %v, want %#x", got, ok, want)
		}
		if ok && !AllocLargeAt(got+Huge-Large) {
			t.Error("its last frame")
		}
	}
	Free(2<<30-Large, framesPerBlock)
	if got, _ := FreeHuge(); got != 1<<30 {
		t.Errorf("%#x, after its frame came back", got)
	}
}
