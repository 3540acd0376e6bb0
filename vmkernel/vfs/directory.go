package vfs

import (
	"cmp"
	"slices"
	"syscall"

	"basalt/vmkernel/sys"
)

// directory is an open directory; pos is the seq of the last entry given.
type directory struct{ handle }

var (
	_ sys.Directory   = (*directory)(nil)
	_ sys.Seeker      = (*directory)(nil)
	_ sys.Stater      = (*directory)(nil)
	_ sys.Attributes  = (*directory)(nil)
	_ sys.StatusFlags = (*directory)(nil)
)

// direntHeader is the size of struct linux_dirent64 before the name (getdents64(2)).
const direntHeader = 19

// putDirent writes one record and returns its size, 0 if it does not fit.
func putDirent(p []byte, ino uint64, seq int64, kind uint32, name string) int {
	size := (direntHeader + len(name) + 1 + 7) &^ 7
	if size > len(p) {
		return 0
	}
	clear(p[:size])
	for i := range 8 {
		p[i] = byte(ino >> (8 * i))
		p[8+i] = byte(seq >> (8 * i))
	}
	p[16], p[17] = byte(size), byte(size>>8)
	p[18] = byte(kind >> 12) // DT_* is the file type of the mode
	copy(p[direntHeader:], name)
	return size
}

// Getdents implements sys.Directory.
func (d *directory) Getdents(p []byte) (int, sys.Errno) {
	if d.path {
		return 0, syscall.EBADF
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, fs := d.inode, d.fs
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	if dir.nlink == 0 {
		return 0, syscall.ENOENT
	}
	total := 0
	put := func(n *inode, seq int64, name string) bool {
		size := putDirent(p[total:], n.ino, seq, n.kind, name)
		if size == 0 {
			return false
		}
		total += size
		d.pos = seq
		return true
	}
	full := func() (int, sys.Errno) {
		if total == 0 {
			return 0, syscall.EINVAL // not even one record fits
		}
		return total, 0
	}
	if d.pos < 1 && !put(dir, 1, ".") || d.pos < 2 && !put(dir.parent, 2, "..") {
		return full()
	}
	from, _ := slices.BinarySearchFunc(dir.list, d.pos+1, func(e *dirent, seq int64) int { return cmp.Compare(e.seq, seq) })
	for _, e := range dir.list[from:] {
		if !e.removed && !put(e.node, e.seq, e.name) {
			return full()
		}
	}
	return total, 0
}

// Lseek implements sys.Seeker.
func (d *directory) Lseek(off int64, whence int) (int64, sys.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if whence == 1 {
		off += d.pos
	} else if whence != 0 {
		return 0, syscall.EINVAL
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	d.pos = off
	return off, 0
}
