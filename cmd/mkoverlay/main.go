package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.goroot, "goroot", "", "GOROOT of the release to patch (default: go env GOROOT)")
	flag.StringVar(&o.out, "o", "build/_overlay", "folder for the edited files and overlay.json")
	flag.BoolVar(&o.mod, "mod", false, "also write go.mod and a copy of golang.org/x/sys for -modfile")
	flag.StringVar(&o.ktest, "ktest", "", "comma-separated packages of this module to link into every test binary")
	flag.Parse()
	if flag.NArg() != 0 {
		fmt.Fprintln(os.Stderr, "mkoverlay: unexpected argument", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	goroot string
	out    string
	mod    bool
	ktest  string
}

// overlay collects edited files. Keys are paths that the compiler asks for,
// values are the contents it gets; json wants files, so write stores them.
type overlay struct {
	dir      string            // where contents go
	contents map[string][]byte // path as the go command knows it -> new content
	aliases  map[string]string // path as the go command knows it -> existing file
}

// run builds the whole overlay.
func run(o options) error {
	if o.goroot == "" {
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("mkoverlay: ask for GOROOT: %w", err)
		}
		o.goroot = strings.TrimSpace(string(out))
	}
	if err := checkRelease(o.goroot); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.out)
	if err != nil {
		return fmt.Errorf("mkoverlay: output folder: %w", err)
	}
	if o.goroot, err = outsideCache(dir, o.goroot); err != nil {
		return err
	}
	ov := &overlay{dir: dir, contents: map[string][]byte{}, aliases: map[string]string{}}
	if err := patchSyscall(ov, o.goroot); err != nil {
		return err
	}
	if o.ktest != "" {
		if err := addKtest(ov, o.goroot, strings.Split(o.ktest, ",")); err != nil {
			return err
		}
	}
	if o.mod {
		if err := writeModule(dir); err != nil {
			return err
		}
	}
	return ov.write() // last: to make, overlay.json says that everything is there
}

// outsideCache gives a path of goroot that the go command lets an overlay replace
// files of. A release that was fetched as a module (GOTOOLCHAIN) lies in the module
// cache, where it does not: then dir/goroot is made a symbolic link to it, and the
// kernel must be built with GOROOT=dir/goroot GOTOOLCHAIN=local and that tree's go
// command. Otherwise there is no dir/goroot.
func outsideCache(dir, goroot string) (string, error) {
	link := filepath.Join(dir, "goroot")
	if goroot == link {
		return link, nil // built with the link already
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("mkoverlay: %w", err)
	}
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("mkoverlay: ask for GOMODCACHE: %w", err)
	}
	cache := strings.TrimSpace(string(out))
	if rel, err := filepath.Rel(cache, goroot); err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return goroot, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("mkoverlay: %w", err)
	}
	if err := os.Symlink(goroot, link); err != nil {
		return "", fmt.Errorf("mkoverlay: %w", err)
	}
	return link, nil
}

// write stores the edited files and overlay.json. Files that already have the
// right content are left alone, so that the go command's cache stays warm.
func (ov *overlay) write() error {
	replace := map[string]string{}
	for path, alias := range ov.aliases {
		replace[path] = alias
	}
	for path, content := range ov.contents {
		name := filepath.Join(ov.dir, flatName(path))
		if err := writeIfChanged(name, content); err != nil {
			return err
		}
		replace[path] = name
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return fmt.Errorf("mkoverlay: encode overlay.json: %w", err)
	}
	return writeIfChanged(filepath.Join(ov.dir, "overlay.json"), append(text, '\n'))
}

// flatName names an edited file after its package and file, such as
// "syscall.syscall_linux.go".
func flatName(path string) string {
	return filepath.Base(filepath.Dir(path)) + "." + filepath.Base(path)
}

func writeIfChanged(name string, content []byte) error {
	old, err := os.ReadFile(name)
	if err == nil && string(old) == string(content) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("mkoverlay: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("mkoverlay: %w", err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		return fmt.Errorf("mkoverlay: %w", err)
	}
	return nil
}
