package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"basalt/vmkernel/sys"
)

const prefix = "/basalt-vfs"

var mounted *FS

// TestMain mounts a file system beside the real one, if the binary was built with
// the overlay.
func TestMain(m *testing.M) {
	var err error
	if mounted, err = New(Config{Prefix: prefix, Bytes: 64 << 20}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sys.Install(mounted, nil)
	os.Exit(m.Run())
}

func needOverlay(t testing.TB) {
	t.Helper()
	if !sys.Overlaid() {
		t.Skip("built without the overlay of cmd/mkoverlay")
	}
}

// journal collects what happened, without the root's path.
type journal struct {
	root string
	log  []string
}

func (j *journal) p(parts ...string) string {
	return filepath.Join(append([]string{j.root}, parts...)...)
}

// note writes one result down: errors by their number, modes and bytes as they are.
func (j *journal) note(what string, results ...any) {
	var b strings.Builder
	b.WriteString(what)
	for _, r := range results {
		if err, ok := r.(error); ok {
			var no syscall.Errno
			if errors.As(err, &no) {
				r = no.Error()
			}
		}
		fmt.Fprintf(&b, " | %v", r)
	}
	j.log = append(j.log, strings.ReplaceAll(b.String(), j.root, "ROOT"))
}

func (j *journal) stat(what, path string) {
	st, err := os.Lstat(path)
	if err != nil {
		j.note(what, err)
		return
	}
	sys := st.Sys().(*syscall.Stat_t)
	size := st.Size()
	if !st.Mode().IsRegular() {
		size = 0
	}
	j.note(what, st.Mode(), size, st.Name(), sys.Nlink)
}

// scenarios run on Linux and on us and must give the same journal.
var scenarios = map[string]func(j *journal){
	"open": func(j *journal) {
		for _, c := range []struct {
			name  string
			flags int
		}{
			{"missing", os.O_RDONLY}, {"new", os.O_CREATE | os.O_WRONLY}, {"new", os.O_CREATE | os.O_EXCL | os.O_WRONLY},
			{"new", os.O_RDONLY}, {"new/", os.O_RDONLY}, {"new/x", os.O_RDONLY}, {".", os.O_RDONLY}, {".", os.O_WRONLY},
			{"dir/", os.O_CREATE | os.O_WRONLY}, {"no/x", os.O_CREATE | os.O_WRONLY}, {"new", os.O_RDWR | os.O_TRUNC},
			{"new", os.O_RDONLY | syscall.O_DIRECTORY}, {strings.Repeat("n", 256), os.O_CREATE | os.O_WRONLY}, {"..", os.O_RDONLY | syscall.O_DIRECTORY},
		} {
			fd, err := syscall.Open(j.root+"/"+c.name, c.flags|syscall.O_CLOEXEC, 0o666)
			j.note(fmt.Sprint("open ", len(c.name), c.name[:min(len(c.name), 9)], c.flags), err)
			if err == nil {
				syscall.Close(fd)
			}
		}
		j.stat("new", j.p("new"))
		_, err := os.Open("")
		j.note("empty", err)
		_, err = os.Open(j.root + "/" + strings.Repeat("x/", 2100))
		j.note("too long", err)
	},
	"read and write": func(j *journal) {
		f, err := os.Create(j.p("f"))
		j.note("create", err)
		n, err := f.WriteString("hello")
		j.note("write", n, err)
		n, err = f.WriteAt([]byte("world"), 10)
		j.note("write at", n, err)
		b := make([]byte, 20)
		n, err = f.ReadAt(b, 2)
		j.note("read at", n, err, b)
		off, err := f.Seek(-3, io.SeekEnd)
		j.note("seek", off, err)
		n, err = f.Read(b)
		j.note("read", n, err, b[:n])
		off, err = f.Seek(-100, io.SeekStart)
		j.note("seek before the start", off, err)
		_, err = syscall.Seek(int(f.Fd()), 0, 9)
		j.note("seek whence", err)
		n, err = f.ReadAt(b, 1<<40)
		j.note("far", n, err)
		_, err = syscall.Pread(int(f.Fd()), b, -1)
		j.note("negative", err)
		j.note("truncate", f.Truncate(3), f.Truncate(8), f.Truncate(-1))
		all, err := os.ReadFile(j.p("f"))
		j.note("all", all, err)
		j.note("sync", f.Sync(), f.Close(), f.Close())
		f, _ = os.OpenFile(j.p("f"), os.O_APPEND|os.O_WRONLY, 0)
		f.WriteString("A")
		_, err = f.Read(b)
		j.note("read of a write-only file", err)
		off, err = f.Seek(0, io.SeekCurrent)
		j.note("position after append", off, err)
		f.Close()
		f, _ = os.Open(j.p("f"))
		_, err = f.WriteString("x")
		j.note("write of a read-only file", err, f.Truncate(0))
		f.Close()
		all, err = os.ReadFile(j.p("f"))
		j.note("all", all, err, os.Truncate(j.p("f"), 2), os.Truncate(j.p("missing"), 2), os.Truncate(j.root, 2))
		_, err = os.ReadFile(j.root)
		j.note("read a directory", err)
	},
	"big": func(j *journal) {
		f, _ := os.Create(j.p("big"))
		defer f.Close()
		block := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
		for range 40 {
			f.Write(block)
		}
		f.WriteAt([]byte("end"), 20<<20)
		st, _ := f.Stat()
		j.note("size", st.Size())
		b := make([]byte, 10)
		for _, off := range []int64{65530, 40*65536 - 5, 10 << 20, 20<<20 - 4} {
			n, err := f.ReadAt(b, off)
			j.note("at", off, n, err, b)
		}
		j.note("fallocate", syscall.Fallocate(int(f.Fd()), 0, 0, 30<<20), syscall.Fallocate(int(f.Fd()), 1, 0, 31<<20))
		j.note("punch", syscall.Fallocate(int(f.Fd()), 3, 100, 100_000))
		b = make([]byte, 100_200)
		n, err := f.ReadAt(b, 0)
		j.note("punched", n, err, bytes.Count(b, []byte{0}), b[99], b[100], b[100_099], b[100_100])
		st, _ = f.Stat()
		j.note("size", st.Size())
		j.note("fallocate badly", syscall.Fallocate(int(f.Fd()), 0, -1, 1), syscall.Fallocate(int(f.Fd()), 0, 0, 0))
		f.Truncate(5)
		f.Truncate(1 << 20)
		n, err = f.ReadAt(b[:10], 0)
		j.note("truncated", n, err, b[:10])
	},
	"holes": func(j *journal) {
		f, _ := os.Create(j.p("holes"))
		defer f.Close()
		block := bytes.Repeat([]byte("x"), 1<<20)
		f.WriteAt(block, 1<<20)
		f.WriteAt(block, 24<<20)
		f.Truncate(40 << 20)
		walk := func(what string) {
			for _, off := range []int64{0, 1 << 20, 1<<20 + 5, 2 << 20, 3 << 20, 24 << 20, 25<<20 - 1, 25 << 20, 40<<20 - 1, 40 << 20, -1} {
				data, derr := syscall.Seek(int(f.Fd()), off, 3)
				hole, herr := syscall.Seek(int(f.Fd()), off, 4)
				j.note(what, off, data, derr, hole, herr)
			}
		}
		walk("sparse")
		j.note("punch", syscall.Fallocate(int(f.Fd()), 3, 1<<20+1<<18, 1<<18), syscall.Fallocate(int(f.Fd()), 3, 24<<20, 1<<20))
		walk("punched")
		f.WriteAt(block[:1], 39<<20)
		off, err := syscall.Seek(int(f.Fd()), 3<<20, 3)
		j.note("written again", off, err)
		f.Truncate(1 << 20)
		off, err = syscall.Seek(int(f.Fd()), 0, 3)
		j.note("only a hole", off, err)
	},
	"mmap": func(j *journal) {
		f, _ := os.OpenFile(j.p("m"), os.O_RDWR|os.O_CREATE, 0o600)
		defer f.Close()
		f.Write(make([]byte, 10_000))
		fd := int(f.Fd())
		m, err := syscall.Mmap(fd, 0, 10_000, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		j.note("map", len(m), err)
		copy(m[5000:], "by the mapping")
		b := make([]byte, 14)
		f.ReadAt(b, 5000)
		j.note("read", string(b))
		f.WriteAt([]byte("by write"), 9000)
		j.note("mapping", string(m[9000:9008]))
		ro, err := syscall.Mmap(fd, 4096, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
		j.note("second", string(ro[904:918]), err)
		j.note("sync", f.Sync(), os.Remove(j.p("m")))
		j.note("after unlink", string(m[5000:5014]))
		j.note("unmap", syscall.Munmap(m), syscall.Munmap(ro))
		_, err = syscall.Mmap(fd, 1, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
		j.note("odd offset", err)
		_, err = syscall.Mmap(fd, 0, 0, syscall.PROT_READ, syscall.MAP_SHARED)
		j.note("no length", err)
		w, _ := os.OpenFile(j.p("w"), os.O_RDONLY|os.O_CREATE, 0o600)
		defer w.Close()
		_, err = syscall.Mmap(int(w.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		j.note("write to a read-only file", err)
	},
	"directories": func(j *journal) {
		j.note("mkdir", os.Mkdir(j.p("a"), 0o777), os.Mkdir(j.p("a"), 0o777), os.Mkdir(j.p("x", "y"), 0o777), os.MkdirAll(j.p("a/b/c"), 0o750))
		j.stat("a", j.p("a"))
		j.stat("c", j.p("a/b/c"))
		for i := range 300 {
			os.WriteFile(j.p("a/b", fmt.Sprint("file", i)), nil, 0o644)
		}
		list, err := os.ReadDir(j.p("a/b"))
		j.note("list", len(list), err, list[0], list[300])
		d, _ := os.Open(j.p("a/b"))
		names, err := d.Readdirnames(7)
		j.note("seven", len(names), err)
		rest, err := d.Readdirnames(-1)
		names = append(names, rest...)
		slices.Sort(names)
		j.note("rest", len(rest), err, len(slices.Compact(names)))
		d.Seek(0, io.SeekStart)
		names, err = d.Readdirnames(0)
		j.note("again", len(names), err)
		d.Close()
		j.note("remove", os.Remove(j.p("a/b")), syscall.Rmdir(j.p("a/b/file1")), syscall.Unlink(j.p("a/b/c")), syscall.Rmdir(j.p("a/b/c")), syscall.Rmdir(j.p("a/.")))
		j.note("remove all", os.RemoveAll(j.p("a")), os.RemoveAll(j.p("a")))
		j.stat("a", j.p("a"))
		os.Mkdir(j.p("gone"), 0o755)
		d, _ = os.Open(j.p("gone"))
		os.Remove(j.p("gone"))
		_, err = d.Readdirnames(0)
		j.note("list a removed directory", err)
		d.Close()
	},
	"rename": func(j *journal) {
		os.MkdirAll(j.p("d/e"), 0o755)
		os.MkdirAll(j.p("empty"), 0o755)
		os.WriteFile(j.p("f"), []byte("f"), 0o644)
		os.WriteFile(j.p("g"), []byte("gg"), 0o644)
		for _, c := range [][2]string{
			{"missing", "x"}, {"f", "d"}, {"d", "f"}, {"d", "d/e/x"}, {"d", "d"}, {"f", "no/x"}, {"empty", "d"}, {"d/e", "d"},
			{"f", "g"}, {"f", "g"}, {"d/e", "empty"}, {"empty/", "e2/"}, {"g", "h/"}, {"g", "e2/g"}, {".", "x"},
		} {
			j.note("rename "+c[0]+" "+c[1], syscall.Rename(j.root+"/"+c[0], j.root+"/"+c[1]))
		}
		filepath.WalkDir(j.root, func(path string, d fs.DirEntry, err error) error {
			j.note("found", path, d.Type(), err)
			return nil
		})
		j.stat("d", j.p("d"))
		j.stat("root", j.p("e2"))
	},
	"links": func(j *journal) {
		os.WriteFile(j.p("f"), []byte("text"), 0o644)
		os.Mkdir(j.p("d"), 0o755)
		j.note("link", os.Link(j.p("f"), j.p("g")), os.Link(j.p("f"), j.p("g")), os.Link(j.p("d"), j.p("h")), os.Link(j.p("none"), j.p("i")))
		j.stat("f", j.p("f"))
		a, _ := os.Stat(j.p("f"))
		b, _ := os.Stat(j.p("g"))
		j.note("same", os.SameFile(a, b))
		j.note("symlink", os.Symlink("../"+filepath.Base(j.root)+"/f", j.p("s")), os.Symlink(j.p("d"), j.p("t")), os.Symlink("loop", j.p("loop")), os.Symlink("", j.p("e")), os.Symlink("x", j.p("s")))
		for _, n := range []string{"s", "t", "loop", "f", "none"} {
			to, err := os.Readlink(j.p(n))
			j.note("readlink "+n, to, err)
			_, err = os.Stat(j.p(n))
			j.note("stat "+n, err)
			j.stat("lstat "+n, j.p(n))
		}
		text, err := os.ReadFile(j.p("s"))
		j.note("through", text, err, os.WriteFile(j.p("t/x"), []byte("1"), 0o644))
		_, err = os.Stat(j.p("d/x"))
		j.note("d/x", err)
		_, err = os.Stat(j.root + "/s/")
		j.note("s/", err)
		_, err = os.OpenFile(j.p("s"), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
		j.note("nofollow", err)
		os.Symlink("target", j.p("dangling"))
		j.note("create through", os.WriteFile(j.p("dangling"), []byte("d"), 0o644))
		j.stat("target", j.p("target"))
		_, err = os.OpenFile(j.p("dangling"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		j.note("exclusive", err)
		j.note("remove", os.Remove(j.p("s")), os.Remove(j.p("t")), os.Remove(j.p("g")))
		j.stat("f", j.p("f"))
	},
	"attributes": func(j *journal) {
		os.WriteFile(j.p("f"), nil, 0o777)
		j.stat("f", j.p("f"))
		j.note("chmod", os.Chmod(j.p("f"), 0o4755), os.Chmod(j.p("none"), 0))
		j.stat("f", j.p("f"))
		when := time.Unix(1234567890, 123456789)
		j.note("times", os.Chtimes(j.p("f"), when, when.Add(time.Hour)))
		st, _ := os.Stat(j.p("f"))
		j.note("mtime", st.ModTime().UTC())
		j.note("access", syscall.Access(j.p("f"), 7), syscall.Access(j.p("none"), 0))
		os.Chmod(j.p("f"), 0o600)
		j.note("access", syscall.Access(j.p("f"), 1), syscall.Access(j.p("f"), 6))
		j.note("chown", os.Chown(j.p("f"), 12, -1))
		st, _ = os.Stat(j.p("f"))
		j.note("owner", st.Sys().(*syscall.Stat_t).Uid, st.Sys().(*syscall.Stat_t).Gid)
	},
	"locks": func(j *journal) {
		a, _ := os.Create(j.p("l"))
		b, _ := os.Open(j.p("l"))
		lock := func(f *os.File, how int) error { return syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB) }
		j.note("shared", lock(a, syscall.LOCK_SH), lock(b, syscall.LOCK_SH))
		j.note("upgrade", lock(a, syscall.LOCK_EX))
		j.note("drop", lock(b, syscall.LOCK_UN), lock(a, syscall.LOCK_EX), lock(b, syscall.LOCK_SH))
		j.note("odd", syscall.Flock(int(a.Fd()), 64))
		done := make(chan error)
		go func() { done <- syscall.Flock(int(b.Fd()), syscall.LOCK_EX) }()
		a.Close()
		j.note("after close", <-done)
		b.Close()
	},
	"root": func(j *journal) {
		os.MkdirAll(j.p("in/side"), 0o755)
		os.WriteFile(j.p("secret"), []byte("s"), 0o600)
		os.Symlink("../secret", j.p("in/escape"))
		r, err := os.OpenRoot(j.p("in"))
		j.note("open root", err)
		defer r.Close()
		_, err = r.ReadFile("escape")
		j.note("escape", err != nil)
		j.note("inside", r.WriteFile("side/x", []byte("x"), 0o644), r.Mkdir("side/y", 0o755), r.Rename("side/x", "side/y/z"), r.Remove("side/y/z"), r.RemoveAll("side"))
		_, err = r.Stat("..")
		j.note("outside", err != nil)
	},
	"unlinked": func(j *journal) {
		f, _ := os.Create(j.p("f"))
		f.WriteString("still here")
		os.Remove(j.p("f"))
		b := make([]byte, 10)
		n, err := f.ReadAt(b, 0)
		j.note("read", n, err, string(b))
		st, err := f.Stat()
		j.note("links", st.Sys().(*syscall.Stat_t).Nlink, err, f.Close())
	},
	"copy": func(j *journal) {
		os.WriteFile(j.p("a"), bytes.Repeat([]byte("copy"), 50_000), 0o644)
		in, _ := os.Open(j.p("a"))
		out, _ := os.Create(j.p("b"))
		n, err := io.Copy(out, in)
		j.note("copy", n, err, in.Close(), out.Close())
		b, err := os.ReadFile(j.p("b"))
		j.note("read", len(b), err)
	},
}

func TestAgainstLinux(t *testing.T) {
	needOverlay(t)
	for name, run := range scenarios {
		t.Run(name, func(t *testing.T) {
			before := mounted.Used()
			base := "case-" + strings.ReplaceAll(name, " ", "-")
			ours, root := filepath.Join(t.TempDir(), base), prefix+"/tmp/"+base
			for _, d := range []string{ours, root} {
				if err := os.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			a, b := &journal{root: ours}, &journal{root: root}
			run(a)
			run(b)
			for i := range max(len(a.log), len(b.log)) {
				switch {
				case i >= len(b.log):
					t.Errorf("only Linux: %s", a.log[i])
				case i >= len(a.log):
					t.Errorf("only us: %s", b.log[i])
				case a.log[i] != b.log[i]:
					t.Errorf("Linux: %s\n   us: %s", a.log[i], b.log[i])
				}
			}
			if err := os.RemoveAll(root); err != nil {
				t.Error(err)
			}
			if used := mounted.Used(); used != before {
				t.Errorf("%d bytes are not given back", used-before)
			}
		})
	}
}

func TestDirFS(t *testing.T) {
	needOverlay(t)
	root := prefix + "/tmp/fstest"
	os.MkdirAll(root+"/a/b", 0o755)
	os.WriteFile(root+"/a/one", []byte("1"), 0o644)
	os.WriteFile(root+"/a/b/two", []byte("22"), 0o644)
	defer os.RemoveAll(root)
	if err := fstest.TestFS(os.DirFS(root), "a/one", "a/b/two"); err != nil {
		t.Error(err)
	}
}
