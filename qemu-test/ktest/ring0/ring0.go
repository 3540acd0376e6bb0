// Package ring0 turns a test binary into a kernel: linked in by any import, it
// brings the personality, mounts the in-kernel file system, fills it from the
// boot module and ends the machine with the test's exit code. World W2; what ends
// the machine is W1.
//
// On the command line, before "--": dir=PATH is the working directory, root=PATH
// is what GOROOT is set to. The test's own arguments stand behind "--".
//
// Imports: only what package testing imports (see vmkernel/sys), so that it can
// be linked under the tests of any package.
package ring0

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"basalt/boot/cpio"
	"basalt/qemu-test/ktest/status"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/sys"
	"basalt/vmkernel/vfs"
)

func init() {
	linux.OnExit = func(code int) { linux.PowerOff(uint32(code)) }
	linux.OnFatal = func(cause string, r *linux.Registers) {
		linux.Report(cause, r)
		linux.PowerOff(status.Crashed)
	}
	if err := mount(); err != nil {
		fmt.Fprintln(os.Stderr, "ktest:", err)
		os.Exit(status.Crashed)
	}
}

func mount() error {
	fs, err := vfs.New(vfs.Config{Bytes: 384 << 20})
	if err != nil {
		return fmt.Errorf("file system: %w", err)
	}
	if !sys.Install(fs, nil) {
		return errors.New("the binary was built without the overlay of cmd/mkoverlay")
	}
	sys.InstallPipes()
	facts := linux.Facts()
	for i := range facts.NumModules {
		m := &facts.Modules[i]
		if err := cpio.Read(pmem.Bytes(m.Start, int(m.End-m.Start)), unpack); err != nil {
			return fmt.Errorf("boot module %d: %w", i, err)
		}
	}
	for word := range strings.FieldsSeq(string(facts.CommandLine())) {
		if word == "--" {
			break
		}
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "dir":
			if err = os.Chdir(value); err == nil {
				err = os.Setenv("PWD", value)
			}
		case "root":
			err = os.Setenv("GOROOT", value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func unpack(e cpio.Entry) error {
	name := "/" + e.Name
	perm := os.FileMode(e.Mode & 0o777)
	switch e.Mode & cpio.KindMask {
	case cpio.KindDir:
		return os.MkdirAll(name, perm)
	case cpio.KindSymlink:
		return os.Symlink(string(e.Body), name)
	}
	if err := os.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, e.Body, perm)
}
