package vring

import spec "basalt/drivers/spec/virtio"

// Ordering, here and in the packed ring. The driver writes descriptors, then the
// ring entry, then the index, with barriers between (2.7.13.3.1); the device
// reads in the opposite order and writes its own entry before its own index
// (2.7.8.2). On x86 loads are not moved over loads nor stores over stores, and
// every accessor of gmem begins with an atomic load of the frame, over which the
// compiler moves nothing. So program order is enough there. Only a store that
// must be seen before a later load needs more: see barrier.

// availIndex reads the available index.
func (q *Queue) availIndex() (uint16, error) {
	idx, ok := q.cfg.Memory.Uint16(q.cfg.Driver + spec.AvailIdx)
	if !ok {
		return 0, q.fail("the available ring is gone")
	}
	return idx, nil
}

func (q *Queue) nextSplit(c *Chain) (bool, error) {
	size := q.cfg.Size
	if q.avail == q.seen {
		idx, err := q.availIndex()
		if err != nil || idx == q.avail {
			return false, err
		}
		// No more chains than descriptors can be out or waiting. That also catches
		// an index that went back (2.7.6.1).
		if n := idx - q.used; n > size || idx-q.avail > size {
			return false, q.fail("the available index went from %d to %d with %d chains out, more than the queue size %d", q.avail, idx, q.out, size)
		}
		q.seen = idx
	}
	head, ok := q.cfg.Memory.Uint16(q.cfg.Driver + spec.AvailRing + 2*uint64(q.avail&(size-1)))
	if !ok {
		return false, q.fail("the available ring is gone")
	}
	if head >= size {
		return false, q.fail("available entry %d names descriptor %d of %d", q.avail, head, size)
	}
	if q.heads[head/64]>>(head%64)&1 != 0 {
		return false, q.fail("chain %d was made available while it is out", head)
	}
	if err := q.walk(c, head); err != nil {
		return false, err
	}
	q.heads[head/64] |= 1 << (head % 64)
	q.avail++
	c.slots = 1
	return true, nil
}

// walk follows a chain: direct descriptors, then at most one indirect table
// (2.7.5.3.2). add ends it after as many buffers as the queue has descriptors.
func (q *Queue) walk(c *Chain, head uint16) error {
	c.id = head
	base, n, indirect := q.cfg.Desc, uint32(q.cfg.Size), false
	for i := uint32(head); ; {
		d, err := q.readDesc(base, i)
		if err != nil {
			return err
		}
		if d.flags&spec.DescFIndirect != 0 {
			if indirect { // 2.7.5.3.1: one table per descriptor
				return q.fail("descriptor %d in the indirect table of chain %d is indirect", i, head)
			}
			// WRITE is ignored here (2.7.5.3.2).
			if n, err = q.table(c, i, &d); err != nil {
				return err
			}
			base, i, indirect = d.addr, 0, true
			continue
		}
		if err := q.add(c, i, &d); err != nil {
			return err
		}
		if d.flags&spec.DescFNext == 0 {
			return nil
		}
		if i = uint32(d.extra); i >= n {
			return q.fail("chain %d goes on at descriptor %d of %d", head, i, n)
		}
	}
}

func (q *Queue) pushSplit(c *Chain, written uint32) error {
	m, size := q.cfg.Memory, q.cfg.Size
	at := q.cfg.Device + spec.UsedRing + spec.UsedElemSize*uint64(q.used&(size-1))
	// Length and identifier first, then the index (2.7.8.2).
	if !m.PutUint64(at, uint64(c.id)|uint64(written)<<32) || !m.PutUint16(q.cfg.Device+spec.UsedIdx, q.used+1) {
		return q.fail("the used ring cannot be written")
	}
	q.used++
	q.heads[c.id/64] &^= 1 << (c.id % 64)
	return nil
}
