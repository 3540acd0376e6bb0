package imagedisk

import "basalt/drivers/blockio"

// read fills the buffers with a range. Errors: blockio.ErrRange, if the image has
// become smaller meanwhile.
func (m *Image) read(off, length int64, bufs [][]byte) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if length > m.Size()-off {
		return blockio.ErrRange
	}
	v := vector{rest: bufs}
	m.copyOut(off, length, &v)
	return nil
}

// copyOut copies a range to v; mu is held.
func (m *Image) copyOut(off, length int64, v *vector) {
	for length > 0 {
		in := off % ChunkSize
		n := min(length, ChunkSize-in)
		if c := m.chunks[off/ChunkSize]; c != nil {
			c.read(in, n, v)
		} else {
			v.zero(n)
		}
		off, length = off+n, length-n
	}
}

// write stores a range: all of it, or on an error nothing. Errors:
// blockio.ErrRange, blockio.ErrNoSpace.
func (m *Image) write(off, length int64, bufs [][]byte) error {
	m.mu.RLock()
	done, err := m.copyIn(off, length, bufs)
	m.mu.RUnlock()
	if done {
		return err
	}
	m.mu.Lock()
	free, err := m.take(off, length)
	if err == nil {
		_, err = m.copyIn(off, length, bufs)
	}
	m.mu.Unlock()
	release(free)
	return err
}

// copyIn stores a range if all of its chunks are there; mu is held.
func (m *Image) copyIn(off, length int64, bufs [][]byte) (done bool, err error) {
	if length > m.Size()-off {
		return true, blockio.ErrRange
	}
	for i := off / ChunkSize; i <= (off+length-1)/ChunkSize; i++ {
		if m.chunks[i] == nil {
			return false, nil
		}
	}
	v := vector{rest: bufs}
	fresh := int64(0)
	for length > 0 {
		in := off % ChunkSize
		n := min(length, ChunkSize-in)
		fresh += m.chunks[off/ChunkSize].write(in, n, &v)
		off, length = off+n, length-n
	}
	if fresh > 0 {
		m.pages.Add(fresh)
	}
	return true, nil
}

// zero makes a range read as zeroes.
func (m *Image) zero(off, length int64) error {
	m.mu.Lock()
	if length > m.Size()-off {
		m.mu.Unlock()
		return blockio.ErrRange
	}
	free := m.punch(off, length)
	m.mu.Unlock()
	release(free)
	return nil
}

// punch makes a range read as zeroes and gives the chunks that are empty then, for
// the caller to release without the lock. mu is held exclusively. It looks at the
// chunks of the range or at those that exist, whichever are fewer.
func (m *Image) punch(off, length int64) (free *chunk) {
	end := off + length
	if end == m.Size() { // nothing is behind it
		end = (end + PageSize - 1) &^ (PageSize - 1)
	}
	one := func(i int64, c *chunk) {
		base := i * ChunkSize
		m.pages.Add(-c.drop(max(off-base, 0), min(end-base, ChunkSize)))
		if c.count() == 0 {
			delete(m.chunks, i)
			c.next, free = free, c
		}
	}
	first, last := off/ChunkSize, (end-1)/ChunkSize
	if last-first < int64(len(m.chunks)) {
		for i := first; i <= last; i++ {
			if c := m.chunks[i]; c != nil {
				one(i, c)
			}
		}
		return free
	}
	for i, c := range m.chunks {
		if i >= first && i <= last {
			one(i, c)
		}
	}
	return free
}
