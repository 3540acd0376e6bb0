// Package cpio writes and reads the archive format cpio "newc" (Linux 6.1
// Documentation/driver-api/early-userspace/buffer-format.rst), in which a boot
// loader brings files for the file store, and ktest the files of a test. World W2.
//
// Imports: only what package testing imports, so that it can be linked into every
// test binary. A reader never trusts a length: it returns ErrFormat.
//
// Not supported: hard links, device nodes, checksums, times and owners.
package cpio

import (
	"errors"
	"strconv"
)

// ErrFormat says that the bytes are not such an archive or are cut off.
var ErrFormat = errors.New("cpio: damaged cpio archive")

// Kinds of entries, as in the mode of stat(2).
const (
	KindMask    = 0o170000
	KindDir     = 0o040000
	KindFile    = 0o100000
	KindSymlink = 0o120000
)

// Entry is one file. Body is the content, or a link's target.
type Entry struct {
	Name string
	Mode uint32 // kind and permission bits
	Body []byte
}

// Magic are the first bytes of an archive.
const Magic = "070701"

const (
	headerSize = 6 + 13*8
	trailer    = "TRAILER!!!"
	maxName    = 4096
)

// Append adds an entry to an archive.
func Append(b []byte, e Entry) []byte {
	return pad(append(append(b, Header(e.Name, e.Mode, int64(len(e.Body)))...), e.Body...))
}

// Header is what stands before an entry's body of size bytes; zeroes follow that up
// to a multiple of 4 bytes. Archives are a whole number of such units.
func Header(name string, mode uint32, size int64) []byte {
	var b []byte
	number := func(v int) {
		s := strconv.FormatUint(uint64(uint32(v)), 16)
		b = append(b, "00000000"[len(s):]...)
		b = append(b, s...)
	}
	b = append(b, Magic...)
	for i := range 13 {
		switch i {
		case 1:
			number(int(mode))
		case 4:
			number(1)
		case 6:
			number(int(size))
		case 11:
			number(len(name) + 1)
		default:
			number(0)
		}
	}
	return pad(append(append(b, name...), 0))
}

// End closes an archive.
func End(b []byte) []byte { return Append(b, Entry{Name: trailer}) }

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Read calls do for each entry, whose name and body are parts of b.
func Read(b []byte, do func(Entry) error) error {
	for at := 0; ; {
		if len(b)-at < headerSize || string(b[at:at+6]) != Magic {
			return ErrFormat
		}
		var v [13]int
		for i := range v {
			n, ok := hex(b[at+6+8*i:][:8])
			if !ok {
				return ErrFormat
			}
			v[i] = n
		}
		size, name := v[6], v[11]
		at += headerSize
		if name < 1 || name > maxName || name > len(b)-at || b[at+name-1] != 0 {
			return ErrFormat
		}
		e := Entry{Name: string(b[at : at+name-1]), Mode: uint32(v[1])}
		at = (at + name + 3) &^ 3
		if e.Name == trailer {
			return nil
		}
		if at > len(b) || size > len(b)-at {
			return ErrFormat
		}
		e.Body = b[at : at+size]
		at = (at + size + 3) &^ 3
		if err := do(e); err != nil {
			return err
		}
		if at > len(b) {
			return ErrFormat
		}
	}
}

func hex(b []byte) (v int, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | int(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
