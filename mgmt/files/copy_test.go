package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"basalt/drivers/blockio"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func TestCopy(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 32 << 20})
	s := New(h.Memory(), 0, nil)
	for _, p := range []string{"a", "b", "c"} {
		if _, err := s.Create(p, 20<<20); err != nil {
			t.Fatal(err)
		}
	}
	d, err := s.OpenDisk("a", "disk0", "web", false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	data := random(5 << 20)
	w := blockio.NewWaiter()
	write := func(at int64, p []byte) {
		for len(p) > 0 {
			n := min(len(p), 1<<20)
			r := blockio.Request{Op: blockio.Write, Offset: at, Length: int64(n), Bufs: [][]byte{p[:n]}}
			if err := w.Do(d, []*blockio.Request{&r}); err != nil {
				t.Fatal(err)
			}
			at, p = at+int64(n), p[n:]
		}
	}
	write(3<<20, data)
	if err := s.Copy(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	write(3<<20, make([]byte, 4096)) // the copy is a copy
	f, err := s.Open("b")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f.Reader())
	f.Close()
	if err != nil || len(got) != 20<<20 || !bytes.Equal(got[3<<20:8<<20], data) || !bytes.Equal(got[:3<<20], make([]byte, 3<<20)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if a, b := s.Used("a"), s.Used("b", "nope"); a != b || a == 0 {
		t.Errorf("%d and %d bytes used", a, b)
	}
	if err := s.Copy(t.Context(), "a", "b"); err == nil {
		t.Error("a copy over data")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Copy(gone, "a", "c"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	fill, _ := s.NewWriter("fill", true)
	for s.Free() > 4<<20 {
		fill.Write(make([]byte, 2<<20))
	}
	if err := s.Copy(t.Context(), "a", "c"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("no room: %v", err)
	}
	fill.Abort()
}

// readAll reads a whole file.
func readAll(t *testing.T, s *Store, path string) []byte {
	t.Helper()
	f, err := s.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, s *Store, path string, b []byte) Info {
	t.Helper()
	info, _, err := s.Put(path, bytes.NewReader(b), int64(len(b)), true)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestCopyFile(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 64 << 20})
	s := New(h.Memory(), 8<<20, nil)
	free := s.Free()
	sparse := make([]byte, 21<<20+5) // three chunks of eleven hold something
	copy(sparse[3<<20+9:], random(3<<20))
	sparse[len(sparse)-1] = 1
	for name, data := range map[string][]byte{
		"empty": {}, "small": random(7), "heap": random(smallFile), "chunk": random(smallFile + 1), "odd": random(5<<20 + 77), "sparse": sparse,
	} {
		from := put(t, s, name, data)
		put(t, s, "to", []byte("old"))
		var done, total uint64
		info, err := s.CopyFile(t.Context(), name, "to", false, func(d, n uint64) {
			if d <= done || d > n || total != 0 && n != total {
				t.Errorf("%s: %d of %d bytes after %d of %d", name, d, n, done, total)
			}
			done, total = d, n
			if b := readAll(t, s, "to"); string(b) != "old" {
				t.Errorf("%s: a part of it is there: %d bytes", name, len(b))
			}
		})
		if err != nil || info.Path != "to" || info.SHA256 != from.SHA256 || info.Used != from.Used || done != total {
			t.Errorf("%s: %+v, %v; from %+v; %d of %d bytes", name, info, err, from, done, total)
		}
		if err := s.Remove(name); err != nil { // the copy is one
			t.Error(err)
		}
		if !bytes.Equal(readAll(t, s, "to"), data) {
			t.Errorf("%s: other content", name)
		}
		if err := s.Remove("to"); err != nil {
			t.Error(err)
		}
		if s.Free() != free || s.heap != 0 {
			t.Errorf("%s: %d bytes free, %d before; %d on the heap", name, s.Free(), free, s.heap)
		}
	}
}

// TestCopyFileRefusals: what is refused or fails leaves everything as it was.
func TestCopyFileRefusals(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 32 << 20})
	s := New(h.Memory(), 0, nil)
	data := random(9 << 20)
	put(t, s, "big", data)
	put(t, s, "text", []byte("hello"))
	for _, p := range []string{"rw", "ro", "asleep"} {
		if _, err := s.Create(p, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	open := func(path string, readOnly bool) *Disk {
		d, err := s.OpenDisk(path, "disk0", "web", readOnly)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	defer open("rw", false).Close()
	defer open("ro", true).Close()
	w, err := s.NewWriter("state", true)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("state"))
	if _, _, err := w.CommitHeld("db", Held{Path: "asleep"}); err != nil {
		t.Fatal(err)
	}
	before, free := fmt.Sprint(s.List("")), s.Free()
	fill := func() (*Writer, error) { // leaves less than a copy of big
		w, err := s.NewWriter("fill", false)
		for err == nil && s.Free() > 4<<20 {
			_, err = w.Write(make([]byte, 1<<20))
		}
		return w, err
	}
	type during func(t *testing.T, cancel func()) (after func())
	cancelled := func(_ *testing.T, cancel func()) func() { cancel(); return func() {} }
	for name, tc := range map[string]struct {
		from, to string
		replace  bool
		during   during // at the first progress
		err      error
		says     string
	}{
		"same name":            {"text", "text", false, nil, ErrConflict, "a copy of itself"},
		"same name, replaced":  {"text", "text", true, nil, ErrConflict, "a copy of itself"},
		"same disk":            {"ro", "ro", true, nil, ErrConflict, "a copy of itself"},
		"no source":            {"nope", "a", false, nil, host.ErrNotFound, `"nope"`},
		"empty source":         {"", "a", false, nil, ErrPath, "empty"},
		"empty target":         {"text", "", false, nil, ErrPath, "empty"},
		"slash before":         {"text", "/a", false, nil, ErrPath, "begins or ends"},
		"slash behind":         {"text", "a/", false, nil, ErrPath, "begins or ends"},
		"up":                   {"text", "../a", false, nil, ErrPath, ".."},
		"up in the source":     {"../text", "a", false, nil, ErrPath, ".."},
		"zero byte":            {"text", "a\x00b", false, nil, ErrPath, "character"},
		"long":                 {"text", strings.Repeat("a", MaxPath+1), false, nil, ErrPath, "at most"},
		"below a file":         {"big", "text/a", false, nil, ErrConflict, `"text" is a file`},
		"below itself":         {"text", "text/a", false, nil, ErrConflict, `"text" is a file`},
		"there":                {"big", "text", false, nil, host.ErrExists, `"text"`},
		"there, a disk":        {"text", "rw", false, nil, host.ErrExists, `"rw"`},
		"over a disk":          {"text", "rw", true, nil, host.ErrInUse, "by virtual machine web"},
		"over a shared disk":   {"text", "ro", true, nil, host.ErrInUse, "by virtual machine web"},
		"over a held image":    {"text", "asleep", true, nil, host.ErrInUse, "db, which is suspended"},
		"over a state":         {"text", "state", true, nil, host.ErrInUse, "db, which is suspended"},
		"written to":           {"rw", "a", false, nil, host.ErrInUse, "by virtual machine web, which may write to it"},
		"cancelled meanwhile":  {"big", "a", false, cancelled, context.Canceled, ""},
		"cancelled over other": {"big", "text", true, cancelled, context.Canceled, ""},
		"name taken meanwhile": {"big", "a", false, func(t *testing.T, _ func()) func() {
			put(t, s, "a", []byte("mine"))
			return func() {
				if string(readAll(t, s, "a")) != "mine" {
					t.Error("it was replaced")
				}
				s.Remove("a")
			}
		}, host.ErrExists, `"a"`},
		"in use meanwhile": {"big", "b", true, func(t *testing.T, _ func()) func() {
			if _, err := s.Create("b", 512); err != nil {
				t.Fatal(err)
			}
			d := open("b", false)
			return func() { d.Close(); s.Remove("b") }
		}, host.ErrInUse, "by virtual machine web"},
		"memory gone meanwhile": {"big", "a", false, func(t *testing.T, _ func()) func() {
			w, err := fill()
			if err != nil {
				t.Fatal(err)
			}
			return w.Abort
		}, ErrTooLarge, "bytes are free"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var after func()
			_, err := s.CopyFile(ctx, tc.from, tc.to, !tc.replace, func(done, _ uint64) {
				if tc.during == nil {
					t.Fatal("memory was taken for it")
				}
				if after != nil {
					return
				}
				after = tc.during(t, cancel)
				// The source stays as it is as long as it is read.
				if _, err := s.OpenDisk(tc.from, "disk0", "db", false); !errors.Is(err, host.ErrInUse) {
					t.Errorf("the source as a disk: %v", err)
				}
			})
			if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %v with %q", err, tc.err, tc.says)
			}
			if after != nil {
				after()
			} else if tc.during != nil {
				t.Error("it was over before")
			}
			if now := fmt.Sprint(s.List("")); now != before || s.Free() != free {
				t.Errorf("%d bytes free, %d before, of\n%s\nbefore\n%s", s.Free(), free, now, before)
			}
		})
	}

	// A full store: how much is missing, to the byte.
	full, err := fill()
	if err != nil {
		t.Fatal(err)
	}
	left := s.Free()
	_, err = s.CopyFile(t.Context(), "big", "a", true, nil)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), fmt.Sprintf("%d bytes are free, %d are missing", left, 10<<20-left)) || s.Free() != left {
		t.Errorf("no room: %v, %d bytes free", err, s.Free())
	}
	full.Abort()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range []string{"big", "text"} {
		if _, err := s.CopyFile(gone, p, "a", true, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
	}
	for _, p := range []string{"ro", "asleep", "state"} { // nobody writes to these
		if _, err := s.CopyFile(t.Context(), p, "copy-"+p, true, nil); err != nil {
			t.Error(err)
		}
		if err := s.Remove("copy-" + p); err != nil {
			t.Errorf("the copy is held: %v", err)
		}
	}
	for i := len(s.List("")); i < MaxFiles; i++ {
		put(t, s, fmt.Sprint("n/", i), nil)
	}
	if _, err := s.CopyFile(t.Context(), "text", "n/one", true, nil); !errors.Is(err, host.ErrTooMany) {
		t.Errorf("a file too many: %v", err)
	}
	if _, err := s.CopyFile(t.Context(), "text", "n/4000", false, nil); err != nil {
		t.Errorf("in place of one: %v", err)
	}
}
