package imagedisk

import (
	"context"
	"fmt"
	"slices"

	"basalt/drivers/blockio"
)

// Append adds p behind the end, for the one who fills an image that nobody else has
// seen yet; memory is taken as it grows. After an error the image holds what fitted.
// Errors: blockio.ErrNoSpace, ErrSize beyond MaxSize.
func (m *Image) Append(p []byte) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n < len(p) {
		off := m.Size()
		if off >= MaxSize {
			return n, fmt.Errorf("%w: more than %d bytes", ErrSize, int64(MaxSize))
		}
		c, in := m.chunks[off/ChunkSize], off%ChunkSize
		if c == nil {
			mem, err := m.alloc()
			if err != nil {
				return n, fmt.Errorf("%w: %w", blockio.ErrNoSpace, err)
			}
			c = &chunk{mem: mem, at: off / ChunkSize}
			m.chunks[c.at] = c
		}
		k := min(ChunkSize-in, int64(len(p)-n))
		m.pages.Add(c.hold(in, in+k))
		copy(c.mem.Bytes()[in:in+k], p[n:])
		m.size.Store(off + k)
		n += int(k)
	}
	return n, nil
}

// CopyFrom makes an empty image of the same size a copy of src, with the same holes.
// What is written to src meanwhile may be in it or not. progress, if it is not nil, is told
// after each chunk how many bytes of how many are there, of memory. After an error the
// image has a part. Errors: blockio.ErrNoSpace, and those of ctx.
func (m *Image) CopyFrom(ctx context.Context, src *Image, progress func(done, total uint64)) error {
	src.mu.RLock()
	all := make([]int64, 0, len(src.chunks))
	for i := range src.chunks {
		all = append(all, i)
	}
	src.mu.RUnlock()
	slices.Sort(all)
	for done, i := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.copyChunk(src, i); err != nil {
			return err
		}
		if progress != nil {
			progress(uint64(done+1)*ChunkSize, uint64(len(all))*ChunkSize)
		}
	}
	return nil
}

func (m *Image) copyChunk(src *Image, i int64) error {
	mem, err := m.alloc()
	if err != nil {
		return fmt.Errorf("%w: %w", blockio.ErrNoSpace, err)
	}
	c := &chunk{mem: mem, at: i}
	src.mu.RLock()
	if from := src.chunks[i]; from != nil {
		from.mu.RLock()
		c.held = from.held
		to, b := mem.Bytes(), from.mem.Bytes()
		for p := int64(0); p < chunkPages; p++ {
			if c.has(p) {
				copy(to[p*PageSize:(p+1)*PageSize], b[p*PageSize:])
			}
		}
		from.mu.RUnlock()
	}
	src.mu.RUnlock()
	if c.count() == 0 {
		mem.Release()
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.chunks[i] = c
	m.pages.Add(c.count())
	return nil
}
