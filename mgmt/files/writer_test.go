package files

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func TestWriter(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 32 << 20})
	s := New(h.Memory(), 8<<20, nil)
	free := s.Free()
	data := random(5<<20 + 77)
	w, err := s.NewWriter("web.state", true)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); {
		n := min(70_001, len(data)-at)
		if k, err := w.Write(data[at : at+n]); k != n || err != nil {
			t.Fatal(k, err)
		}
		at += n
	}
	if len(s.List("")) != 0 {
		t.Error("a file that is being written is listed")
	}
	info, err := w.Commit()
	if err != nil || info.Bytes != int64(len(data)) || info.Used != 6<<20 {
		t.Errorf("%+v, %v", info, err)
	}
	w.Abort()
	if _, err := w.Write(data); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
	f, err := s.Open("web.state")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f.Reader())
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	f.Close()
	if _, err := s.NewWriter("web.state", true); !errors.Is(err, host.ErrExists) {
		t.Errorf("onlyNew: %v", err)
	}
	// What fails leaves what was there.
	w, err = s.NewWriter("web.state", false)
	if err != nil {
		t.Fatal(err)
	}
	var werr error
	for werr == nil {
		_, werr = w.Write(data)
	}
	if !errors.Is(werr, ErrTooLarge) || s.Free() >= host.ChunkSize {
		t.Errorf("a full store: %v, %d free", werr, s.Free())
	}
	w.Abort()
	if l := s.List(""); len(l) != 1 || l[0].Bytes != int64(len(data)) {
		t.Errorf("%+v", l)
	}
	// A name that was taken meanwhile.
	w, _ = s.NewWriter("other", true)
	w.Write([]byte("x"))
	s.Put("other", strings.NewReader("y"), 1, true)
	if _, err := w.Commit(); !errors.Is(err, host.ErrExists) {
		t.Error(err)
	}
	s.Remove("other")
	s.Remove("web.state")
	if s.Free() != free {
		t.Errorf("%d bytes free, %d before", s.Free(), free)
	}
}

func TestHold(t *testing.T) {
	h := fakehost.New(fakehost.Options{MemoryTotal: 64 << 20})
	s := New(h.Memory(), 0, nil)
	for _, p := range []string{"rw", "ro"} {
		if _, err := s.Create(p, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(others ...Held) (*Hold, error) {
		w, err := s.NewWriter("state", false)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("state"))
		_, h, err := w.CommitHeld("web", others...)
		if _, _, again := w.CommitHeld("web"); !errors.Is(again, host.ErrClosed) {
			t.Error(again)
		}
		return h, err
	}
	if _, _, err := s.Put("state", strings.NewReader("old"), 3, true); err != nil {
		t.Fatal(err)
	}
	if h, err := commit(Held{"rw", false}, Held{"nope", false}); !errors.Is(err, host.ErrNotFound) || h != nil {
		t.Error(err)
	}
	if l := s.List("state"); len(l) != 1 || l[0].Bytes != 3 {
		t.Errorf("after a hold that failed: %+v", l)
	}
	if err := s.Resize("rw", 2<<20, false); err != nil {
		t.Errorf("after a hold that failed: %v", err)
	}
	hold, err := commit(Held{"rw", false}, Held{"ro", true})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"remove":  s.Remove("state"),
		"resize":  s.Resize("rw", 1<<20, true),
		"replace": func() error { _, _, err := s.Put("rw", strings.NewReader("x"), 1, false); return err }(),
		"disk":    func() error { _, err := s.OpenDisk("rw", "d", "db", false); return err }(),
		"ro disk": func() error { _, err := s.OpenDisk("rw", "d", "db", true); return err }(),
		"rw disk": func() error { _, err := s.OpenDisk("ro", "d", "db", false); return err }(),
		"writer":  func() error { _, err := s.NewWriter("state", false); return err }(),
	} {
		if !errors.Is(err, host.ErrInUse) || !strings.Contains(err.Error(), "web, which is suspended") {
			t.Errorf("%s: %v", name, err)
		}
	}
	shared, err := s.OpenDisk("ro", "d", "db", true)
	if err != nil {
		t.Fatal(err)
	}
	shared.Close()
	own, err := s.OpenDisk("rw", "d", "web", false)
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
	f, err := s.Open("rw")
	if err != nil {
		t.Fatalf("download: %v", err)
	}
	f.Close()
	if l := s.List("rw"); len(l[0].Users) != 1 || l[0].Users[0] != "web" {
		t.Errorf("%+v", l)
	}
	if err := hold.Remove("state"); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Put("state", strings.NewReader("other"), 5, true); err != nil {
		t.Error(err)
	}
	if err := hold.Remove("state"); err != nil { // not the other one
		t.Error(err)
	}
	for _, p := range []string{"rw", "ro", "state"} {
		if err := s.Remove(p); err != nil {
			t.Error(err)
		}
	}
}
