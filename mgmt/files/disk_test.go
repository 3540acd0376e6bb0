package files

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/blockiotest"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func do(d host.Disk, op blockio.Op, off, n int64, bufs ...[]byte) error {
	return blockio.NewWaiter().Do(d, []*blockio.Request{{Op: op, Offset: off, Length: n, Bufs: bufs}})
}

func TestConformance(t *testing.T) {
	blockiotest.Run(t, func(t testing.TB) blockiotest.Setup {
		s := New(fakehost.New(fakehost.Options{MemoryTotal: 64 << 20}).Memory(), 0, nil)
		if _, err := s.Create("a.img", 8<<20); err != nil {
			t.Fatal(err)
		}
		d, err := s.OpenDisk("a.img", "disk0", "web", false)
		if err != nil {
			t.Fatal(err)
		}
		return blockiotest.Setup{Disk: d}
	})
}

// TestExclusive: an image is for readers or for one disk that writes, and its name
// stays while a machine uses it.
func TestExclusive(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 64 << 20})
	s := New(h.Memory(), 8<<20, nil)
	small := strings.Repeat("x", 1024)
	if _, _, err := s.Put("a.img", strings.NewReader(small), 1024, false); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error, says string) {
		t.Helper()
		if !errors.Is(err, host.ErrInUse) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	put := func() error {
		_, _, err := s.Put("a.img", strings.NewReader("y"), 1, false)
		return err
	}
	reader, err := s.Open("a.img")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.OpenDisk("a.img", "disk0", "web", false)
	refused("write while it is read", err, "being read")
	refused("resize while it is read", s.Resize("a.img", 2048, false), "being read")
	ro, err := s.OpenDisk("a.img", "disk0", "web", true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.OpenDisk("a.img", "disk0", "db", true)
	if err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(reader.Reader()); err != nil || string(got) != small {
		t.Errorf("a reader of before: %v", err)
	}
	reader.Close()
	_, err = s.OpenDisk("a.img", "disk0", "third", false)
	refused("write beside readers", err, "machine web")
	again.Close()
	ro.Close()
	if info := s.List("")[0]; info.SHA256 == "" || len(info.Users) != 0 {
		t.Errorf("after read-only use: %+v", info)
	}
	rw, err := s.OpenDisk("a.img", "disk0", "web", false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.OpenDisk("a.img", "disk1", "db", true)
	refused("a second machine", err, "machine web")
	_, err = s.OpenDisk("a.img", "disk1", "web", false)
	refused("the same machine", err, "machine web")
	_, err = s.Open("a.img")
	refused("download", err, "machine web")
	refused("overwrite", put(), "machine web")
	refused("remove", s.Remove("a.img"), "machine web")
	refused("resize", s.Resize("a.img", 512, true), "machine web")
	if info := s.List("")[0]; len(info.Users) != 1 || info.Users[0] != "web" || info.SHA256 != "" {
		t.Errorf("in use: %+v", info)
	}
	if err := do(rw, blockio.Write, 512, 512, bytes.Repeat([]byte("z"), 512)); err != nil {
		t.Error(err)
	}
	rw.Close()
	rw.Close()
	f, err := s.Open("a.img")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(f.Reader()); string(got) != small[:512]+strings.Repeat("z", 512) {
		t.Error("a download does not have what was written")
	}
	f.Close()
	if err := s.Resize("a.img", 512, false); !errors.Is(err, host.ErrCut) {
		t.Errorf("cut: %v", err)
	}
	if err := s.Resize("a.img", 512, true); err != nil || s.List("")[0].Bytes != 512 {
		t.Errorf("cut: %v", err)
	}
	if err := put(); err != nil {
		t.Error(err)
	}
	if err := s.Remove("a.img"); err != nil {
		t.Error(err)
	}
	if free := s.Free(); free != 56<<20 || s.heap != 0 {
		t.Errorf("%d bytes free, %d of heap", free, s.heap)
	}
}

func TestBadImages(t *testing.T) {
	s := New(fakehost.New(fakehost.Options{MemoryTotal: 64 << 20}).Memory(), 0, nil)
	for _, n := range []int64{0, 1, 511, 513} {
		if _, _, err := s.Put("f", strings.NewReader(strings.Repeat("x", int(n))), n, false); err != nil {
			t.Fatal(err)
		}
		if _, err := s.OpenDisk("f", "d", "web", true); !errors.Is(err, host.ErrDiskSize) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for size, is := range map[int64]error{0: host.ErrDiskSize, -1: host.ErrDiskSize, 100: host.ErrDiskSize, 1 << 62: host.ErrDiskSize} {
		if _, err := s.Create("g", size); !errors.Is(err, is) {
			t.Errorf("create %d: %v", size, err)
		}
	}
	if _, err := s.Create("f", 512); !errors.Is(err, host.ErrExists) {
		t.Errorf("create over a file: %v", err)
	}
	if _, err := s.Create("f/x", 512); !errors.Is(err, ErrConflict) {
		t.Errorf("create below a file: %v", err)
	}
	if _, err := s.OpenDisk("none", "d", "web", true); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

// TestStoreRunsOut: an image promises more than there is; the write that finds
// that out fails, and nothing else.
func TestStoreRunsOut(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 16 << 20})
	s := New(h.Memory(), 12<<20, nil) // two chunks
	if info, err := s.Create("big", 10<<30); err != nil || info.Used != 0 || info.Bytes != 10<<30 {
		t.Fatalf("%+v %v", info, err)
	}
	d, err := s.OpenDisk("big", "disk0", "web", false)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Repeat([]byte{1}, 4096)
	for i, want := range []error{nil, nil, blockio.ErrNoSpace} {
		if err := do(d, blockio.Write, int64(i)<<30, 4096, b); !errors.Is(err, want) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if err := do(d, blockio.Discard, 1<<30, 4096); err != nil {
		t.Error(err)
	}
	if err := do(d, blockio.Write, 2<<30, 4096, b); err != nil {
		t.Error(err)
	}
	ram, err := s.Scratch("ram", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if err := do(ram, blockio.Write, 0, 4096, b); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("RAM disk: %v", err)
	}
	ram.Close()
	d.Close()
	if err := s.Remove("big"); err != nil || s.Free() != 4<<20 {
		t.Errorf("%v, %d bytes free", err, s.Free())
	}
}

// What a boot loader brings has holes where it has zeroes, and every byte of it.
func TestBring(t *testing.T) {
	s := New(fakehost.New(fakehost.Options{MemoryTotal: 256 << 20}).Memory(), 0, nil)
	b := make([]byte, sparseFrom+512)
	copy(b[4096*3+7:], "data")
	copy(b[len(b)-4:], "last")
	for i := 10 << 20; i < 12<<20; i++ {
		b[i] = byte(i)
	}
	if err := s.Bring("big", b); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open("big")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f.Reader())
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	f.Close()
	if f.Used > 6*host.ChunkSize || f.SHA256 != "" || len(f.Users) != 0 {
		t.Errorf("%+v", f.Info)
	}
	if err := s.Bring("big", b); !errors.Is(err, host.ErrExists) {
		t.Errorf("again: %v", err)
	}
	if err := s.Bring("small", b[:3]); err != nil {
		t.Error(err)
	}
	if err := s.Bring("../x", b); !errors.Is(err, ErrPath) {
		t.Error(err)
	}
}

// TestUploadsAreSparse: the zeroes of an uploaded image take no memory for long.
func TestUploadsAreSparse(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 64 << 20})
	s := New(h.Memory(), 0, nil)
	data := make([]byte, 20<<20)
	data[7<<20] = 1
	info, _, err := s.Put("a.img", bytes.NewReader(data), int64(len(data)), false)
	if err != nil || info.Used != host.ChunkSize || s.Free() != 62<<20 {
		t.Errorf("%+v %v, %d bytes free", info, err, s.Free())
	}
	f, err := s.Open("a.img")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f.Reader()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read back: %v", err)
	}
}

// TestEverythingAtOnce: whoever wins, nobody writes beside another, and all comes back.
func TestEverythingAtOnce(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 64 << 20})
	s := New(h.Memory(), 0, nil)
	if _, err := s.Create("a.img", 4<<20); err != nil {
		t.Fatal(err)
	}
	var writers atomic.Int32
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			b := make([]byte, 4096)
			for n := range 60 {
				switch (n + i) % 4 {
				case 0, 1:
					d, err := s.OpenDisk("a.img", "d", "web", false)
					if err != nil {
						continue
					}
					if writers.Add(1) != 1 {
						t.Error("two disks write to one image")
					}
					if err := do(d, blockio.Write, int64(n)<<12, 4096, b); err != nil {
						t.Error(err)
					}
					writers.Add(-1)
					d.Close()
				case 2:
					f, err := s.Open("a.img")
					if err != nil {
						continue
					}
					if writers.Load() != 0 {
						t.Error("a file is read while a machine writes to it")
					}
					f.ReadAt(b, 0)
					f.Close()
				case 3:
					s.Put("a.img", bytes.NewReader(make([]byte, 4<<20)), 4<<20, false)
					s.Resize("a.img", int64(1+n%4)<<20, true)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Remove("a.img"); err != nil || s.Free() != 64<<20 {
		t.Errorf("%v, %d bytes free", err, s.Free())
	}
}
