package files

import (
	"io"
	"sync/atomic"
	"time"

	"basalt/drivers/blockio/imagedisk"
	"basalt/vmkernel/host"
)

// content is the bytes of one stored file; refs counts the map entry, every open
// File and every Disk. It does not change after it was filled, unless a Disk
// writes to it.
type content struct {
	store *Store
	refs  atomic.Int32
	heap  []byte           // small files
	img   *imagedisk.Image // the others

	// Under store.mu:
	sha256  string // empty once a disk could write
	mtime   time.Time
	readers int     // open Files
	users   []*Disk // open Disks
	claims  []*claim
}

func (c *content) size() int64 {
	if c.img != nil {
		return c.img.Size()
	}
	return int64(len(c.heap))
}

// window is the part of the content at off, up to the end of its chunk.
func (c *content) window(off int64) []byte {
	if c.img == nil {
		return c.heap[off:]
	}
	return c.img.Window(off)
}

func (c *content) release() {
	if c.refs.Add(-1) == 0 {
		c.store.giveBack(c)
	}
}

// File is an open file. It implements host.Image. Close it once.
type File struct {
	Info
	c      *content
	heap   []byte // as c had them when it was opened: they do not change meanwhile
	img    *imagedisk.Image
	closed atomic.Bool
}

var _ host.Image = (*File)(nil)

// Name is the path under which it was opened.
func (f *File) Name() string { return f.Path }

// Size is the length in bytes.
func (f *File) Size() int64 { return f.Bytes }

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || f.closed.Load() {
		return 0, host.ErrClosed
	}
	if f.img != nil {
		return f.img.ReadAt(p, off)
	}
	n := 0
	if off < f.Bytes {
		n = copy(p, f.heap[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Reader reads the whole file from its start, with seeking.
func (f *File) Reader() *io.SectionReader { return io.NewSectionReader(f, 0, f.Bytes) }

// Close lets go of the content.
func (f *File) Close() error {
	if !f.closed.Swap(true) {
		f.c.store.mu.Lock()
		f.c.readers--
		f.c.store.mu.Unlock()
		f.c.release()
	}
	return nil
}
