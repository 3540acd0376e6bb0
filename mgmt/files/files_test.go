package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func TestCheckPath(t *testing.T) {
	for p, ok := range map[string]bool{
		"vmlinuz": true, "debian/vmlinuz-6.1.0-26-cloud-amd64": true, "a/b/c": true, "...": true, ".x": true,
		"": false, "/a": false, "a/": false, "a//b": false, ".": false, "a/../b": false, "..": false, "a/./b": false,
		"a b": false, "a\x00": false, "a\\b": false, "ä": false, "a:b": false, "a\nb": false,
		strings.Repeat("x", 256): false, strings.Repeat("x", 255): true, strings.Repeat("a/", 16) + "a": false,
	} {
		if err := CheckPath(p); (err == nil) != ok {
			t.Errorf("CheckPath(%q) = %v", p, err)
		} else if err != nil && !errors.Is(err, ErrPath) {
			t.Errorf("CheckPath(%q): %v does not wrap ErrPath", p, err)
		}
	}
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"a/b", "../x", "a//b", "%2e%2e", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if CheckPath(p) != nil {
			return
		}
		if strings.HasPrefix(p, "/") || strings.Contains("/"+p+"/", "/../") || strings.Contains("/"+p+"/", "/./") ||
			strings.Contains(p, "//") || strings.ContainsAny(p, "\x00\\ :%") || len(p) > MaxPath {
			t.Errorf("accepted %q", p)
		}
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestPutGet(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 64 << 20})
	s := New(h.Memory(), 8<<20, nil)
	for _, n := range []int{0, 1, smallFile, smallFile + 1, host.ChunkSize, 2*host.ChunkSize + 7} {
		data := random(n)
		info, _, err := s.Put("dir/f", bytes.NewReader(data), int64(n), false)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if info.SHA256 != hex.EncodeToString(sum[:]) || info.Bytes != int64(n) {
			t.Errorf("%d bytes: info %+v", n, info)
		}
		f, err := s.Open("dir/f")
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(f.Reader(), data); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		f.Close()
		f.Close()
		if _, err := f.ReadAt(make([]byte, 1), 0); err == nil {
			t.Error("read after close")
		}
	}
	if free := s.Free(); free != (64-6-8)<<20 {
		t.Errorf("%d bytes free after replacing", free)
	}
	if err := s.Remove("dir/f"); err != nil {
		t.Fatal(err)
	}
	if free := s.Free(); free != 56<<20 {
		t.Errorf("%d bytes free after removing", free)
	}
	if s.heap != 0 {
		t.Errorf("%d bytes of heap on account", s.heap)
	}
}

type mustNotRead struct{ t *testing.T }

func (m mustNotRead) Read([]byte) (int, error) {
	m.t.Error("body was read")
	return 0, io.EOF
}

func TestRefusals(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 16 << 20})
	s := New(h.Memory(), 4<<20, nil)
	if _, _, err := s.Put("big", mustNotRead{t}, 12<<20+1, false); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, _, err := s.Put("huge", mustNotRead{t}, 1<<62, false); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge: %v", err)
	}
	if _, _, err := s.Put("x", mustNotRead{t}, -1, false); err == nil {
		t.Error("unknown size was taken")
	}
	if _, _, err := s.Put("cut", strings.NewReader("abc"), 4, false); !errors.Is(err, ErrShort) {
		t.Errorf("cut: %v", err)
	}
	boom := errors.New("boom")
	if _, _, err := s.Put("cut", io.MultiReader(bytes.NewReader(random(3<<20)), iotest.ErrReader(boom)), 6<<20, false); !errors.Is(err, boom) {
		t.Errorf("broken body: %v", err)
	}
	if len(s.List("")) != 0 || s.Free() != 12<<20 || s.heap != 0 {
		t.Errorf("refused uploads left %v, %d free, %d heap", s.List(""), s.Free(), s.heap)
	}
	put := func(p string) error {
		_, _, err := s.Put(p, strings.NewReader("x"), 1, true)
		return err
	}
	if err := put("a/b"); err != nil {
		t.Fatal(err)
	}
	if err := put("a/b"); !errors.Is(err, host.ErrExists) {
		t.Errorf("onlyNew: %v", err)
	}
	if err := put("a"); !errors.Is(err, ErrConflict) {
		t.Errorf("file over folder: %v", err)
	}
	if err := put("a/b/c"); !errors.Is(err, ErrConflict) {
		t.Errorf("file below file: %v", err)
	}
	if err := put("ab"); err != nil {
		t.Error(err)
	}
	if _, err := s.Open("nope"); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	if err := s.Remove("nope"); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("remove: %v", err)
	}
	if l := s.List("a/"); len(l) != 1 || l[0].Path != "a/b" {
		t.Errorf("list: %v", l)
	}
}

// TestReplaceIsAtomic reads while two contents replace each other: every read
// sees exactly one of them, and an open file keeps what it was.
func TestReplaceIsAtomic(t *testing.T) {
	h := fakehost.New(fakehost.Options{})
	s := New(h.Memory(), 0, nil)
	a, b := bytes.Repeat([]byte("a"), 100<<10), bytes.Repeat([]byte("b"), 200<<10)
	s.Put("f", bytes.NewReader(a), int64(len(a)), false)
	held, _ := s.Open("f")
	var wg sync.WaitGroup
	for _, d := range [][]byte{a, b} {
		wg.Go(func() {
			for range 20 {
				if _, _, err := s.Put("f", bytes.NewReader(d), int64(len(d)), false); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				f, err := s.Open("f")
				if err != nil {
					t.Error(err)
					continue
				}
				got, _ := io.ReadAll(f.Reader())
				if !bytes.Equal(got, a) && !bytes.Equal(got, b) {
					t.Error("a mixed or partial content was seen")
				}
				f.Close()
			}
		})
	}
	wg.Wait()
	s.Remove("f")
	if got, _ := io.ReadAll(held.Reader()); !bytes.Equal(got, a) {
		t.Error("open file lost its content")
	}
	held.Close()
	if in := h.Info(); in.MemoryFree != in.MemoryTotal {
		t.Errorf("%d bytes leaked", in.MemoryTotal-in.MemoryFree)
	}
}
