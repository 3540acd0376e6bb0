package vring

import spec "basalt/drivers/spec/virtio"

// available says whether flags mark a descriptor as available to somebody whose
// wrap counter is wrap (2.8.1): AVAIL is the counter, USED its inverse.
func available(flags uint16, wrap bool) bool {
	return flags&spec.DescFAvail != 0 == wrap && flags&spec.DescFUsed != 0 != wrap
}

// peek reads the flags of the next descriptor to take. It is the one location
// that a device has to poll (2.8.2).
func (q *Queue) peek() (flags uint16, ok bool, err error) {
	flags, ok = q.cfg.Memory.Uint16(q.cfg.Desc + spec.DescSize*uint64(q.avail) + spec.PackedFlags)
	if !ok {
		return 0, false, q.fail("the descriptor ring is gone")
	}
	return flags, available(flags, q.availWrap), nil
}

// step moves a ring position by n descriptors, n at most the size.
func (q *Queue) step(at uint16, wrap bool, n uint16) (uint16, bool) {
	if next := uint32(at) + uint32(n); next >= uint32(q.cfg.Size) {
		return uint16(next - uint32(q.cfg.Size)), !wrap
	}
	return at + n, wrap
}

func (q *Queue) nextPacked(c *Chain) (bool, error) {
	if q.out >= uint32(q.cfg.Size) { // every descriptor is out: none can be new
		return false, nil
	}
	// The flags first, the rest of the descriptor after it was seen to be
	// available (2.8.21); loads stay in program order, see split.go.
	flags, ok, err := q.peek()
	if err != nil || !ok {
		return false, err
	}
	d, err := q.readDesc(q.cfg.Desc, uint32(q.avail))
	if err != nil {
		return false, err
	}
	d.flags = flags // read once
	if c.id = d.extra; d.flags&spec.DescFIndirect != 0 {
		if err := q.walkTable(c, &d); err != nil {
			return false, err
		}
		c.slots = 1
		q.avail, q.availWrap = q.step(q.avail, q.availWrap, 1)
		return true, nil
	}
	at, wrap := q.avail, q.availWrap
	for n := uint16(1); ; n++ {
		if err := q.add(c, uint32(at), &d); err != nil {
			return false, err
		}
		at, wrap = q.step(at, wrap, 1)
		if d.flags&spec.DescFNext == 0 {
			c.id = d.extra // of the last one (2.8.6)
			c.slots = n
			break
		}
		if q.out+uint32(n) >= uint32(q.cfg.Size) { // 2.8.17
			return false, q.fail("a list of more than %d descriptors with %d of %d out", n, q.out, q.cfg.Size)
		}
		if d, err = q.readDesc(q.cfg.Desc, uint32(at)); err != nil {
			return false, err
		}
		if !available(d.flags, wrap) { // 2.8.15, 2.8.17
			return false, q.fail("descriptor %d continues a list and is not available: flags %#x", at, d.flags)
		}
		if d.flags&spec.DescFIndirect != 0 { // 2.8.19
			return false, q.fail("descriptor %d is indirect inside a list", at)
		}
	}
	q.avail, q.availWrap = at, wrap
	return true, nil
}

// walkTable takes the buffers of an indirect table, which stand one after
// another; only WRITE means something there (2.8.7).
func (q *Queue) walkTable(c *Chain, d *desc) error {
	n, err := q.table(c, uint32(q.avail), d)
	if err != nil {
		return err
	}
	for i := range n {
		e, err := q.readDesc(d.addr, i)
		if err != nil {
			return err
		}
		if err := q.add(c, i, &e); err != nil {
			return err
		}
	}
	return nil
}

// pushPacked overwrites the next descriptor of the ring: the flags last, because
// they make it used (2.8.1). USED and AVAIL are the device's wrap counter, WRITE
// says that the length counts (2.8.3, 2.8.4).
func (q *Queue) pushPacked(c *Chain, written uint32) error {
	m, at := q.cfg.Memory, q.cfg.Desc+spec.DescSize*uint64(q.used)
	var flags uint16
	if q.usedWrap {
		flags = spec.DescFAvail | spec.DescFUsed
	}
	if written != 0 {
		flags |= spec.DescFWrite
	}
	if !m.PutUint32(at+spec.DescLen, written) || !m.PutUint16(at+spec.PackedID, c.id) || !m.PutUint16(at+spec.PackedFlags, flags) {
		return q.fail("the descriptor ring cannot be written")
	}
	q.used, q.usedWrap = q.step(q.used, q.usedWrap, c.slots)
	return nil
}
