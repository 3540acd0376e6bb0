package vring

import (
	"fmt"

	spec "basalt/drivers/spec/virtio"
)

// Untake gives back the chain that Next gave last and that was not pushed, as if
// it had not been taken: the next Next gives it again. Several chains are untaken
// in the opposite order of Next. The error is ErrNotOut, ErrStopped or
// ErrNeedsReset.
func (q *Queue) Untake(c *Chain) error {
	if c.slots == 0 || c.owner != q || c.epoch != q.epoch {
		return ErrNotOut
	}
	if err := q.Err(); err != nil {
		return err
	}
	if q.packed {
		if q.avail < c.slots {
			q.avail += q.cfg.Size
			q.availWrap = !q.availWrap
		}
		q.avail -= c.slots
	} else {
		q.avail--
		q.heads[c.id/64] &^= 1 << (c.id % 64)
	}
	q.out -= uint32(c.slots)
	c.slots = 0
	return nil
}

// PushAll is Push for several chains that the driver must see all at once, in this
// order: written[i] bytes are new in chains[i]. Nothing is pushed if there is an
// error other than ErrNeedsReset. chains and written have the same length.
func (q *Queue) PushAll(chains []*Chain, written []uint32) error {
	for i, c := range chains {
		if c.slots == 0 || c.owner != q || c.epoch != q.epoch {
			return ErrNotOut
		}
		if uint64(written[i]) > c.WritableBytes() {
			return fmt.Errorf("vring: %d bytes into %d: %w", written[i], c.WritableBytes(), ErrTooMuch)
		}
	}
	if err := q.Err(); err != nil || len(chains) == 0 {
		return err
	}
	push := q.pushAllSplit
	if q.packed {
		push = q.pushAllPacked
	}
	if err := push(chains, written); err != nil {
		return err
	}
	for _, c := range chains {
		q.out -= uint32(c.slots)
		q.unsignalled = min(q.unsignalled+uint32(c.slots), 1<<16)
		c.slots = 0
	}
	return nil
}

// pushAllSplit writes all elements, then the index once (2.7.8.2).
func (q *Queue) pushAllSplit(chains []*Chain, written []uint32) error {
	m, size := q.cfg.Memory, q.cfg.Size
	for i, c := range chains {
		at := q.cfg.Device + spec.UsedRing + spec.UsedElemSize*uint64((q.used+uint16(i))&(size-1))
		if !m.PutUint64(at, uint64(c.id)|uint64(written[i])<<32) {
			return q.fail("the used ring cannot be written")
		}
	}
	if !m.PutUint16(q.cfg.Device+spec.UsedIdx, q.used+uint16(len(chains))) {
		return q.fail("the used ring cannot be written")
	}
	q.used += uint16(len(chains))
	for _, c := range chains {
		q.heads[c.id/64] &^= 1 << (c.id % 64)
	}
	return nil
}

// pushAllPacked makes the first descriptor used last: the driver does not look at
// the others before (2.8.1).
func (q *Queue) pushAllPacked(chains []*Chain, written []uint32) error {
	used, wrap := q.used, q.usedWrap
	q.used, q.usedWrap = q.step(used, wrap, chains[0].slots)
	for i, c := range chains[1:] {
		if err := q.pushPacked(c, written[i+1]); err != nil {
			return err
		}
	}
	end, endWrap := q.used, q.usedWrap
	q.used, q.usedWrap = used, wrap
	if err := q.pushPacked(chains[0], written[0]); err != nil {
		return err
	}
	if len(chains) > 1 {
		q.used, q.usedWrap = end, endWrap
	}
	return nil
}
