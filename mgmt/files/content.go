package files

import (
	"io"
	"sync/atomic"
	"time"

	"basalt/vmkernel/host"
)

// content is the bytes of one stored file; refs counts the map entry and every
// open File. It does not change after it was filled.
type content struct {
	store  *Store
	refs   atomic.Int32
	size   int64
	heap   []byte       // small files
	chunks []host.Chunk // the others
	sha256 string
	mtime  time.Time
}

// window is the part of the content at off, up to the end of its chunk.
func (c *content) window(off int64) []byte {
	if c.chunks == nil {
		return c.heap[off:]
	}
	b := c.chunks[off/host.ChunkSize].Bytes()
	start := off % host.ChunkSize
	return b[start:min(host.ChunkSize, start+c.size-off)]
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
	closed atomic.Bool
}

var _ host.Image = (*File)(nil)

// Name is the path under which it was opened.
func (f *File) Name() string { return f.Path }

// Size is the length in bytes.
func (f *File) Size() int64 { return f.c.size }

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || f.closed.Load() {
		return 0, host.ErrClosed
	}
	n := 0
	for n < len(p) && off < f.c.size {
		k := copy(p[n:], f.c.window(off))
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Reader reads the whole file from its start, with seeking.
func (f *File) Reader() *io.SectionReader { return io.NewSectionReader(f, 0, f.c.size) }

// Close lets go of the content.
func (f *File) Close() error {
	if !f.closed.Swap(true) {
		f.c.release()
	}
	return nil
}
