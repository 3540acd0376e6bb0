package vring

import spec "basalt/drivers/spec/virtio"

// needPacked reads the driver's event suppression (2.8.10, 2.8.14) after n
// descriptors were used. Both halves come in one load, so they belong together.
func (q *Queue) needPacked(n uint32) (bool, error) {
	v, ok := q.cfg.Memory.Uint32(q.cfg.Driver)
	if !ok {
		return false, q.fail("the driver event suppression is gone")
	}
	where := uint16(v >> (8 * spec.EventDesc))
	switch uint16(v>>(8*spec.EventFlags)) & spec.EventFlagsMask {
	case spec.EventFDisable:
		return false, nil
	case spec.EventFDesc:
		if !q.events {
			return true, nil // not valid then: rather once too often
		}
	default: // enabled, or the reserved value
		return true, nil
	}
	// Count positions from the start of this lap; those of the one before are
	// negative. The last n are [used-n, used).
	size, used := int64(q.cfg.Size), int64(q.used)
	event := int64(where &^ spec.EventDescWrap)
	if event >= size {
		return true, nil // no such descriptor
	}
	if where&spec.EventDescWrap != 0 != q.usedWrap {
		event -= size
	}
	return event < used && event >= used-int64(n), nil
}

// enablePacked asks for a notification of the next descriptor, or of any without
// event indices. One store writes both halves.
func (q *Queue) enablePacked() (pending bool, err error) {
	v := uint32(spec.EventFEnable) << (8 * spec.EventFlags)
	if q.events {
		where := q.avail
		if q.availWrap {
			where |= spec.EventDescWrap
		}
		v = spec.EventFDesc<<(8*spec.EventFlags) | uint32(where)
	}
	if !q.cfg.Memory.PutUint32(q.cfg.Device, v) {
		return false, q.fail("the device event suppression cannot be written")
	}
	q.barrier()
	if q.out >= uint32(q.cfg.Size) {
		return false, nil
	}
	_, pending, err = q.peek()
	return pending, err
}

func (q *Queue) disablePacked() error {
	if !q.cfg.Memory.PutUint32(q.cfg.Device, spec.EventFDisable<<(8*spec.EventFlags)) {
		return q.fail("the device event suppression cannot be written")
	}
	return nil
}
