package imagedisk

import (
	"bytes"
	"math/bits"
	"sync"
)

const chunkPages = ChunkSize / PageSize

// chunk is a piece of memory and the map of its pages that hold data.
type chunk struct {
	mem  Chunk
	at   int64  // its number from the start of the image
	next *chunk // in a list of those to release

	mu   sync.RWMutex
	held [chunkPages / 64]uint64
}

func (c *chunk) has(page int64) bool { return c.held[page/64]>>(page%64)&1 != 0 }

// hold marks the pages of [from, to) and says how many are new. What of a new page
// lies outside the range is cleared.
func (c *chunk) hold(from, to int64) (fresh int64) {
	if from == to {
		return 0
	}
	b := c.mem.Bytes()
	first, last := from/PageSize, (to-1)/PageSize
	for p := first; p <= last; p++ {
		if c.has(p) {
			continue
		}
		c.held[p/64] |= 1 << (p % 64)
		fresh++
		if p == first {
			clear(b[p*PageSize : from])
		}
		if p == last {
			clear(b[to : (p+1)*PageSize])
		}
	}
	return fresh
}

// drop makes [from, to) read as zeroes and says how many pages it let go.
func (c *chunk) drop(from, to int64) (gone int64) {
	if from == 0 && to == ChunkSize {
		gone = c.count()
		c.held = [len(c.held)]uint64{}
		return gone
	}
	for p := from / PageSize; p*PageSize < to; p++ {
		if !c.has(p) {
			continue
		}
		a, z := max(from, p*PageSize), min(to, (p+1)*PageSize)
		if z-a < PageSize {
			clear(c.mem.Bytes()[a:z])
			continue
		}
		c.held[p/64] &^= 1 << (p % 64)
		gone++
	}
	return gone
}

// trim lets the pages of [from, to) go that hold only zeroes, and says how many.
func (c *chunk) trim(from, to int64) (gone int64) {
	b := c.mem.Bytes()
	for p := from / PageSize; p*PageSize < to; p++ {
		if c.has(p) && bytes.Equal(b[p*PageSize:(p+1)*PageSize], zeroes[:]) {
			c.held[p/64] &^= 1 << (p % 64)
			gone++
		}
	}
	return gone
}

// count is the number of pages that hold data.
func (c *chunk) count() (n int64) {
	for _, w := range c.held {
		n += int64(bits.OnesCount64(w))
	}
	return n
}

// data says whether there is a byte other than zero from offset from on in the
// page of from, or any page behind it.
func (c *chunk) data(from int64) bool {
	for p := from / PageSize; p < chunkPages; p++ {
		if !c.has(p) {
			continue
		}
		part := c.mem.Bytes()[max(from, p*PageSize) : (p+1)*PageSize]
		if !bytes.Equal(part, zeroes[:len(part)]) {
			return true
		}
	}
	return false
}

var zeroes [PageSize]byte

// read copies [from, from+n) to v.
func (c *chunk) read(from, n int64, v *vector) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b := c.mem.Bytes()
	for n > 0 {
		p := from / PageSize
		k := min(n, (p+1)*PageSize-from)
		if c.has(p) {
			v.put(b[from : from+k])
		} else {
			v.zero(k)
		}
		from, n = from+k, n-k
	}
}

// write copies n bytes of v to from and says how many pages it began.
func (c *chunk) write(from, n int64, v *vector) (fresh int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh = c.hold(from, from+n)
	v.get(c.mem.Bytes()[from : from+n])
	return fresh
}

// release gives a list of chunks back to their owner.
func release(list *chunk) {
	for ; list != nil; list = list.next {
		list.mem.Release()
	}
}
