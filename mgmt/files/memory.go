package files

import (
	"fmt"

	"basalt/drivers/blockio/imagedisk"
	"basalt/vmkernel/host"
)

// take gets memory for the whole size.
func (s *Store) take(path string, size int64) (*content, error) {
	c := &content{store: s}
	c.refs.Store(1)
	if s.small(size) {
		c.heap = make([]byte, size)
		return c, nil
	}
	s.filling.Lock() // taking many chunks is not done in a moment: the store stays open to others meanwhile
	defer s.filling.Unlock()
	tooLarge := func() error {
		return fmt.Errorf("file %q of %d bytes %w: %d bytes are free", path, size, ErrTooLarge, s.Free())
	}
	if uint64(size) > s.Free() {
		return nil, tooLarge()
	}
	var err error
	if c.img, err = imagedisk.New(size, s.chunk); err == nil {
		err = c.img.Take()
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", tooLarge(), err)
	}
	return c, nil
}

// chunk gives memory to an image.
func (s *Store) chunk() (imagedisk.Chunk, error) {
	if s.Free() < host.ChunkSize {
		return nil, fmt.Errorf("%w for the file store: %d bytes are free", host.ErrNoMemory, s.Free())
	}
	return s.mem.Alloc()
}

// small counts a file of size bytes among those on the Go heap, if it may be one.
func (s *Store) small(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > smallFile || s.heap+size > heapLimit {
		return false
	}
	s.heap += size
	return true
}

func (s *Store) giveBack(c *content) {
	if c.img != nil {
		c.img.Free()
		return
	}
	s.mu.Lock()
	s.heap -= int64(len(c.heap))
	s.mu.Unlock()
}
