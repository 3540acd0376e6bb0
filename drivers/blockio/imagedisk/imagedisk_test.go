package imagedisk_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/blockiotest"
	"basalt/drivers/blockio/imagedisk"
)

const chunk = imagedisk.ChunkSize

// memory gives at most limit chunks, full of junk.
type memory struct {
	mu    sync.Mutex
	limit int
	out   int
}

var errNone = errors.New("no memory here")

type piece struct {
	m *memory
	b []byte
}

func (p *piece) Bytes() []byte { return p.b }

func (p *piece) Release() {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.m.out--
	p.b = nil
}

func (m *memory) alloc() (imagedisk.Chunk, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.out == m.limit {
		return nil, errNone
	}
	m.out++
	return &piece{m, bytes.Repeat([]byte{0xcc}, chunk)}, nil
}

// rig is an image with a disk.
type rig struct {
	testing.TB
	mem *memory
	img *imagedisk.Image
	d   *imagedisk.Disk
}

func newRig(t testing.TB, size int64, limit int) *rig {
	t.Helper()
	r := &rig{TB: t, mem: &memory{limit: limit}}
	var err error
	if r.img, err = imagedisk.New(size, r.mem.alloc); err == nil {
		r.d, err = imagedisk.Open("vda", r.img, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.d.Close()
		r.img.Free()
		if r.mem.out != 0 || r.img.Data() != 0 {
			t.Errorf("%d chunks and %d bytes of data are left", r.mem.out, r.img.Data())
		}
	})
	return r
}

func (r *rig) do(op blockio.Op, off, n int64, bufs ...[]byte) error {
	return blockio.NewWaiter().Do(r.d, []*blockio.Request{{Op: op, Offset: off, Length: n, Bufs: bufs}})
}

func (r *rig) must(op blockio.Op, off, n int64, bufs ...[]byte) {
	r.Helper()
	if err := r.do(op, off, n, bufs...); err != nil {
		r.Fatalf("%v at %d: %v", op, off, err)
	}
}

func (r *rig) holds(chunks int, pages int64) {
	r.Helper()
	if r.mem.out != chunks || r.img.Used() != int64(chunks)*chunk || r.img.Data() != pages*imagedisk.PageSize {
		r.Errorf("%d chunks out, %d bytes used, %d of data; want %d chunks and %d pages", r.mem.out, r.img.Used(), r.img.Data(), chunks, pages)
	}
}

func open(t testing.TB) blockiotest.Setup {
	m := &memory{limit: 8}
	img, err := imagedisk.New(2*chunk, m.alloc)
	if err != nil {
		t.Fatal(err)
	}
	d, err := imagedisk.Open("vda", img, false)
	if err != nil {
		t.Fatal(err)
	}
	return blockiotest.Setup{Disk: d, Remove: d.Remove}
}

func TestConformance(t *testing.T) { blockiotest.Run(t, open) }

func FuzzOps(f *testing.F) { blockiotest.Fuzz(f, open) }

func TestHolesGiveMemoryBack(t *testing.T) {
	r := newRig(t, 1<<40, 8)
	data := bytes.Repeat([]byte{7}, 1<<20)
	got := make([]byte, 1<<20)
	r.must(blockio.Read, 1<<39, 1<<20, got)
	r.holds(0, 0)
	if !bytes.Equal(got, make([]byte, 1<<20)) {
		t.Error("a hole is not zero")
	}
	r.must(blockio.Write, 1<<39+chunk-512, 1024, data[:1024]) // across two chunks
	r.holds(2, 2)
	r.must(blockio.Read, 1<<39+chunk-8192, 16384, got[:16384])
	want := make([]byte, 16384)
	copy(want[8192-512:], data[:1024])
	if !bytes.Equal(got[:16384], want) {
		t.Error("junk of the memory is seen around a small write")
	}
	r.must(blockio.WriteZeroes, 1<<39+chunk, 512) // part of a page: it stays
	r.holds(2, 2)
	r.must(blockio.Discard, 1<<39+chunk, 4096) // the only page of its chunk
	r.holds(1, 1)
	for off := int64(0); off < chunk; off += 1 << 20 {
		r.must(blockio.Write, off, 1<<20, data)
	}
	r.holds(2, 1+chunk/imagedisk.PageSize)
	for off := int64(0); off < chunk; off += 64 << 10 { // piece by piece
		r.must(blockio.Discard, off, 64<<10)
	}
	r.holds(1, 1)
	r.must(blockio.WriteZeroes, 0, 1<<40)
	r.holds(0, 0)
}

func TestNoSpaceLosesNothing(t *testing.T) {
	r := newRig(t, 16*chunk, 2)
	data := bytes.Repeat([]byte{9}, 8192)
	r.must(blockio.Write, 0, 8192, data)
	r.must(blockio.Write, chunk, 8192, data)
	for _, off := range []int64{2*chunk - 4096, 5 * chunk} {
		err := r.do(blockio.Write, off, 8192, data)
		if !errors.Is(err, blockio.ErrNoSpace) || !errors.Is(err, errNone) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	r.holds(2, 4)
	got := make([]byte, 8192)
	r.must(blockio.Read, 2*chunk-4096, 8192, got)
	if !bytes.Equal(got, make([]byte, 8192)) {
		t.Error("a write without space changed something")
	}
	r.must(blockio.Write, 4096, 8192, data) // what has memory can be written
	r.must(blockio.Read, chunk, 8192, got)
	if !bytes.Equal(got, data) {
		t.Error("earlier data are lost")
	}
	r.must(blockio.Discard, 0, chunk)
	r.must(blockio.Write, 5*chunk, 8192, data)
}

func TestResize(t *testing.T) {
	r := newRig(t, 4*chunk, 8)
	data := bytes.Repeat([]byte{3}, 8192)
	r.must(blockio.Write, chunk-4096, 8192, data)
	for size, is := range map[int64]error{0: imagedisk.ErrSize, -512: imagedisk.ErrSize, 1: imagedisk.ErrSize, 1000: imagedisk.ErrSize,
		imagedisk.MaxSize + 512: imagedisk.ErrSize, chunk: imagedisk.ErrCut, chunk - 512: imagedisk.ErrCut, 512: imagedisk.ErrCut} {
		if err := r.d.Resize(size, false); !errors.Is(err, is) || r.d.Info().Size != 4*chunk {
			t.Errorf("to %d: %v", size, err)
		}
	}
	r.must(blockio.Write, 3*chunk, 4096, make([]byte, 4096)) // zeroes are no loss
	if err := r.d.Resize(chunk+4096, false); err != nil {
		t.Error(err)
	}
	if err := r.do(blockio.Read, chunk+4096, 512, make([]byte, 512)); !errors.Is(err, blockio.ErrRange) {
		t.Errorf("behind the end: %v", err)
	}
	if err := r.d.Resize(chunk-512, true); err != nil {
		t.Error(err)
	}
	r.holds(1, 1)
	if err := r.d.Resize(64*chunk, false); err != nil {
		t.Error(err)
	}
	got := make([]byte, 16384)
	r.must(blockio.Read, chunk-8192, 16384, got)
	want := make([]byte, 16384)
	copy(want[4096:], data[:4096-512])
	if !bytes.Equal(got, want) {
		t.Error("what was cut off came back, or what stayed was lost")
	}
}

func TestReadOnlyAndBadSizes(t *testing.T) {
	r := newRig(t, chunk, 1)
	r.must(blockio.Write, 0, 512, bytes.Repeat([]byte{1}, 512))
	ro, err := imagedisk.Open("vdb", r.img, true)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	w := blockio.NewWaiter()
	for _, op := range []blockio.Op{blockio.Discard, blockio.WriteZeroes} {
		if err := w.Do(ro, []*blockio.Request{{Op: op, Length: 512}}); !errors.Is(err, blockio.ErrReadOnly) {
			t.Errorf("%v: %v", op, err)
		}
	}
	if err := ro.Resize(2*chunk, false); !errors.Is(err, blockio.ErrReadOnly) {
		t.Errorf("resize: %v", err)
	}
	for _, size := range []int64{0, 1, 511, 513} {
		img, err := imagedisk.New(size, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := imagedisk.Open("x", img, true); !errors.Is(err, imagedisk.ErrSize) {
			t.Errorf("a disk of %d bytes: %v", size, err)
		}
	}
	for _, size := range []int64{-1, imagedisk.MaxSize + 1} {
		if _, err := imagedisk.New(size, nil); !errors.Is(err, imagedisk.ErrSize) {
			t.Errorf("an image of %d bytes: %v", size, err)
		}
	}
}

func TestFill(t *testing.T) {
	m := &memory{limit: 3}
	img, _ := imagedisk.New(2*chunk+1000, m.alloc)
	if err := img.Take(); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 2*chunk+1000)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	for off := int64(0); off < img.Size(); {
		off += int64(copy(img.Window(off), want[off:]))
	}
	got, err := io.ReadAll(io.NewSectionReader(img, 0, img.Size()))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read back: %v", err)
	}
	if n, err := img.ReadAt(make([]byte, 10), 1<<40); n != 0 || err != io.EOF {
		t.Errorf("far behind the end: %d, %v", n, err)
	}
	img.Free()
	big, _ := imagedisk.New(4*chunk, m.alloc)
	if err := big.Take(); !errors.Is(err, errNone) || m.out != 0 {
		t.Errorf("four of three chunks: %v, %d stay out", err, m.out)
	}
}

// TestResizeUnderLoad: no request sees a size that is not its own.
func TestResizeUnderLoad(t *testing.T) {
	r := newRig(t, 4*chunk, 8)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			w, b := blockio.NewWaiter(), make([]byte, 128<<10)
			for n := range 100 {
				op := blockio.Read
				if n%3 == i {
					op = blockio.Write
				}
				err := w.Do(r.d, []*blockio.Request{{Op: op, Offset: int64(n%4) * (chunk - 4096), Length: 128 << 10, Bufs: [][]byte{b}}})
				if err != nil && !errors.Is(err, blockio.ErrRange) {
					t.Error(err)
				}
			}
		})
	}
	for n := range 50 {
		if err := r.d.Resize(int64(1+n%4)*chunk, true); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// TestNoAllocation: also for requests that the workers do, and across chunks.
func TestNoAllocation(t *testing.T) {
	r := newRig(t, 4*chunk, 4)
	w := blockio.NewWaiter()
	b := make([]byte, 512<<10)
	bufs := [][]byte{b[:1000], b[1000:]}
	batch := []*blockio.Request{
		{Op: blockio.Write, Offset: chunk - 4096, Length: int64(len(b)), Bufs: bufs},
		{Op: blockio.Read, Offset: 2*chunk - 512, Length: int64(len(b)), Bufs: bufs},
		{Op: blockio.Discard, Offset: chunk, Length: 4096},
		{Op: blockio.Write, Offset: 0, Length: 4096, Bufs: [][]byte{b[:4096]}},
	}
	round := func() {
		if err := w.Do(r.d, batch); err != nil {
			t.Error(err)
		}
	}
	round()
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTrim(t *testing.T) {
	m := &memory{limit: 3}
	img, _ := imagedisk.New(2*chunk+1000, m.alloc)
	if err := img.Take(); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, img.Size())
	want[5000], want[2*chunk+999] = 1, 2
	for off := int64(0); off < img.Size(); {
		off += int64(copy(img.Window(off), want[off:]))
	}
	if img.Data() != img.Used()-chunk+4096 {
		t.Errorf("%d bytes of data in %d", img.Data(), img.Used())
	}
	img.Trim(0, img.Size())
	if m.out != 2 || img.Data() != 2*imagedisk.PageSize {
		t.Errorf("after the trim %d chunks, %d bytes of data", m.out, img.Data())
	}
	if got, err := io.ReadAll(io.NewSectionReader(img, 0, img.Size())); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read back: %v", err)
	}
	img.Free()
}

func TestAppend(t *testing.T) {
	left := 3
	m, err := imagedisk.New(0, func() (imagedisk.Chunk, error) {
		if left--; left < 0 {
			return nil, errors.New("no more")
		}
		return heapChunk(make([]byte, imagedisk.ChunkSize)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, imagedisk.ChunkSize+1000)
	for i := range p {
		p[i] = byte(i % 251)
	}
	for range 2 {
		if n, err := m.Append(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	n, err := m.Append(p)
	if !errors.Is(err, blockio.ErrNoSpace) || int64(n) != 3*imagedisk.ChunkSize-2*int64(len(p)) || m.Size() != 3*imagedisk.ChunkSize {
		t.Errorf("%d, %v, size %d", n, err, m.Size())
	}
	got := make([]byte, len(p))
	if _, err := m.ReadAt(got, int64(len(p))); err != nil || !bytes.Equal(got, p) {
		t.Errorf("the second part is not what was appended: %v", err)
	}
	m.Free()
}

type heapChunk []byte

func (c heapChunk) Bytes() []byte { return c }
func (heapChunk) Release()        {}
