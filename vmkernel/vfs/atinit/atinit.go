// Package atinit puts a file system behind package os before main starts. It is
// for test binaries that cmd/mkoverlay -ktest links it into, which have no main of
// their own to do it. World W2.
//
// In ring 0 the file system is all there is. Under Linux it is mounted at the path
// that BASALT_VFS names (nothing happens without it), so that a package's tests
// can be run against it with TMPDIR below that path.
package atinit

import (
	"os"

	"basalt/vmkernel/sys"
	"basalt/vmkernel/vfs"
)

// Ring0 is set by a package that is linked only into kernels, in its own init or
// as a variable's initial value.
var Ring0 func() bool

func init() {
	prefix := os.Getenv("BASALT_VFS")
	if prefix == "" && (Ring0 == nil || !Ring0()) {
		return
	}
	fs, err := vfs.New(vfs.Config{Prefix: prefix, Bytes: 256 << 20})
	if err != nil {
		panic("atinit: " + err.Error())
	}
	if !sys.Install(fs, nil) {
		panic("atinit: built without the overlay")
	}
}
