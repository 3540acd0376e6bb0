package ramdisk

import "basalt/drivers/blockio"

// ChunkSize is the unit in which memory is taken, in bytes.
const ChunkSize = 64 << 10

type chunk [ChunkSize]byte

// store is the sparse memory: chunks by their number from the start of the disk.
type store struct {
	chunks map[int64]*chunk
	budget int64 // bytes
}

func (s *store) used() int64 { return int64(len(s.chunks)) * ChunkSize }

func (s *store) read(off int64, bufs [][]byte) {
	for _, b := range bufs {
		for len(b) > 0 {
			in := off % ChunkSize
			n := int(min(int64(len(b)), ChunkSize-in))
			if c := s.chunks[off/ChunkSize]; c != nil {
				copy(b[:n], c[in:])
			} else {
				clear(b[:n])
			}
			b, off = b[n:], off+int64(n)
		}
	}
}

// write takes all chunks that it needs before it copies, or none.
func (s *store) write(off, length int64, bufs [][]byte) error {
	first, last := off/ChunkSize, (off+length-1)/ChunkSize
	missing := int64(0)
	for i := first; i <= last; i++ {
		if s.chunks[i] == nil {
			missing++
		}
	}
	if missing > 0 && missing > (s.budget-s.used())/ChunkSize {
		return blockio.ErrNoSpace
	}
	for i := first; missing > 0; i++ {
		if s.chunks[i] == nil {
			s.chunks[i] = new(chunk)
			missing--
		}
	}
	for _, b := range bufs {
		for len(b) > 0 {
			n := copy(s.chunks[off/ChunkSize][off%ChunkSize:], b)
			b, off = b[n:], off+int64(n)
		}
	}
	return nil
}

// zero makes a range read as zeroes and gives back the chunks that it covers
// whole. It costs no more than the chunks in the range or those that exist,
// whichever are fewer.
func (s *store) zero(off, length int64) {
	end := off + length
	first, last := off/ChunkSize, (end-1)/ChunkSize
	if last-first < int64(len(s.chunks)) {
		for i := first; i <= last; i++ {
			s.zeroIn(i, off, end)
		}
		return
	}
	for i := range s.chunks {
		if i >= first && i <= last {
			s.zeroIn(i, off, end)
		}
	}
}

// zeroIn clears the part of chunk i that lies between off and end.
func (s *store) zeroIn(i, off, end int64) {
	c, base := s.chunks[i], i*ChunkSize
	switch {
	case c == nil:
	case off <= base && end >= base+ChunkSize:
		delete(s.chunks, i)
	default:
		clear(c[max(off-base, 0):min(end-base, ChunkSize)])
	}
}
