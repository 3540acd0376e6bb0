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

// linked is the package that turns a test binary into a kernel.
const linked = "basalt/qemu-test/ktest/ring0"

// workspace is where ktest keeps what it makes.
type workspace struct {
	module string // this module's folder
	dir    string // build/_ktest
	real   string // the installed GOROOT
	goroot string // the copy
}

// prepare brings the copy of GOROOT up to date.
func prepare() (*workspace, error) {
	out, err := output("go", "env", "GOROOT", "GOMOD")
	if err != nil {
		return nil, err
	}
	real, mod, _ := strings.Cut(strings.TrimSpace(out), "\n")
	w := &workspace{module: filepath.Dir(mod), real: real}
	w.dir = filepath.Join(w.module, "build", "_ktest")
	w.goroot = filepath.Join(w.dir, "goroot")
	if err := w.copyRoot(); err != nil {
		return nil, fmt.Errorf("ktest: copy GOROOT: %w", err)
	}
	if err := w.patch(); err != nil {
		return nil, err
	}
	if err := w.noProcesses(); err != nil {
		return nil, err
	}
	return w, w.present()
}

// noProcesses tells package internal/testenv that programs cannot be started, as
// it knows of other systems, so that tests which need that skip themselves.
func (w *workspace) noProcesses() error {
	const file, old, new = "src/internal/testenv/exec.go", `case "wasip1", "js", "ios":`, `case "wasip1", "js", "ios", "linux":`
	b, err := os.ReadFile(filepath.Join(w.real, filepath.FromSlash(file)))
	if err != nil {
		return fmt.Errorf("ktest: %w", err)
	}
	if bytes.Count(b, []byte(old)) != 1 {
		return fmt.Errorf("ktest: %s is not as expected", file)
	}
	return writeIfChanged(filepath.Join(w.goroot, filepath.FromSlash(file)), bytes.Replace(b, []byte(old), []byte(new), 1))
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ktest: %s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), nil
}

// copyRoot copies the sources, without those of the tools, and links the rest.
func (w *workspace) copyRoot() error {
	version, err := os.ReadFile(filepath.Join(w.real, "VERSION"))
	if err != nil {
		return err
	}
	stamp := filepath.Join(w.dir, "stamp")
	want := append([]byte(w.real+"\n"), version...)
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.RemoveAll(w.goroot); err != nil {
		return err
	}
	if err := os.MkdirAll(w.goroot, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(w.real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "src" {
			if err := os.Symlink(filepath.Join(w.real, e.Name()), filepath.Join(w.goroot, e.Name())); err != nil {
				return err
			}
		}
	}
	src := filepath.Join(w.real, "src")
	err = filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(src, p)
		to := filepath.Join(w.goroot, "src", rel)
		switch {
		case rel == "cmd":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(stamp, want, 0o644)
}

// patch writes the overlay's files into the copy: what an overlay does to a folder
// with assembly files the go command does not take.
func (w *workspace) patch() error {
	dir := filepath.Join(w.dir, "overlay")
	cmd := exec.Command("go", "run", "./cmd/mkoverlay", "-mod", "-o", dir)
	cmd.Dir = w.module
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ktest: mkoverlay: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
	if err != nil {
		return fmt.Errorf("ktest: %w", err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &overlay); err != nil {
		return fmt.Errorf("ktest: overlay.json: %w", err)
	}
	for path, file := range overlay.Replace {
		rel, err := filepath.Rel(w.real, path)
		if err != nil || strings.HasPrefix(rel, "..") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("ktest: %w", err)
		}
		if err := writeIfChanged(filepath.Join(w.goroot, rel), b); err != nil {
			return err
		}
	}
	return nil
}

// present copies the kernel's packages into the copy and links them under package
// testing.
func (w *workspace) present() error {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{.ImportPath}} {{.Dir}}{{end}}", linked)
	cmd.Dir = w.module
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ktest: go list: %w", err)
	}
	base := filepath.Join(w.goroot, "src", "basalt")
	keep := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(path, "basalt/") {
			return fmt.Errorf("ktest: %s is linked into test binaries and imports %s: only the standard library may be", linked, path)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("ktest: %w", err)
		}
		for _, e := range entries {
			ext := filepath.Ext(e.Name())
			if e.IsDir() || strings.HasSuffix(e.Name(), "_test.go") || ext != ".go" && ext != ".s" && ext != ".h" {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return fmt.Errorf("ktest: %w", err)
			}
			to := filepath.Join(w.goroot, "src", filepath.FromSlash(path), e.Name())
			keep[to] = true
			if err := writeIfChanged(to, b); err != nil {
				return err
			}
		}
	}
	err = filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || keep[p] {
			return err
		}
		return os.Remove(p)
	})
	if err != nil {
		return fmt.Errorf("ktest: %w", err)
	}
	hook := "package testing\n\nimport _ \"" + linked + "\"\n"
	return writeIfChanged(filepath.Join(w.goroot, "src", "testing", "basalt_ktest.go"), []byte(hook))
}

// writeIfChanged leaves a file that is right alone, so that nothing is rebuilt.
func writeIfChanged(name string, b []byte) error {
	old, err := os.ReadFile(name)
	if err == nil && bytes.Equal(old, b) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ktest: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("ktest: %w", err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		return fmt.Errorf("ktest: %w", err)
	}
	return nil
}
