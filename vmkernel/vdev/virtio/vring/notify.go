package vring

import spec "basalt/drivers/spec/virtio"

// barrier makes what was stored visible before anything is loaded after it. x86
// may do a load before an older store; both suppression protocols (2.7.7, 2.7.10,
// 2.8.10) need the store first on both sides, or each side could miss what the
// other did. The atomic addition is a LOCK XADD, a full barrier.
func (q *Queue) barrier() { q.fence.Add(1) }

// NeedInterrupt says whether the driver wants to be told of what was pushed since
// the last call. Call it after a batch of Push. False with an error when the
// queue is broken or stopped.
func (q *Queue) NeedInterrupt() (bool, error) {
	if err := q.Err(); err != nil {
		return false, err
	}
	n := q.unsignalled
	q.unsignalled = 0
	if n == 0 {
		return false, nil
	}
	q.barrier()
	if q.packed {
		return q.needPacked(n)
	}
	m := q.cfg.Memory
	if !q.events { // 2.7.7.2
		flags, ok := m.Uint16(q.cfg.Driver + spec.AvailFlags)
		if !ok {
			return false, q.fail("the available ring is gone")
		}
		return flags&spec.AvailFNoInterrupt == 0, nil
	}
	event, ok := m.Uint16(q.cfg.Driver + spec.AvailRing + 2*uint64(q.cfg.Size))
	if !ok {
		return false, q.fail("the available ring is gone")
	}
	// The entry at used_event is one of the last n.
	return uint32(q.used-1-event) < n, nil
}

// EnableNotify asks the driver to notify the device of the next chain. pending
// says that there is one already, for which no notification may come: the device
// then goes on with Next instead of waiting.
func (q *Queue) EnableNotify() (pending bool, err error) {
	if err := q.Err(); err != nil {
		return false, err
	}
	if q.packed {
		return q.enablePacked()
	}
	if q.avail != q.seen { // read before and not taken yet
		return true, nil
	}
	ok := false
	if q.events { // 2.7.10.2: flags stays 0
		ok = q.cfg.Memory.PutUint16(q.cfg.Device+spec.UsedRing+spec.UsedElemSize*uint64(q.cfg.Size), q.avail)
	} else {
		ok = q.cfg.Memory.PutUint16(q.cfg.Device+spec.UsedFlags, 0)
	}
	if !ok {
		return false, q.fail("the used ring cannot be written")
	}
	q.barrier()
	idx, err := q.availIndex()
	return err == nil && idx != q.avail, err
}

// DisableNotify tells the driver that notifications are not needed. It is a hint:
// they may still come. With event indices a split queue needs nothing: the event
// that was asked for lies behind once it happened.
func (q *Queue) DisableNotify() error {
	if err := q.Err(); err != nil {
		return err
	}
	switch {
	case q.packed:
		return q.disablePacked()
	case q.events:
		return nil
	case !q.cfg.Memory.PutUint16(q.cfg.Device+spec.UsedFlags, spec.UsedFNoNotify):
		return q.fail("the used ring cannot be written")
	}
	return nil
}
