package artefacts

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"basalt/boot/cpio"
)

// TestArchive: what boot/cpio reads is what was put in, and a newer file makes the
// archive anew.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	var paths []string
	want := map[string]string{"a": "12345", "b": "", "c": "four"}
	for name, text := range want {
		paths = append(paths, filepath.Join(dir, name))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		if err := Archive(out, paths...); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := cpio.Read(b, func(e cpio.Entry) error {
			if text, ok := want[e.Name]; !ok || text != string(e.Body) || e.Mode != cpio.KindFile|0o644 {
				t.Errorf("%q: %o %q", e.Name, e.Mode, e.Body)
			}
			n++
			return nil
		}); err != nil || n != len(want) {
			t.Errorf("%d files, %v", n, err)
		}
	}
	check()
	want["c"] = "another"
	if err := os.WriteFile(filepath.Join(dir, "c"), []byte(want["c"]), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "c"), time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	check()
	if err := Archive(out, filepath.Join(dir, "none")); err == nil {
		t.Error("no error for a file that is not there")
	}
}
