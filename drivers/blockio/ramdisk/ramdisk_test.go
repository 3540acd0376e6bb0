package ramdisk_test

import (
	"bytes"
	"errors"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/blockiotest"
	"basalt/drivers/blockio/ramdisk"
)

func newDisk(t testing.TB, c ramdisk.Config) *ramdisk.Disk {
	t.Helper()
	d, err := ramdisk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t testing.TB) blockiotest.Setup {
	d := newDisk(t, ramdisk.Config{Size: 2 << 20})
	return blockiotest.Setup{Disk: d, Remove: d.Remove}
}

func TestConformance(t *testing.T) {
	t.Run("512", func(t *testing.T) { blockiotest.Run(t, open) })
	t.Run("4096", func(t *testing.T) {
		blockiotest.Run(t, func(t testing.TB) blockiotest.Setup {
			return blockiotest.Setup{Disk: newDisk(t, ramdisk.Config{Size: 8 << 40, LogicalBlock: 4096})}
		})
	})
}

func FuzzOps(f *testing.F) { blockiotest.Fuzz(f, open) }

// user makes single requests.
type user struct {
	*testing.T
	d *ramdisk.Disk
}

func (u user) do(op blockio.Op, off, n int64, bufs ...[]byte) error {
	return blockio.NewWaiter().Do(u.d, []*blockio.Request{{Op: op, Offset: off, Length: n, Bufs: bufs}})
}

func (u user) must(op blockio.Op, off, n int64, bufs ...[]byte) {
	u.Helper()
	if err := u.do(op, off, n, bufs...); err != nil {
		u.Fatalf("%v at %d: %v", op, off, err)
	}
}

func (u user) used(chunks int64) {
	u.Helper()
	if got := u.d.Used(); got != chunks*ramdisk.ChunkSize {
		u.Errorf("%d bytes used, want %d chunks", got, chunks)
	}
}

const chunk = ramdisk.ChunkSize

func TestChunksComeAndGo(t *testing.T) {
	u := user{t, newDisk(t, ramdisk.Config{Size: 1 << 40})}
	data := bytes.Repeat([]byte{7}, 4*chunk)
	u.must(blockio.Read, 0, 4*chunk, make([]byte, 4*chunk))
	u.used(0)
	u.must(blockio.Write, 1<<39+512, 3*chunk, data[:3*chunk])
	u.used(4)
	u.must(blockio.WriteZeroes, 1<<39+512, 3*chunk) // two of them whole
	u.used(2)
	u.must(blockio.Discard, 0, 1<<40)
	u.used(0)
	u.must(blockio.Write, 0, 4*chunk, data)
	u.must(blockio.Discard, 512, chunk-512)
	u.used(4)
	got := make([]byte, chunk+512)
	u.must(blockio.Read, 0, chunk+512, got)
	want := append(append(bytes.Repeat([]byte{7}, 512), make([]byte, chunk-512)...), bytes.Repeat([]byte{7}, 512)...)
	if !bytes.Equal(got, want) {
		t.Error("a discarded part of a chunk is not zero, or more than it")
	}
}

func TestBudget(t *testing.T) {
	u := user{t, newDisk(t, ramdisk.Config{Size: 1 << 20, Budget: 2*chunk + 100})}
	data := bytes.Repeat([]byte{9}, 3*chunk)
	if err := u.do(blockio.Write, 0, 3*chunk, data); !errors.Is(err, blockio.ErrNoSpace) {
		t.Fatalf("three chunks of two: %v", err)
	}
	u.used(0)
	u.must(blockio.Write, chunk-512, 1024, data[:1024])
	u.used(2)
	if err := u.do(blockio.Write, 2*chunk-512, 1024, data[:1024]); !errors.Is(err, blockio.ErrNoSpace) {
		t.Fatalf("half of it new: %v", err)
	}
	got := make([]byte, 512)
	u.must(blockio.Read, 2*chunk-512, 512, got)
	if !bytes.Equal(got, make([]byte, 512)) {
		t.Error("a write without space changed something")
	}
	u.must(blockio.Write, 0, 2*chunk, data[:2*chunk]) // what is there can be overwritten
	u.must(blockio.Discard, 0, chunk)
	u.must(blockio.Write, 5*chunk, 512, data[:512])
}

func TestResize(t *testing.T) {
	u := user{t, newDisk(t, ramdisk.Config{Size: 4 * chunk})}
	data := bytes.Repeat([]byte{3}, 4*chunk)
	u.must(blockio.Write, 0, 4*chunk, data)
	if err := u.d.Resize(chunk + 512); err != nil {
		t.Fatal(err)
	}
	u.used(2)
	if err := u.do(blockio.Read, chunk, 1024, make([]byte, 1024)); !errors.Is(err, blockio.ErrRange) {
		t.Errorf("behind the new end: %v", err)
	}
	if err := u.d.Resize(8 * chunk); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8*chunk)
	u.must(blockio.Read, 0, 8*chunk, got)
	if want := append(data[:chunk+512:chunk+512], make([]byte, 7*chunk-512)...); !bytes.Equal(got, want) {
		t.Error("what was cut off came back, or what stayed was lost")
	}
	for _, bad := range []int64{-512, 100, 1<<50 + 512} {
		if err := u.d.Resize(bad); !errors.Is(err, blockio.ErrBadInfo) {
			t.Errorf("size %d: %v", bad, err)
		}
	}
	if u.d.Info().Size != 8*chunk {
		t.Error("a refused size was taken")
	}
}

func TestReadOnly(t *testing.T) {
	u := user{t, newDisk(t, ramdisk.Config{Size: 1 << 20})}
	u.d.SetReadOnly(true)
	for _, op := range []blockio.Op{blockio.Discard, blockio.WriteZeroes} {
		if err := u.do(op, 0, 512); !errors.Is(err, blockio.ErrReadOnly) {
			t.Errorf("%v: %v", op, err)
		}
	}
	u.must(blockio.Read, 0, 512, make([]byte, 512))
	u.must(blockio.Flush, 0, 0)
}
