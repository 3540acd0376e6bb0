package vfs

import (
	"math/bits"
	"syscall"

	"basalt/vmkernel/sys"
)

const (
	pageSize = 4096
	// maxSmall is the largest file kept as a Go slice, in bytes.
	maxSmall = 16 << 10
	// minWindow is the smallest window; a window has room to grow by windowRoom
	// times before it must move. Addresses are plenty, moving copies.
	minWindow  = 16 << 20
	windowRoom = 4
	// maxFile bounds a file's size and what a mapping may reach.
	maxFile = 1 << 40
)

// Allocator gives windows of addresses.
type Allocator interface {
	// Reserve gives n bytes (a multiple of 4 KiB) that read zero and get memory
	// when they are first touched.
	Reserve(n int) ([]byte, sys.Errno)
	// Release gives a whole window back.
	Release(w []byte)
	// Discard takes the memory of a page-aligned part away; it reads zero again.
	Discard(part []byte)
}

// content is the bytes of one file. The inode's lock guards it.
type content struct {
	size    int64
	buf     []byte   // bytes [0,size) and zeros after them
	window  bool     // buf is a window of the allocator
	charged []uint64 // bitmap of the window's pages that are paid for
	pages   int64    // number of bits set in charged
	paid    int64    // bytes charged for a slice
	maps    int      // mappings; while there are any the window cannot move
}

// read copies from off; the caller checked off >= 0.
func (c *content) read(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	p = p[:min(int64(len(p)), c.size-off)]
	if !c.window {
		n := 0
		if off < int64(len(c.buf)) {
			n = copy(p, c.buf[off:])
		}
		clear(p[n:]) // truncated up
		return len(p)
	}
	for n := 0; n < len(p); {
		at := off + int64(n)
		part := p[n:min(len(p), n+int(pageSize-at%pageSize))]
		if c.isCharged(at / pageSize) {
			copy(part, c.buf[at:])
		} else {
			clear(part) // a hole: do not touch the window
		}
		n += len(part)
	}
	return len(p)
}

// write stores p at off and grows the file.
func (c *content) write(fs *FS, p []byte, off int64) (int, sys.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	end := off + int64(len(p))
	if err := c.ensure(fs, end); err != 0 {
		return 0, err
	}
	if err := c.charge(fs, off, end); err != 0 {
		return 0, err
	}
	copy(c.buf[off:], p)
	c.size = max(c.size, end)
	return len(p), 0
}

// ensure makes buf reach end.
func (c *content) ensure(fs *FS, end int64) sys.Errno {
	if end < 0 || end > maxFile {
		return syscall.EFBIG
	}
	if end <= int64(len(c.buf)) {
		return 0
	}
	if !c.window && end <= maxSmall {
		n := max(end, min(int64(2*len(c.buf)), maxSmall))
		if err := fs.budget.take(n - c.paid); err != 0 {
			return err
		}
		c.paid = n
		buf := make([]byte, n)
		copy(buf, c.buf)
		c.buf = buf
		return 0
	}
	return c.moveToWindow(fs, end)
}

// moveToWindow makes buf a window that reaches end, with room to grow.
func (c *content) moveToWindow(fs *FS, end int64) sys.Errno {
	if c.window && end <= int64(len(c.buf)) {
		return 0
	}
	if c.maps > 0 {
		return syscall.ENOSPC // the window would have to move under a mapping
	}
	n := int64(minWindow)
	if end*windowRoom > n {
		n = 1 << bits.Len64(uint64(end*windowRoom-1))
	}
	w, err := fs.alloc.Reserve(int(n))
	if err != 0 {
		return syscall.ENOSPC
	}
	old := *c
	c.buf, c.window, c.charged, c.pages = w, true, make([]uint64, (n/pageSize+63)/64), 0
	if !old.window {
		used := min(old.size, int64(len(old.buf)))
		if err := c.charge(fs, 0, used); err != 0 {
			*c = old
			fs.alloc.Release(w)
			return err
		}
		copy(c.buf, old.buf[:used])
		fs.budget.give(old.paid)
		c.paid = 0
		return 0
	}
	copy(c.charged, old.charged)
	c.pages = old.pages
	for page := range int64(len(old.buf)) / pageSize {
		if c.isCharged(page) {
			copy(c.buf[page*pageSize:][:pageSize], old.buf[page*pageSize:])
		}
	}
	fs.alloc.Release(old.buf)
	return 0
}

func (c *content) isCharged(page int64) bool { return c.charged[page/64]>>(page%64)&1 != 0 }

// charge pays for the pages of [off, end) of a window.
func (c *content) charge(fs *FS, off, end int64) sys.Errno {
	if !c.window || end <= off {
		return 0
	}
	first, last := off/pageSize, (end-1)/pageSize
	need := int64(0)
	for p := first; p <= last; p++ {
		if !c.isCharged(p) {
			need++
		}
	}
	if need == 0 {
		return 0
	}
	if err := fs.budget.take(need * pageSize); err != 0 {
		return err
	}
	c.pages += need
	for p := first; p <= last; p++ {
		c.charged[p/64] |= 1 << (p % 64)
	}
	return 0
}

// discard zeroes [off, end) and gives whole pages back.
func (c *content) discard(fs *FS, off, end int64) {
	end = min(end, int64(len(c.buf)))
	if end <= off {
		return
	}
	if !c.window {
		clear(c.buf[off:end])
		return
	}
	first, last := (off+pageSize-1)/pageSize, end/pageSize
	zero := func(from, to int64) {
		if from < to && c.isCharged(from/pageSize) {
			clear(c.buf[from:to])
		}
	}
	if first > last { // inside one page
		zero(off, end)
		return
	}
	zero(off, first*pageSize)
	zero(last*pageSize, end)
	if first == last {
		return
	}
	given := int64(0)
	for p := first; p < last; p++ {
		if c.isCharged(p) {
			c.charged[p/64] &^= 1 << (p % 64)
			given++
		}
	}
	if given > 0 {
		fs.alloc.Discard(c.buf[first*pageSize : last*pageSize])
		c.pages -= given
		fs.budget.give(given * pageSize)
	}
}

// truncate sets the size.
func (c *content) truncate(fs *FS, size int64) sys.Errno {
	switch {
	case size < 0:
		return syscall.EINVAL
	case size > maxFile:
		return syscall.EFBIG
	case size < c.size:
		// To the end of the window: a mapping may have written past the end.
		c.discard(fs, size, int64(len(c.buf)))
	case size > c.size && c.maps > 0:
		if err := c.ensure(fs, size); err != 0 {
			return err
		}
		if err := c.charge(fs, c.size, size); err != 0 {
			return err
		}
	case size > maxSmall:
		if err := c.ensure(fs, size); err != 0 {
			return err
		}
	}
	c.size = size
	return 0
}

// next gives the first offset from off on, below size, that is data or a hole, and
// size if there is none. Holes are whole pages of a window; all of a small file is
// data.
func (c *content) next(off int64, data bool) int64 {
	if !c.window {
		if data {
			return off
		}
		return c.size
	}
	flip := uint64(0) // makes the bits of what is looked for ones
	if !data {
		flip = ^flip
	}
	for p := off / pageSize; p*pageSize < c.size; p = p/64*64 + 64 {
		if w := (c.charged[p/64] ^ flip) >> (p % 64); w != 0 {
			p += int64(bits.TrailingZeros64(w))
			return min(c.size, max(off, p*pageSize))
		}
	}
	return c.size
}

// blocks is the memory in use in units of 512 bytes.
func (c *content) blocks() int64 {
	if c.window {
		return c.pages * (pageSize / 512)
	}
	return (c.paid + 511) / 512
}

// free gives everything back.
func (c *content) free(fs *FS) {
	if c.window {
		fs.alloc.Release(c.buf)
		fs.budget.give(c.pages * pageSize)
	} else {
		fs.budget.give(c.paid)
	}
	*c = content{}
}
