package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestReleases(t *testing.T) {
	for _, c := range []struct {
		version string
		ok      bool
	}{
		{"go1.26\n", true},
		{"go1.26.8\ntime 2026-01-01T00:00:00Z\n", true},
		{"go1.27.4", true},
		{"go1.25.9", false},
		{"go1.28", false},
		{"go1.27rc1", false},
		{"devel go1.28-abcdef", false},
		{"", false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(c.version), 0o600); err != nil {
			t.Fatal(err)
		}
		err := checkRelease(dir)
		if c.ok && err != nil || !c.ok && !errors.Is(err, errRelease) {
			t.Errorf("%q: %v", c.version, err)
		}
		if name := strings.TrimSpace(c.version); !c.ok && name != "" && !strings.Contains(err.Error(), strings.SplitN(name, "\n", 2)[0]) {
			t.Errorf("%q is not named in %v", c.version, err)
		}
	}
	if err := checkRelease(t.TempDir()); err == nil {
		t.Error("a folder without VERSION is accepted")
	}
}

// goroot is that of the release that runs the test.
func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("no go command:", err)
	}
	return strings.TrimSpace(string(out))
}

// readStd reads a file of package syscall.
func readStd(t *testing.T, name string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(goroot(t), "src", "syscall", name))
	if err != nil {
		t.Skip("no GOROOT sources:", err)
	}
	return src
}

func TestHookCalls(t *testing.T) {
	src := readStd(t, "syscall_linux.go")
	dst, err := hookCalls(src)
	if err != nil {
		t.Fatal(err)
	}
	text := string(dst)
	for _, want := range []string{
		"func trapRawSyscall6(", "func trapSyscall6(", "func RawSyscall6(",
		"r1, r2, err = trapRawSyscall6(trap, a1, a2, a3, a4, a5, a6)",
		"//go:uintptrescapes\n//go:linkname Syscall6\nfunc Syscall6(",
	} {
		if n := strings.Count(text, want); n != 1 {
			t.Errorf("%d times %q", n, want)
		}
	}
	if n := strings.Count(text, "//go:linkname Syscall\n"); n != 1 {
		t.Errorf("%d linknames of Syscall", n)
	}
}

func TestHookCallsRefuses(t *testing.T) {
	src := string(readStd(t, "syscall_linux.go"))
	for name, change := range map[string][2]string{
		"body":      {"runtime_entersyscall()\n\t// N.B.", "runtime_entersyscall()\n\tprintln()\n\t// N.B."},
		"directive": {"//go:uintptrkeepalive\n//go:nosplit\n//go:linkname Syscall6\n", "//go:nosplit\n//go:linkname Syscall6\n"},
		"missing":   {"func RawSyscall(", "func OtherSyscall("},
		"syntax":    {"func RawSyscall(", "func (("},
	} {
		broken := strings.Replace(src, change[0], change[1], 1)
		if broken == src {
			t.Fatalf("%s: nothing to change", name)
		}
		if _, err := hookCalls([]byte(broken)); !errors.Is(err, errAnchor) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForkChildKeepsTrap(t *testing.T) {
	src := readStd(t, "exec_linux.go")
	dst, err := keepForkChild(src)
	if err != nil {
		t.Fatal(err)
	}
	_, child, ok := strings.Cut(string(dst), "func forkAndExecInChild1(")
	if !ok {
		t.Fatal("no fork child")
	}
	child, _, _ = strings.Cut(child, "\n}\n")
	for _, line := range strings.Split(child, "\n") {
		line, _, _ = strings.Cut(line, "//")
		if strings.Contains(line, " RawSyscall") || strings.Contains(line, "\tRawSyscall") {
			t.Errorf("hooked call in the fork child: %s", line)
		}
	}
	if _, err := keepForkChild([]byte("package syscall\n")); !errors.Is(err, errAnchor) {
		t.Errorf("empty file: %v", err)
	}
}

func TestModuleEdits(t *testing.T) {
	asm := strings.Join(asmJumps, "\n") + "\nTEXT ·gettimeofday(SB),NOSPLIT,$0-16\n"
	got, err := replaceOnce([]byte(asm), asmJumps, func(string) string { return "" })
	if err != nil || strings.Contains(string(got), "Syscall") {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := replaceOnce([]byte(asm+asmJumps[0]), asmJumps, func(string) string { return "" }); !errors.Is(err, errAnchor) {
		t.Errorf("anchor that occurs twice: %v", err)
	}
	if want := "\n//go:uintptrescapes\nfunc RawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno) {\n" +
		"\treturn syscall.RawSyscall6(trap, a1, a2, a3, a4, a5, a6)\n}\n"; goBody(goDecls[3]) != want {
		t.Errorf("got %q", goBody(goDecls[3]))
	}
}

func TestOverlayIsStable(t *testing.T) {
	readStd(t, "exec_linux.go")
	dir := t.TempDir()
	o := options{goroot: goroot(t), out: dir, ktest: "basalt/cmd/mkoverlay"}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	second, _ := os.ReadFile(filepath.Join(dir, "overlay.json"))
	if string(first) != string(second) {
		t.Error("two runs differ")
	}
	for _, want := range []string{"/src/basalt/cmd/mkoverlay/main.go", "/src/testing/basalt_ktest.go", "/src/syscall/syscall_linux.go"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("overlay.json lacks %s", want)
		}
	}
	o.ktest = "fmt"
	if err := run(o); err == nil {
		t.Error("a package outside the module is accepted for -ktest")
	}
}

func TestToolchainFromTheModuleCache(t *testing.T) {
	cache, dir := t.TempDir(), t.TempDir()
	t.Setenv("GOMODCACHE", cache)
	inside := filepath.Join(cache, "golang.org", "toolchain@v0.0.1-go1.27.4.linux-amd64")
	got, err := outsideCache(dir, inside)
	if err != nil || got != filepath.Join(dir, "goroot") {
		t.Fatal(got, err)
	}
	if to, err := os.Readlink(got); err != nil || to != inside {
		t.Error(to, err)
	}
	if again, err := outsideCache(dir, got); err != nil || again != got {
		t.Error(again, err)
	}
	if got, err := outsideCache(dir, "/usr/local/go"); err != nil || got != "/usr/local/go" {
		t.Error(got, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "goroot")); err == nil {
		t.Error("the link of another release stays")
	}
}
