package vm

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/arch/x86/svm"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
)

// npt is a nested table of the real format, and a processor that walks it: it holds
// run for reading while it uses a translation, so taking it for writing is the
// shootdown.
type npt struct {
	*svm.NPT
	run   sync.RWMutex
	mu    sync.Mutex // of tabs
	tabs  map[uint64]*[512]uint64
	limit int
	next  uint64
	shots int
	notes bool // the processor sets Dirty bits
}

func (n *npt) NotesWrites() bool { return n.notes }

func (n *npt) AllocTable() (uint64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.limit > 0 && len(n.tabs) >= n.limit {
		return 0, false
	}
	n.next += 4096
	n.tabs[n.next] = new([512]uint64)
	return n.next, true
}

func (n *npt) FreeTable(pa uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.tabs, pa)
}

func (n *npt) Table(pa uint64) *[512]uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tabs[pa]
}

// walk is what the processor does: without the table's lock. n.run is held.
func (n *npt) walk(gpa uint64, write bool) (hpa uint64, writable, ok bool) {
	writable = true
	for pa, level := n.Root(), 3; ; level-- {
		at := &n.Table(pa)[gpa>>(12+9*level)&511]
		e := atomic.LoadUint64(at)
		if e&svm.NPTPresent == 0 {
			return 0, false, false
		}
		writable = writable && e&svm.NPTWrite != 0
		pa = e & 0x000F_FFFF_FFFF_F000
		if level == 0 || e&svm.NPTLarge != 0 {
			if n.notes && write && writable {
				atomic.OrUint64(at, svm.NPTDirty)
			}
			mask := uint64(1)<<(12+9*level) - 1
			return pa&^mask | gpa&mask, writable, true
		}
	}
}

func rightsOf(p vcpu.Prot) (r svm.Rights) {
	if p&vcpu.ProtWrite != 0 {
		r |= svm.Write
	}
	return r | svm.Read | svm.Exec
}
func (n *npt) Map(gpa, hpa, size uint64, p vcpu.Prot) error {
	return n.NPT.Map(gpa, hpa, size, rightsOf(p))
}
func (n *npt) Protect(gpa, size uint64, p vcpu.Prot) error {
	return n.NPT.Protect(gpa, size, rightsOf(p))
}
func (n *npt) Close() error { n.NPT.Close(); return nil }

// memRig is a machine's memory with its table, without devices.
type memRig struct {
	t      testing.TB
	b      *board
	n      *npt
	frames *gmemtest.Frames
	io     *cpuIO
}

func newMemRig(t testing.TB, size uint64) *memRig {
	r := &memRig{t: t, b: &board{}, n: &npt{tabs: map[uint64]*[512]uint64{}}, frames: &gmemtest.Frames{}}
	var err error
	if r.n.NPT, err = svm.NewNPT(r.n, true, func() {
		r.n.run.Lock()
		r.n.shots++
		r.n.run.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	r.b.space = spaceOf(host.Config{MemoryMiB: int(size >> 20)}, nil)
	if r.b.mem, err = gmem.New(gmem.Config{Frames: r.frames, Regions: r.b.space.regions(), Holes: []gmem.Range{{Start: vgaStart, Size: vgaSize}}}); err != nil {
		t.Fatal(err)
	}
	r.b.table = r.n
	r.io = r.cpu()
	t.Cleanup(func() {
		if err := r.b.mem.Close(); err != nil || r.frames.InUse() != 0 {
			t.Errorf("%v, %d frames left", err, r.frames.InUse())
		}
	})
	return r
}

func (r *memRig) cpu() *cpuIO { return &cpuIO{b: r.b, maps: make([]gmem.Mapping, 0, 4)} }

// guest does something with a byte of memory as a processor would: through the nested
// table, with an exit whenever that refuses.
func (r *memRig) guest(io *cpuIO, gpa uint64, write bool, do func(p *byte)) {
	for range 1000 { // a collection may take a right back before it is used
		r.n.run.RLock()
		hpa, writable, ok := r.n.walk(gpa, write)
		if ok && (!write || writable) {
			do(&r.frames.Bytes(hpa, 1)[0])
			r.n.run.RUnlock()
			return
		}
		r.n.run.RUnlock()
		if backed, err := io.Backed(gpa, write); err != nil || !backed {
			r.t.Errorf("%#x: %v %v", gpa, backed, err)
			return
		}
	}
	r.t.Errorf("%#x: no way to go on", gpa)
}

func (r *memRig) write(gpa uint64, v byte) { r.guest(r.io, gpa, true, func(p *byte) { *p = v }) }

func (r *memRig) read(gpa uint64) (v byte) {
	r.guest(r.io, gpa, false, func(p *byte) { v = *p })
	return v
}

// dirty are the numbers of the pages of a collection.
func (r *memRig) dirty() (out []uint64) {
	r.t.Helper()
	list, err := r.b.collectDirty(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range list {
		for i := range uint64(gmem.FrameSize / gmem.PageSize) {
			if f.pages[i>>6]>>(i&63)&1 != 0 {
				out = append(out, f.gpa/gmem.PageSize+i)
			}
		}
	}
	return out
}

// both runs a test with a processor that notes writes, and with one that does not.
func both(t *testing.T, f func(t *testing.T, notes bool)) {
	for name, notes := range map[string]bool{"rights": false, "notes": true} {
		t.Run(name, func(t *testing.T) { f(t, notes) })
	}
}

func TestDirtyPages(t *testing.T) {
	both(t, func(t *testing.T, notes bool) {
		r := newMemRig(t, 8<<20)
		r.n.notes = notes
		same := func(what string, want ...uint64) {
			t.Helper()
			if got := r.dirty(); !slices.Equal(got, want) {
				t.Fatalf("%s: %d, want %d", what, got, want)
			}
		}
		// came is a frame that came meanwhile: the table does not know what of it was written.
		came := func(frame uint64, pages ...uint64) (out []uint64) {
			if !notes {
				return pages
			}
			for i := range uint64(512) {
				out = append(out, frame*512+i)
			}
			return out
		}
		r.write(0x1000, 1)
		r.write(0x40_0000, 1)
		if _, err := r.b.collectDirty(nil); !errors.Is(err, gmem.ErrTracking) {
			t.Error(err)
		}
		if err := r.b.startDirty(); err != nil {
			t.Fatal(err)
		}
		if err := r.b.startDirty(); !errors.Is(err, gmem.ErrTracking) {
			t.Error(err)
		}
		same("all are clean at first")
		r.read(0x1000)
		r.read(0x20_0000) // a first touch
		same("reads are no writes", came(1)...)
		r.write(0x1FFF, 2)
		r.write(0x1000, 3)
		r.write(0x20_0000, 4)
		if err := r.b.mem.Write(0x7000, []byte{5}); err != nil {
			t.Fatal(err)
		}
		r.write(0x60_0000, 6) // a first touch that writes
		r.write(0xC0000, 7)   // behind the hole
		same("guest and host", slices.Concat([]uint64{1, 7, 0xC0, 512}, came(3, 3*512))...)
		_, rights, size, _ := r.n.Lookup(0x20_0000)
		if !notes && (rights&svm.Write != 0 || size != gmem.FrameSize) || notes && (rights&svm.Write == 0 || size != gmem.PageSize) {
			t.Errorf("after a collection: rights %d, page of %#x", rights, size)
		}
		same("once")
		r.write(0x20_1000, 8)
		if _, _, size, _ := r.n.Lookup(0x20_1000); size != gmem.PageSize {
			t.Errorf("the page of %#x bytes became writable", size)
		}
		if r.read(0x60_0000) != 6 || r.read(0x1000) != 3 {
			t.Error("content")
		}
		if err := r.b.stopDirty(); err != nil {
			t.Fatal(err)
		}
		if _, rights, size, _ := r.n.Lookup(0x20_1000); rights&svm.Write == 0 || size != gmem.FrameSize {
			t.Errorf("after the end: rights %d, page of %#x", rights, size)
		}
		r.write(0x20_2000, 9)
		if _, err := r.b.collectDirty(nil); !errors.Is(err, gmem.ErrTracking) {
			t.Error(err)
		}
		if err := r.b.startDirty(); err != nil {
			t.Fatal(err)
		}
		same("nothing of the last time")
	})
}

// TestDirtyMisses copies a machine's memory while two processors write to it, and
// compares at the end: a page that a collection missed would differ.
func TestDirtyMisses(t *testing.T) {
	both(t, func(t *testing.T, notes bool) {
		const size = 6 << 20
		r := newMemRig(t, size)
		r.n.notes = notes
		if err := r.b.startDirty(); err != nil {
			t.Fatal(err)
		}
		copied := make([]byte, size)
		rounds := func(n int) {
			for range n {
				list, err := r.b.collectDirty(nil)
				if err != nil {
					t.Fatal(err)
				}
				r.n.run.Lock() // one byte at a time, for the race detector's sake
				for _, f := range list {
					for i := range uint64(gmem.FrameSize / gmem.PageSize) {
						if at := f.gpa + i*gmem.PageSize; f.pages[i>>6]>>(i&63)&1 != 0 && r.b.mem.Contains(at, 1) {
							if err := r.b.mem.Read(at, copied[at:at+gmem.PageSize]); err != nil {
								t.Error(err)
							}
						}
					}
				}
				r.n.run.Unlock()
			}
		}
		var wg sync.WaitGroup
		var mu [size / gmem.PageSize]sync.Mutex // guests do not race with each other here
		for seed := range uint64(2) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd, io := rand.New(rand.NewPCG(seed, 1)), r.cpu()
				for range 4000 {
					gpa := rnd.Uint64N(size)
					if gpa >= vgaStart && gpa < vgaStart+vgaSize {
						continue
					}
					m := &mu[gpa/gmem.PageSize]
					m.Lock()
					r.guest(io, gpa, true, func(p *byte) { *p++ })
					m.Unlock()
				}
			}()
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		for running := true; running; rounds(1) {
			select {
			case <-done:
				running = false
			default:
			}
		}
		rounds(1)
		now := make([]byte, size)
		for _, p := range [][2]uint64{{0, vgaStart}, {vgaStart + vgaSize, size}} {
			if err := r.b.mem.Read(p[0], now[p[0]:p[1]]); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(now, copied) {
			t.Error("the copy differs")
		}
	})
}

// TestDirtyNoTables: without memory for nested tables the error comes, and nothing is
// lost.
func TestDirtyNoTables(t *testing.T) {
	r := newMemRig(t, 8<<20)
	r.write(0x20_0000, 1)
	if err := r.b.startDirty(); err != nil {
		t.Fatal(err)
	}
	r.n.limit = len(r.n.tabs)
	if _, err := r.io.Backed(0x20_0000, true); !errors.Is(err, svm.ErrNoFrames) {
		t.Errorf("a page that needs a table: %v", err)
	}
	r.n.limit = 0
	r.write(0x20_0000, 2)
	if got := r.dirty(); len(got) != 1 || got[0] != 512 {
		t.Errorf("%d", got)
	}
}
