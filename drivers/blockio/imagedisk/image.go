package imagedisk

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"basalt/drivers/blockio"
)

// Sizes in bytes.
const (
	ChunkSize = 2 << 20 // of one Chunk
	PageSize  = 4096    // the unit of holes
	BlockSize = 512     // the unit of sizes, offsets and lengths of a Disk
	// MaxSize is the largest image.
	MaxSize = 16 << 40
)

// Chunk is ChunkSize bytes of memory with any content.
type Chunk interface {
	Bytes() []byte
	// Release gives it back; the memory is not used after it.
	Release()
}

// ErrSize is wrapped by the errors for a size that an image cannot have.
var ErrSize = errors.New("not a possible size of a disk image")

// ErrCut refuses to make an image so small that data would be lost.
var ErrCut = errors.New("data would be cut off")

// CheckSize says whether a disk can have size bytes. Errors wrap ErrSize.
func CheckSize(size int64) error {
	switch {
	case size <= 0 || size%BlockSize != 0:
		return fmt.Errorf("%w: %d bytes is not a multiple of %d above 0", ErrSize, size, BlockSize)
	case size > MaxSize:
		return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrSize, size, int64(MaxSize))
	}
	return nil
}

// Image is a sparse sequence of bytes.
type Image struct {
	alloc func() (Chunk, error)
	size  atomic.Int64 // changes under mu
	pages atomic.Int64 // that hold data

	mu     sync.RWMutex
	chunks map[int64]*chunk
}

// New makes an image of size zeroes, 0 to MaxSize bytes, not necessarily a whole
// number of blocks. alloc gives memory; it is called with a lock held and must
// not call back.
func New(size int64, alloc func() (Chunk, error)) (*Image, error) {
	if size < 0 || size > MaxSize {
		return nil, CheckSize(size)
	}
	m := &Image{alloc: alloc, chunks: map[int64]*chunk{}}
	m.size.Store(size)
	return m, nil
}

// Size is the length in bytes.
func (m *Image) Size() int64 { return m.size.Load() }

// Data is how many bytes hold data, in whole pages.
func (m *Image) Data() int64 { return m.pages.Load() * PageSize }

// Used is the memory taken in bytes, in whole chunks.
func (m *Image) Used() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.chunks)) * ChunkSize
}

// Take takes the memory of the whole size. On an error it has taken none.
func (m *Image) Take() error {
	m.mu.Lock()
	free, err := m.take(0, m.Size())
	m.mu.Unlock()
	release(free)
	return err
}

// take makes sure that all chunks of a range are there; mu is held exclusively.
// After an error the caller releases what it returns, without the lock.
func (m *Image) take(off, length int64) (free *chunk, err error) {
	if length == 0 {
		return nil, nil
	}
	first, last := off/ChunkSize, (off+length-1)/ChunkSize
	var fresh *chunk // those taken here, linked
	for i := first; i <= last; i++ {
		if m.chunks[i] != nil {
			continue
		}
		mem, err := m.alloc()
		if err != nil {
			for c := fresh; c != nil; c = c.next {
				delete(m.chunks, c.at)
			}
			return fresh, fmt.Errorf("%w: %w", blockio.ErrNoSpace, err)
		}
		fresh = &chunk{mem: mem, at: i, next: fresh}
		m.chunks[i] = fresh
	}
	for c := fresh; c != nil; {
		c, c.next = c.next, nil
	}
	return nil, nil
}

// Window is the memory from off to the end of its chunk or of the image, marked as
// data, for the one who fills an image that nobody else has seen yet. Its chunk
// must have been taken.
func (m *Image) Window(off int64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, in := m.chunks[off/ChunkSize], off%ChunkSize
	n := min(ChunkSize-in, m.Size()-off)
	m.pages.Add(c.hold(in, in+n))
	return c.mem.Bytes()[in : in+n]
}

// Trim makes holes of the pages of a range that hold nothing but zeroes.
func (m *Image) Trim(off, length int64) {
	m.mu.Lock()
	var free *chunk
	for end := min(off+length, m.Size()); off < end; {
		i, in := off/ChunkSize, off%ChunkSize
		n := min(ChunkSize-in, end-off)
		if c := m.chunks[i]; c != nil {
			m.pages.Add(-c.trim(in, in+n))
			if c.count() == 0 {
				delete(m.chunks, i)
				c.next, free = free, c
			}
		}
		off += n
	}
	m.mu.Unlock()
	release(free)
}

// ReadAt implements io.ReaderAt.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, blockio.ErrRange
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := int(min(int64(len(p)), max(m.Size()-off, 0)))
	v := vector{one: p[:n]}
	m.copyOut(off, int64(n), &v)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Resize sets the size in bytes; what it adds reads as zeroes. It cuts data off
// only if cut is set. Errors wrap ErrSize or ErrCut and change nothing.
func (m *Image) Resize(size int64, cut bool) error {
	if err := CheckSize(size); err != nil {
		return err
	}
	m.mu.Lock()
	var free *chunk
	if size < m.Size() {
		if !cut && m.dataBehind(size) {
			m.mu.Unlock()
			return fmt.Errorf("from %d to %d bytes: %w", m.Size(), size, ErrCut)
		}
		free = m.punch(size, m.Size()-size)
	}
	m.size.Store(size)
	m.mu.Unlock()
	release(free)
	return nil
}

// dataBehind says whether there is a byte other than zero at or behind off. mu is
// held.
func (m *Image) dataBehind(off int64) bool {
	for i, c := range m.chunks {
		if base := i * ChunkSize; base+ChunkSize > off && c.data(max(off-base, 0)) {
			return true
		}
	}
	return false
}

// Free gives all memory back; the image reads as zeroes then.
func (m *Image) Free() {
	m.mu.Lock()
	free := m.punch(0, m.Size())
	m.mu.Unlock()
	release(free)
}
