package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const xsys = "golang.org/x/sys"

// asmJumps are the lines of x/sys/unix's assembly that enter package syscall
// with arguments that only the caller's frame keeps alive.
var asmJumps = []string{
	"TEXT ·Syscall(SB),NOSPLIT,$0-56\n\tJMP\tsyscall·Syscall(SB)\n",
	"TEXT ·Syscall6(SB),NOSPLIT,$0-80\n\tJMP\tsyscall·Syscall6(SB)\n",
	"TEXT ·RawSyscall(SB),NOSPLIT,$0-56\n\tJMP\tsyscall·RawSyscall(SB)\n",
	"TEXT ·RawSyscall6(SB),NOSPLIT,$0-80\n\tJMP\tsyscall·RawSyscall6(SB)\n",
}

// goDecls are the declarations without body in syscall_unix_gc.go.
var goDecls = []string{
	"func Syscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err syscall.Errno)\n",
	"func Syscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)\n",
	"func RawSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err syscall.Errno)\n",
	"func RawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)\n",
}

// writeModule writes dir/go.mod, dir/go.sum and dir/xsys.
func writeModule(dir string) error {
	// On a fresh machine it is not in the module cache yet: this puts it there.
	var mod struct{ Dir string }
	if err := goJSON(&mod, "mod", "download", "-json", xsys); err != nil {
		return err
	}
	var env struct{ GOMOD string }
	if err := goJSON(&env, "env", "-json", "GOMOD"); err != nil {
		return err
	}
	copyDir := filepath.Join(dir, "xsys")
	if err := copyModule(copyDir, mod.Dir); err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(env.GOMOD), name))
		if err != nil {
			return fmt.Errorf("mkoverlay: %w", err)
		}
		if name == "go.mod" {
			rel, err := filepath.Rel(filepath.Dir(env.GOMOD), copyDir)
			if err != nil {
				return fmt.Errorf("mkoverlay: %w", err)
			}
			if !strings.HasPrefix(rel, "..") {
				rel = "./" + rel
			}
			text = fmt.Appendf(text, "\nreplace %s => %s\n", xsys, filepath.ToSlash(rel))
		}
		if err := writeIfChanged(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

func goJSON(v any, args ...string) error {
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return fmt.Errorf("mkoverlay: go %s: %w", strings.Join(args, " "), err)
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("mkoverlay: go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// copyModule copies what an amd64 Linux build of x/sys reads, edited.
func copyModule(dst, src string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("mkoverlay: %w", err)
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return fmt.Errorf("mkoverlay: %w", err)
		}
		if d.IsDir() {
			switch rel {
			case ".", "cpu", "unix", "internal", filepath.Join("internal", "unsafeheader"):
				return nil
			}
			return fs.SkipDir
		}
		ext := filepath.Ext(rel)
		if rel != "go.mod" && rel != "LICENSE" && ext != ".go" && ext != ".s" || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("mkoverlay: %w", err)
		}
		switch filepath.ToSlash(rel) {
		case "unix/asm_linux_amd64.s":
			text, err = replaceOnce(text, asmJumps, func(string) string { return "" })
		case "unix/syscall_unix_gc.go":
			text, err = replaceOnce(text, goDecls, goBody)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return writeIfChanged(filepath.Join(dst, rel), text)
	})
}

// goBody gives a declaration a body that makes pointer arguments escape.
func goBody(decl string) string {
	name := strings.TrimPrefix(decl[:strings.Index(decl, "(")], "func ")
	args := "trap, a1, a2, a3"
	if strings.HasSuffix(name, "6") {
		args += ", a4, a5, a6"
	}
	return "\n//go:uintptrescapes\n" + strings.TrimSuffix(decl, "\n") + " {\n\treturn syscall." + name + "(" + args + ")\n}\n"
}

// replaceOnce replaces each anchor, which must occur exactly once.
func replaceOnce(text []byte, anchors []string, with func(string) string) ([]byte, error) {
	for _, a := range anchors {
		if n := bytes.Count(text, []byte(a)); n != 1 {
			return nil, fmt.Errorf("%w: %d times %q", errAnchor, n, a)
		}
		text = bytes.Replace(text, []byte(a), []byte(with(a)), 1)
	}
	return text, nil
}
