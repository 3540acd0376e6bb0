package vfs

import (
	"syscall"

	"basalt/vmkernel/sys"
)

// device is what stands behind a character device or a generated file.
type device interface {
	// open gives what a descriptor names.
	open(n *inode, flags int) sys.Object
	// number is the device number for stat, 0 for a generated file.
	number() uint64
}

// charDevice is an open character device: read fills p, write takes it.
type charDevice struct {
	handle
	read  func(p []byte) int
	write func(p []byte) (int, sys.Errno)
}

// Read implements sys.Reader.
func (d *charDevice) Read(p []byte) (int, sys.Errno) {
	if !d.readable() {
		return 0, syscall.EBADF
	}
	return d.read(p), 0
}

// ReadAt implements sys.ReaderAt.
func (d *charDevice) ReadAt(p []byte, _ int64) (int, sys.Errno) { return d.Read(p) }

// Write implements sys.Writer.
func (d *charDevice) Write(p []byte) (int, sys.Errno) {
	if !d.writable() {
		return 0, syscall.EBADF
	}
	return d.write(p)
}

// WriteAt implements sys.WriterAt.
func (d *charDevice) WriteAt(p []byte, _ int64) (int, sys.Errno) { return d.Write(p) }

// Lseek implements sys.Seeker.
func (d *charDevice) Lseek(int64, int) (int64, sys.Errno) { return 0, 0 }

// Truncate implements sys.Truncater.
func (d *charDevice) Truncate(int64) sys.Errno { return syscall.EINVAL }

// simpleDevice is a device without state.
type simpleDevice struct {
	major, minor uint64
	read         func(p []byte) int
	write        func(p []byte) (int, sys.Errno)
}

func (d *simpleDevice) open(n *inode, flags int) sys.Object {
	h := &charDevice{read: d.read, write: d.write}
	h.init(n, flags)
	return h
}

func (d *simpleDevice) number() uint64 { return d.major<<8 | d.minor }

func swallow(p []byte) (int, sys.Errno) { return len(p), 0 }

func zeros(p []byte) int {
	clear(p)
	return len(p)
}

// devices are the nodes of /dev (numbers: Linux Documentation/admin-guide/devices.txt).
func devices(random func(p []byte)) map[string]device {
	rnd := func(p []byte) int {
		random(p)
		return len(p)
	}
	return map[string]device{
		"null":    &simpleDevice{1, 3, func([]byte) int { return 0 }, swallow},
		"zero":    &simpleDevice{1, 5, zeros, swallow},
		"full":    &simpleDevice{1, 7, zeros, func([]byte) (int, sys.Errno) { return 0, syscall.ENOSPC }},
		"random":  &simpleDevice{1, 8, rnd, swallow},
		"urandom": &simpleDevice{1, 9, rnd, swallow},
	}
}

// generated is a file whose text is made when it is opened, as in /proc.
type generated struct{ text func() []byte }

func (g *generated) number() uint64 { return 0 }

func (g *generated) open(n *inode, flags int) sys.Object {
	h := &snapshot{text: g.text()}
	h.init(n, flags)
	return h
}

// snapshot is an open generated file.
type snapshot struct {
	handle
	text []byte
}

// Read implements sys.Reader.
func (s *snapshot) Read(p []byte) (int, sys.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.ReadAt(p, s.pos)
	s.pos += int64(n)
	return n, err
}

// ReadAt implements sys.ReaderAt.
func (s *snapshot) ReadAt(p []byte, off int64) (int, sys.Errno) {
	if off >= int64(len(s.text)) {
		return 0, 0
	}
	return copy(p, s.text[off:]), 0
}

// Lseek implements sys.Seeker.
func (s *snapshot) Lseek(off int64, whence int) (int64, sys.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if whence == 1 {
		off += s.pos
	}
	if whence > 1 || off < 0 {
		return 0, syscall.EINVAL
	}
	s.pos = off
	return off, 0
}
