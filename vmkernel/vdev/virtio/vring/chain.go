package vring

import spec "basalt/drivers/spec/virtio"

// Segment is a piece of guest-physical memory, in bytes. It is never empty and
// was all guest memory when Next gave it.
type Segment struct {
	Addr uint64
	Len  uint32
}

// Chain is one buffer that the driver made available. The caller owns it and
// uses it again and again: it keeps its space, which grows to at most 16 bytes
// for each descriptor of the queue. The zero value is ready for use. Between
// Next and Push it must not be given to another Next.
type Chain struct {
	segs      []Segment
	nread     int    // the first nread are for reading
	id        uint16 // head of a split chain, buffer ID of a packed one
	slots     uint16 // ring slots that it takes; 0: not handed out
	epoch     uint32 // of the queue
	owner     *Queue
	readBytes uint64
	allBytes  uint64
}

// ID is the index of the head descriptor (split, 2.7.8) or the buffer ID
// (packed, 2.8): a name for log lines, unique among the chains of a split queue
// that are out, not always among those of a packed one.
func (c *Chain) ID() uint16 { return c.id }

// Readable are the segments that the device may read; it must not write them
// (2.7.5.1). Valid until the next use of the chain.
func (c *Chain) Readable() []Segment { return c.segs[:c.nread] }

// Writable are the segments that the device may write, in order.
func (c *Chain) Writable() []Segment { return c.segs[c.nread:] }

// ReadableBytes is the sum of the lengths of Readable, at most 2^32.
func (c *Chain) ReadableBytes() uint64 { return c.readBytes }

// WritableBytes is the sum of the lengths of Writable, at most 2^32.
func (c *Chain) WritableBytes() uint64 { return c.allBytes - c.readBytes }

func (c *Chain) clear() {
	c.segs, c.nread = c.segs[:0], 0
	c.id, c.slots, c.owner = 0, 0, nil
	c.readBytes, c.allBytes = 0, 0
}

// maxBytes is the limit of a chain, 2.7.5.2.
const maxBytes = 1 << 32

// add checks one descriptor's buffer and appends it. at is the descriptor's
// index, for the message.
func (q *Queue) add(c *Chain, at uint32, d *desc) error {
	if len(c.segs) >= int(q.cfg.Size) { // 2.7.5.3.1; this ends loops too
		return q.fail("chain %d is longer than the queue size %d or has a loop", c.id, q.cfg.Size)
	}
	if d.len == 0 {
		return q.fail("descriptor %d of chain %d has no length", at, c.id)
	}
	if c.allBytes += uint64(d.len); c.allBytes > maxBytes {
		return q.fail("chain %d is longer than 2^32 bytes", c.id)
	}
	if !q.cfg.Memory.Contains(d.addr, uint64(d.len)) {
		return q.fail("descriptor %d of chain %d: %#x size %#x is not guest memory", at, c.id, d.addr, d.len)
	}
	if d.flags&spec.DescFWrite == 0 {
		if c.nread != len(c.segs) { // 2.7.4.2
			return q.fail("descriptor %d of chain %d is readable and follows a writable one", at, c.id)
		}
		c.nread++
		c.readBytes += uint64(d.len)
	}
	c.segs = append(c.segs, Segment{d.addr, d.len})
	return nil
}

// table checks the buffer of an indirect descriptor and gives the number of
// descriptors in it.
func (q *Queue) table(c *Chain, at uint32, d *desc) (n uint32, err error) {
	switch {
	case !q.cfg.has(spec.FRingIndirectDesc): // 2.7.5.3.1
		return 0, q.fail("descriptor %d of chain %d is indirect, which was not negotiated", at, c.id)
	case d.flags&spec.DescFNext != 0: // 2.7.5.3.1
		return 0, q.fail("descriptor %d of chain %d has both INDIRECT and NEXT", at, c.id)
	case d.len == 0 || d.len%spec.DescSize != 0:
		return 0, q.fail("indirect table of chain %d has %d bytes, not a multiple of %d", c.id, d.len, spec.DescSize)
	case d.len/spec.DescSize > uint32(q.cfg.Size):
		return 0, q.fail("indirect table of chain %d has %d descriptors, more than the queue size %d", c.id, d.len/spec.DescSize, q.cfg.Size)
	case !q.cfg.Memory.Contains(d.addr, uint64(d.len)):
		return 0, q.fail("indirect table of chain %d: %#x size %#x is not guest memory", c.id, d.addr, d.len)
	}
	return d.len / spec.DescSize, nil
}
