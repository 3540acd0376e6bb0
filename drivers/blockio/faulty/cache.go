package faulty

// cache holds the writes that are not durable, block by block, in the order of
// their completion. Several versions of a block are kept, for any of them may be
// what a power cut leaves.
type cache struct {
	size int // bytes in a block
	log  []entry
	last map[int64]int // block number to its newest entry in log
	free [][]byte      // buffers of entries that are gone
}

type entry struct {
	block int64
	data  []byte // nil if the entry was dropped
}

func (c *cache) init(size int) { *c = cache{size: size, last: map[int64]int{}} }

// add makes an entry for a block and gives its memory, to be filled.
func (c *cache) add(block int64) []byte {
	var data []byte
	if n := len(c.free); n > 0 {
		data, c.free = c.free[n-1], c.free[:n-1]
	} else {
		data = make([]byte, c.size)
	}
	c.last[block] = len(c.log)
	c.log = append(c.log, entry{block, data})
	return data
}

// newest gives what was last written to a block, or nil.
func (c *cache) newest(block int64) []byte {
	if i, ok := c.last[block]; ok {
		return c.log[i].data
	}
	return nil
}

// drop forgets all versions of the blocks from first up to but without end.
func (c *cache) drop(first, end int64) {
	for i, e := range c.log {
		if e.data != nil && e.block >= first && e.block < end {
			c.free = append(c.free, e.data)
			c.log[i].data = nil
			delete(c.last, e.block)
		}
	}
}

// reset forgets everything.
func (c *cache) reset() {
	for _, e := range c.log {
		if e.data != nil {
			c.free = append(c.free, e.data)
		}
	}
	clear(c.last)
	c.log = c.log[:0]
}

// gather fills dst with the bytes at offset at of the buffers.
func gather(dst []byte, bufs [][]byte, at int64) {
	for _, b := range bufs {
		if at >= int64(len(b)) {
			at -= int64(len(b))
			continue
		}
		n := copy(dst, b[at:])
		if dst, at = dst[n:], 0; len(dst) == 0 {
			return
		}
	}
}

// scatter puts src at offset at of the buffers.
func scatter(bufs [][]byte, at int64, src []byte) {
	for _, b := range bufs {
		if at >= int64(len(b)) {
			at -= int64(len(b))
			continue
		}
		n := copy(b[at:], src)
		if src, at = src[n:], 0; len(src) == 0 {
			return
		}
	}
}
