// Package atinit puts a file system behind package os before main starts. It is
// for test binaries that cmd/mkoverlay -ktest links it into, which have no main of
// their own to do it. World W2.
//
// In ring 0 the file system is all there is. Under Linux it is mounted at the path
// that BASALT_VFS names (nothing happens without it), so that a package's tests
// can be run against it with TMPDIR below that path.
package atinit

import (
	"bytes"
	"os"
	"syscall"

	"basalt/vmkernel/sys"
	"basalt/vmkernel/vfs"
)

// release is how the personality's uname release ends.
const release = "-basalt"

// ring0 says whether the personality answers system calls.
func ring0() bool {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return false
	}
	var text []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		text = append(text, byte(c))
	}
	return bytes.HasSuffix(text, []byte(release))
}

func init() {
	prefix := os.Getenv("BASALT_VFS")
	if ring0() {
		prefix = ""
	} else if prefix == "" {
		return
	}
	fs, err := vfs.New(vfs.Config{Prefix: prefix, Bytes: 256 << 20})
	if err != nil {
		panic("atinit: " + err.Error())
	}
	if !sys.Install(fs, nil) {
		panic("atinit: built without the overlay")
	}
	if prefix == "" {
		sys.InstallPipes()
	}
}
