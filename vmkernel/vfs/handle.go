package vfs

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"basalt/vmkernel/sys"
)

// handle is an open file of any kind. Kinds add their abilities by embedding it.
type handle struct {
	*inode
	flags    atomic.Int64
	mu       sync.Mutex // guards pos
	pos      int64
	released atomic.Bool
	path     bool // opened with O_PATH
}

func (h *handle) init(n *inode, flags int) {
	h.inode = n
	h.flags.Store(int64(flags &^ (syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC | syscall.O_CLOEXEC)))
	h.path = flags&oPath != 0
	n.refs.Add(1)
}

// Release implements sys.Object.
func (h *handle) Release() {
	if h.released.Swap(true) {
		return
	}
	h.locks.drop(h)
	h.unref()
}

// Flags implements sys.StatusFlags.
func (h *handle) Flags() int { return int(h.flags.Load()) | 0x8000 } // O_LARGEFILE

// SetFlags implements sys.StatusFlags: only these may change.
func (h *handle) SetFlags(f int) {
	const settable = syscall.O_APPEND | syscall.O_NONBLOCK
	for {
		old := h.flags.Load()
		if h.flags.CompareAndSwap(old, old&^settable|int64(f)&settable) {
			return
		}
	}
}

// Flock implements sys.Locker.
func (h *handle) Flock(how int) sys.Errno { return h.locks.lock(h, how) }

// Sync implements sys.Syncer: memory is as safe as it gets.
func (h *handle) Sync() sys.Errno { return 0 }

func (h *handle) readable() bool {
	return !h.path && h.flags.Load()&syscall.O_ACCMODE != syscall.O_WRONLY
}

func (h *handle) writable() bool {
	return !h.path && h.flags.Load()&syscall.O_ACCMODE != syscall.O_RDONLY
}

// file is an open regular file.
type file struct{ handle }

var (
	_ sys.Reader      = (*file)(nil)
	_ sys.Writer      = (*file)(nil)
	_ sys.ReaderAt    = (*file)(nil)
	_ sys.WriterAt    = (*file)(nil)
	_ sys.Seeker      = (*file)(nil)
	_ sys.Stater      = (*file)(nil)
	_ sys.FSStater    = (*file)(nil)
	_ sys.Truncater   = (*file)(nil)
	_ sys.Allocator   = (*file)(nil)
	_ sys.Syncer      = (*file)(nil)
	_ sys.Locker      = (*file)(nil)
	_ sys.Mapper      = (*file)(nil)
	_ sys.Attributes  = (*file)(nil)
	_ sys.StatusFlags = (*file)(nil)
)

// Read implements sys.Reader.
func (f *file) Read(p []byte) (int, sys.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// ReadAt implements sys.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, sys.Errno) {
	if !f.readable() {
		return 0, syscall.EBADF
	}
	n := f.inode
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.content.read(p, off), 0
}

// Write implements sys.Writer.
func (f *file) Write(p []byte) (int, sys.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, end, err := f.write(p, f.pos, f.flags.Load()&syscall.O_APPEND != 0)
	if err == 0 {
		f.pos = end
	}
	return n, err
}

// WriteAt implements sys.WriterAt. With O_APPEND Linux appends here too.
func (f *file) WriteAt(p []byte, off int64) (int, sys.Errno) {
	n, _, err := f.write(p, off, f.flags.Load()&syscall.O_APPEND != 0)
	return n, err
}

func (f *file) write(p []byte, off int64, appending bool) (n int, end int64, err sys.Errno) {
	if !f.writable() {
		return 0, 0, syscall.EBADF
	}
	i := f.inode
	i.mu.Lock()
	defer i.mu.Unlock()
	if appending {
		off = i.content.size
	}
	n, err = i.content.write(i.fs, p, off)
	if err == syscall.ENOSPC && len(p) > pageSize {
		// What still fits is written, as Linux does.
		n, err = i.content.write(i.fs, p[:pageSize-int(off%pageSize)], off)
	}
	if n > 0 {
		i.mtime = time.Now()
		i.ctime = i.mtime
	}
	return n, off + int64(n), err
}

// Lseek implements sys.Seeker.
func (f *file) Lseek(off int64, whence int) (int64, sys.Errno) {
	if f.path {
		return 0, syscall.EBADF
	}
	i := f.inode
	i.mu.RLock()
	size := i.content.size
	to := size
	if off >= 0 && off < size && (whence == seekData || whence == seekHole) {
		to = i.content.next(off, whence == seekData)
	}
	i.mu.RUnlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case 0:
	case 1:
		off += f.pos
	case 2:
		off += size
	case seekData, seekHole:
		if off < 0 || off >= size || whence == seekData && to >= size {
			return 0, syscall.ENXIO
		}
		off = to
	default:
		return 0, syscall.EINVAL
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	f.pos = off
	return off, 0
}

// Truncate implements sys.Truncater.
func (f *file) Truncate(size int64) sys.Errno {
	if !f.writable() {
		return syscall.EINVAL
	}
	return f.inode.truncate(size)
}

func (n *inode) truncate(size int64) sys.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.content.truncate(n.fs, size)
	if err == 0 {
		n.mtime = time.Now()
		n.ctime = n.mtime
	}
	return err
}

// Values of whence of lseek(2) that package io lacks.
const (
	seekData = 3
	seekHole = 4
)

// Modes of fallocate(2).
const (
	fallocKeepSize  = 1
	fallocPunchHole = 2
)

// Allocate implements sys.Allocator: pages are paid for, and get memory later.
func (f *file) Allocate(mode uint32, off, n int64) sys.Errno {
	if !f.writable() {
		return syscall.EBADF
	}
	if off > maxFile || n > maxFile {
		return syscall.EFBIG
	}
	i := f.inode
	i.mu.Lock()
	defer i.mu.Unlock()
	c := &i.content
	switch mode {
	case 0, fallocKeepSize:
		if err := c.moveToWindow(i.fs, max(off+n, c.size)); err != 0 {
			return err
		}
		if err := c.charge(i.fs, off, off+n); err != 0 {
			return err
		}
		if mode == 0 {
			c.size = max(c.size, off+n)
		}
	case fallocPunchHole | fallocKeepSize:
		c.discard(i.fs, off, min(off+n, c.size))
	default:
		return syscall.EOPNOTSUPP
	}
	i.mtime = time.Now()
	i.ctime = i.mtime
	return 0
}
