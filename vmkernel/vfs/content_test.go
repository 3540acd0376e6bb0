package vfs

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"

	"basalt/vmkernel/sys"
)

// heap gives windows from the Go heap and counts them.
type heap struct{ windows int }

func (h *heap) Reserve(n int) ([]byte, sys.Errno) {
	h.windows++
	return make([]byte, n), 0
}

func (h *heap) Release([]byte)      { h.windows-- }
func (h *heap) Discard(part []byte) { clear(part) }

func newFS(t testing.TB, bytes int64) (*FS, *heap) {
	t.Helper()
	h := new(heap)
	fs, err := New(Config{Bytes: bytes, Alloc: h, Random: func([]byte) {}})
	if err != nil {
		t.Fatal(err)
	}
	return fs, h
}

func create(t testing.TB, fs *FS, path string) *file {
	t.Helper()
	obj, err := fs.Open(nil, path, syscall.O_RDWR|syscall.O_CREAT, 0o644)
	if err != 0 {
		t.Fatal(err)
	}
	return obj.(*file)
}

func TestBudget(t *testing.T) {
	fs, h := newFS(t, 1<<20)
	before := fs.Used()
	f := create(t, fs, "/tmp/f")
	block := make([]byte, 64<<10)
	total := 0
	for {
		n, err := f.Write(block)
		total += n
		if err == syscall.ENOSPC {
			break
		}
		if err != 0 || n == 0 {
			t.Fatal(n, err)
		}
	}
	if total < 900<<10 || total > 1<<20 || fs.Used() > fs.Limit() {
		t.Errorf("%d bytes written, %d used", total, fs.Used())
	}
	if err := fs.Mkdir(nil, "/tmp/d", 0o755); err != 0 && err != syscall.ENOSPC {
		t.Error(err)
	}
	// A hole costs nothing.
	if err := f.Truncate(1 << 24); err != 0 {
		t.Error(err)
	}
	f.Truncate(0)
	if _, err := f.Write(block); err != 0 {
		t.Error(err)
	}
	fs.Unlink(nil, "/tmp/d", true)
	fs.Unlink(nil, "/tmp/f", false)
	if h.windows != 1 {
		t.Error("an open file lost its window")
	}
	f.Release()
	f.Release()
	if fs.Used() != before || h.windows != 0 {
		t.Errorf("%d bytes and %d windows left", fs.Used()-before, h.windows)
	}
}

func TestBudgetOfNames(t *testing.T) {
	fs, _ := newFS(t, 1<<20)
	for i := range 10_000 {
		err := fs.Mkdir(nil, "/tmp/"+string(rune('a'+i%26))+string(rune(0x100+i)), 0o755)
		if err == syscall.ENOSPC {
			return
		}
		if err != 0 {
			t.Fatal(err)
		}
	}
	t.Error("directories without end")
}

// TestMapKeepsWindow: a mapping and what is written to the file are one memory,
// also after unlink and close, until the mapping goes.
// TestUnlinkWhileClosing: a node that loses its last name and its last handle at the
// same time is paid back once.
func TestUnlinkWhileClosing(t *testing.T) {
	fs, _ := newFS(t, 1<<20)
	before := fs.Used()
	for range 5000 {
		f := create(t, fs, "/tmp/f")
		closed := make(chan struct{})
		go func() {
			f.Release()
			close(closed)
		}()
		if err := fs.Unlink(nil, "/tmp/f", false); err != 0 {
			t.Fatal(err)
		}
		<-closed
	}
	if used := fs.Used(); used != before {
		t.Errorf("%d bytes are used by nothing", used-before)
	}
}

func TestMapKeepsWindow(t *testing.T) {
	fs, h := newFS(t, 1<<20)
	f := create(t, fs, "/tmp/f")
	f.Write([]byte("small"))
	addr, err := f.Map(0, 3*pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != 0 {
		t.Fatal(err)
	}
	w := f.content.buf
	if sys.Address(w) != addr || string(w[:5]) != "small" {
		t.Error("the mapping is not the window")
	}
	copy(w[pageSize:], "beyond the end")
	if err := f.Truncate(2 * pageSize); err != 0 {
		t.Fatal(err)
	}
	again, err := f.Map(pageSize, pageSize, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != 0 || again != addr+pageSize {
		t.Error("second mapping", again, err)
	}
	if err := f.Truncate(maxFile); err != syscall.ENOSPC {
		t.Error("the window moved under a mapping:", err)
	}
	fs.Unlink(nil, "/tmp/f", false)
	f.Release()
	if h.windows != 1 {
		t.Error("the window is gone")
	}
	if err, ok := fs.Unmap(addr, pageSize); !ok || err != syscall.EINVAL {
		t.Error("part of a mapping:", err, ok)
	}
	for _, m := range [][2]uintptr{{addr, 3 * pageSize}, {again, pageSize}} {
		if err, ok := fs.Unmap(m[0], m[1]); !ok || err != 0 {
			t.Error(err, ok)
		}
	}
	if _, ok := fs.Unmap(addr, pageSize); ok {
		t.Error("unmapped twice")
	}
	if h.windows != 0 {
		t.Error("the window is still there")
	}
}

// FuzzContent compares a file with a slice under any order of changes.
func FuzzContent(f *testing.F) {
	f.Add(uint64(1), uint8(30))
	f.Add(uint64(7), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		fs, _ := newFS(t, 64<<20)
		file := create(t, fs, "/tmp/f")
		defer file.Release()
		rng := rand.New(rand.NewPCG(seed, 0))
		var want []byte
		grow := func(n int) {
			if n > len(want) {
				want = append(want, make([]byte, n-len(want))...)
			}
		}
		const limit = 256 << 10
		for range steps {
			off, n := rng.IntN(limit), rng.IntN(20_000)
			if rng.IntN(2) == 0 {
				off, n = rng.IntN(9000), rng.IntN(300)
			}
			switch rng.IntN(5) {
			case 0, 1:
				p := make([]byte, n)
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
				if _, err := file.WriteAt(p, int64(off)); err != 0 {
					t.Fatal(err)
				}
				if n > 0 {
					grow(off + n)
				}
				copy(want[min(off, len(want)):], p)
			case 2:
				file.Truncate(int64(off))
				grow(off)
				want = want[:off]
			case 3:
				file.Allocate(fallocPunchHole|fallocKeepSize, int64(off), int64(n)+1)
				if off < len(want) {
					clear(want[off:min(off+n+1, len(want))])
				}
			case 4:
				file.Allocate(0, int64(off), int64(n)+1)
				grow(off + n + 1)
			}
			// What was cut off must read zero if it comes back.
			clear(want[len(want):cap(want)])
		}
		got := make([]byte, len(want)+10)
		n, err := file.ReadAt(got, 0)
		if err != 0 || n != len(want) || !bytes.Equal(got[:n], want) {
			t.Errorf("%d of %d bytes, %v", n, len(want), err)
		}
	})
}

func FuzzPaths(f *testing.F) {
	f.Add("/tmp/../tmp/./a//b/", "x")
	f.Add("a/b", "../../..")
	f.Fuzz(func(t *testing.T, path, target string) {
		fs, _ := newFS(t, 1<<20)
		fs.Mkdir(nil, "/tmp/a", 0o755)
		fs.Symlink(target, nil, "/tmp/a/b")
		if obj, err := fs.Open(nil, path, syscall.O_RDWR|syscall.O_CREAT, 0o644); err == 0 {
			obj.Release()
		}
		fs.Rename(nil, path, nil, target, 0)
		fs.Mkdir(nil, path, 0o755)
		fs.Link(nil, path, nil, target, true)
		fs.Unlink(nil, path, true)
		fs.Unlink(nil, path, false)
		if fs.Used() < 0 {
			t.Error("negative budget")
		}
		if _, err := fs.Lookup(nil, "/dev/null", true); err != 0 && path != "/dev/null" && path != target {
			// Only a call that named it may have removed it.
			t.Logf("%q %q", path, target)
		}
	})
}
