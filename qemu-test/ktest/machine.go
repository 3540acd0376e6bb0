package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"basalt/boot/cpio"
	"basalt/boot/elfpack"
	"basalt/qemu-test/harness"
	"basalt/qemu-test/ktest/status"
)

// settings go from the front to the -exec side through one environment variable.
type settings struct {
	Module, Real, Goroot string
	CPUs, MemMiB         int
	Limit                time.Duration
	List                 string
}

const settingsVariable = "BASALT_KTEST"

// runBinary is the -exec side: it boots one test binary and gives its exit code.
func runBinary(s settings, binary string, args []string) (code int, err error) {
	cwd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	pkg, dir := s.place(cwd)
	it, err := s.find(pkg)
	if err != nil {
		return 0, err
	}
	tmp, err := os.MkdirTemp("", "ktest")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	kernel, err := pack(binary, tmp)
	if err != nil {
		return 0, err
	}
	module := filepath.Join(tmp, "files")
	b, err := s.files(cwd, dir, it)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(module, b, 0o644); err != nil {
		return 0, err
	}
	line := []string{"dir=" + dir, "root=/goroot", "--"}
	line = append(line, it.flags()...)
	for _, a := range args {
		// The go command looks at this file to know when a result is stale; it
		// would have to come out of the machine.
		if !strings.HasPrefix(a, "-test.testlogfile=") && !strings.HasPrefix(a, "-test.gocoverdir=") {
			line = append(line, a)
		}
	}
	m := harness.Machine{
		Kernel: kernel, Append: strings.Join(line, " "), CPUs: s.CPUs, MemMiB: max(s.MemMiB, it.memMiB), NIC: "none",
		Extra: []string{"-initrd", module}, Dir: filepath.Join(tmp, "machine"), Limit: s.Limit,
	}
	return boot(m)
}

// place gives the package of a folder and the folder's name inside the machine.
func (s settings) place(cwd string) (pkg, dir string) {
	for _, root := range []string{s.Goroot, s.Real} {
		if rel, err := filepath.Rel(filepath.Join(root, "src"), cwd); err == nil && !strings.HasPrefix(rel, "..") {
			return filepath.ToSlash(rel), "/goroot/src/" + filepath.ToSlash(rel)
		}
	}
	rel, err := filepath.Rel(s.Module, cwd)
	if err != nil || strings.HasPrefix(rel, "..") {
		return cwd, "/work"
	}
	return "./" + filepath.ToSlash(rel), "/basalt/" + filepath.ToSlash(rel)
}

func (s settings) find(pkg string) (item, error) {
	items, err := readList(s.List)
	if err != nil {
		return item{}, err
	}
	for _, it := range items {
		if it.pkg == pkg {
			return it, nil
		}
	}
	return item{pkg: pkg}, nil
}

func pack(binary, tmp string) (string, error) {
	f, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer f.Close()
	k, err := elfpack.Read(f)
	if err != nil {
		return "", err
	}
	name := filepath.Join(tmp, "test.elf")
	return name, os.WriteFile(name, k.ELF(), 0o644)
}

// files packs what the test may read: the package's own files, its testdata and
// that of the folders above it, and what the list adds.
func (s settings) files(cwd, dir string, it item) ([]byte, error) {
	b := cpio.Append(nil, cpio.Entry{Name: strings.TrimPrefix(dir, "/"), Mode: cpio.KindDir | 0o755})
	// What tests expect to find on any Unix.
	for _, d := range []string{"usr/bin", "etc"} {
		b = cpio.Append(b, cpio.Entry{Name: d, Mode: cpio.KindDir | 0o755})
	}
	for name, text := range map[string]string{
		"etc/hosts": "127.0.0.1 localhost\n::1 localhost\n", "etc/passwd": "root:x:0:0:root:/:/bin/sh\n", "etc/group": "root:x:0:\n",
	} {
		b = cpio.Append(b, cpio.Entry{Name: name, Mode: cpio.KindFile | 0o644, Body: []byte(text)})
	}
	entries, err := os.ReadDir(cwd)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			b = cpio.Append(b, cpio.Entry{Name: strings.TrimPrefix(dir, "/") + "/" + e.Name(), Mode: cpio.KindDir | 0o755})
		}
		if e.Type().IsRegular() {
			if b, err = add(b, filepath.Join(cwd, e.Name()), dir+"/"+e.Name()); err != nil {
				return nil, err
			}
		}
	}
	for host, in := cwd, dir; strings.Count(in, "/") > 1; host, in = filepath.Dir(host), filepath.ToSlash(filepath.Dir(in)) {
		if b, err = addTree(b, filepath.Join(host, "testdata"), in+"/testdata"); err != nil {
			return nil, err
		}
	}
	for _, d := range it.data {
		if b, err = addTree(b, filepath.Join(s.Real, filepath.FromSlash(d)), "/goroot/"+d); err != nil {
			return nil, err
		}
	}
	return cpio.End(b), nil
}

func addTree(b []byte, host, in string) ([]byte, error) {
	err := filepath.WalkDir(host, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(host, p)
		b, err = add(b, p, filepath.ToSlash(filepath.Join(in, rel)))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return b, err
}

func add(b []byte, host, in string) ([]byte, error) {
	st, err := os.Lstat(host)
	if err != nil {
		return nil, err
	}
	e := cpio.Entry{Name: strings.TrimPrefix(in, "/"), Mode: uint32(st.Mode().Perm())}
	switch st.Mode().Type() {
	case 0:
		e.Mode |= cpio.KindFile
		e.Body, err = os.ReadFile(host)
	case fs.ModeDir:
		e.Mode |= cpio.KindDir
	case fs.ModeSymlink:
		var to string
		to, err = os.Readlink(host)
		e.Mode, e.Body = cpio.KindSymlink|0o777, []byte(to)
	default:
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	return cpio.Append(b, e), nil
}

// boot runs the machine, copies its serial line to the standard output and gives
// the exit code of the test.
func boot(m harness.Machine) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	r, err := m.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer r.Stop()
	shown := 0
	show := func() {
		log := r.Log()[shown:]
		shown += len(log)
		os.Stdout.WriteString(strings.ReplaceAll(string(log), "\r", ""))
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			show()
			continue
		case <-ctx.Done():
			show()
			return 0, errors.New("ended by a signal")
		case <-r.Exited():
		}
		break
	}
	// The last bytes are read from the log file once the emulator is gone.
	for range 20 {
		<-tick.C
		show()
		if r.Drained() {
			break
		}
	}
	show()
	if err := r.Wait(ctx); err != nil {
		return 0, err
	}
	// isa-debug-exit makes 2c+1 of code c; a reset (a triple fault) is 0.
	switch c := r.ExitCode(); {
	case c == 2*status.Crashed+1:
		return 0, errors.New("the kernel stopped itself")
	case c%2 == 1:
		return c / 2, nil
	default:
		return 0, fmt.Errorf("the machine ended by itself, status %s: a reset without a report", strconv.Itoa(c))
	}
}
