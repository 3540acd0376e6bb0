package virtio

import (
	"fmt"
	"sync/atomic"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/virtio"
)

// Segment is one piece of memory in a chain, in device addresses.
type Segment struct {
	Addr  uint64
	Len   uint32
	Write bool // the device writes it; such segments come last
}

// Queue is a split virtqueue.
type Queue struct {
	mem    bus.DMA
	size   uint16
	avail  uintptr // offsets in mem
	used   uintptr
	notify bus.Registers // exactly this queue's 16 bits
	index  uint16
	events bool // VIRTIO_F_EVENT_IDX

	free     uint16 // head of the free list
	nfree    int
	next     []uint16 // the driver's own copy of the chains
	chain    []uint16 // segments of the chain at this head; 0: not outstanding
	room     []uint32 // bytes that the device may write to it
	availIdx uint16   // next index to publish
	shown    uint16   // index published last
	usedIdx  uint16   // next used entry to take
	inFlight int      // chains

	fence atomic.Uint32
}

// NewQueue sets up queue number index with at most max entries, and assigns its
// MSI-X vector (spec.NoVector: none). It must come between Negotiate and Ready.
func (t *Transport) NewQueue(index, max, vector uint16) (*Queue, error) {
	fail := func(format string, args ...any) (*Queue, error) {
		return nil, fmt.Errorf("virtio: %s queue %d: %w", t.dev.Name(), index, fmt.Errorf(format, args...))
	}
	if index >= t.common.Read16(spec.NumQueues) {
		return fail("the device has only %d", t.common.Read16(spec.NumQueues))
	}
	t.common.Write16(spec.QueueSelect, index)
	size := t.common.Read16(spec.QueueSize)
	if size == 0 || size > spec.MaxQueueSize || size&(size-1) != 0 {
		return fail("impossible size %d", size)
	}
	if t.common.Read16(spec.QueueEnable) != 0 {
		return fail("is enabled already")
	}
	size = min(size, max)
	q := &Queue{size: size, index: index, events: t.Has(spec.FRingEventIdx)}
	n := uintptr(size)
	q.avail = n * spec.DescSize
	// The used ring needs 4-byte alignment; at 4 modulo 8 each entry can be read in
	// one access.
	q.used = (q.avail+spec.AvailRing+2*n+2+3)&^7 + 4
	off := uintptr(t.common.Read16(spec.QueueNotifyOff)) * uintptr(t.multiplier)
	if off+2 > t.notify.Size() || off%2 != 0 {
		return fail("notification at %#x of %#x", off, t.notify.Size())
	}
	q.notify = bus.Window(t.notify, off, 2)

	var err error
	if q.mem, err = t.dev.AllocDMA(int(q.used+spec.UsedRing+spec.UsedElemSize*n+2), false); err != nil {
		return fail("%w", err)
	}
	t.common.Write16(spec.QueueSize, size)
	t.common.Write16(spec.QueueMSIXVector, vector)
	if vector != spec.NoVector && t.common.Read16(spec.QueueMSIXVector) != vector {
		q.Free()
		return fail("does not take vector %d", vector)
	}
	t.address(spec.QueueDesc, q.mem.Addr())
	t.address(spec.QueueDriver, q.mem.Addr()+uint64(q.avail))
	t.address(spec.QueueDevice, q.mem.Addr()+uint64(q.used))
	t.common.Write16(spec.QueueEnable, 1)

	q.next = make([]uint16, size)
	q.chain = make([]uint16, size)
	q.room = make([]uint32, size)
	for i := range q.next {
		q.next[i] = uint16(i) + 1
	}
	q.nfree = int(size)
	return q, nil
}

func (t *Transport) address(reg uintptr, a uint64) {
	t.common.Write32(reg, uint32(a))
	t.common.Write32(reg+4, uint32(a>>32))
}

// Size is the number of descriptors.
func (q *Queue) Size() int { return int(q.size) }

// Room is the number of descriptors that are free.
func (q *Queue) Room() int { return q.nfree }

// Add puts a chain into the ring and gives the head that Take will return; ok is
// false if there is no room. The device sees it after Publish.
func (q *Queue) Add(segs []Segment) (head uint16, ok bool) {
	if len(segs) == 0 || len(segs) > q.nfree {
		return 0, false
	}
	head = q.free
	var room uint32
	at := head
	for i, s := range segs {
		d := uintptr(at) * spec.DescSize
		var flags uint64
		if s.Write {
			flags |= spec.DescFWrite
			room += s.Len
		}
		if i < len(segs)-1 {
			flags |= spec.DescFNext
		}
		q.mem.Write64(d+spec.DescAddr, s.Addr)
		q.mem.Write64(d+spec.DescLen, uint64(s.Len)|flags<<32|uint64(q.next[at])<<48)
		if i == len(segs)-1 {
			q.free = q.next[at]
		} else {
			at = q.next[at]
		}
	}
	q.nfree -= len(segs)
	q.chain[head], q.room[head] = uint16(len(segs)), room
	q.inFlight++
	q.mem.Write16(q.avail+spec.AvailRing+2*uintptr(q.availIdx&(q.size-1)), head)
	q.availIdx++
	return head, true
}

// Publish shows the device what was added and notifies it if it wants to know.
func (q *Queue) Publish() {
	if q.shown == q.availIdx {
		return
	}
	old := q.shown
	q.shown = q.availIdx
	q.mem.Write16(q.avail+spec.AvailIdx, q.availIdx)
	q.fence.Add(1) // LOCK XADD: the store above before the loads below
	if q.events {
		event := q.mem.Read16(q.used + spec.UsedRing + spec.UsedElemSize*uintptr(q.size))
		if q.availIdx-event-1 >= q.availIdx-old {
			return // vring_need_event, section 2.7.10
		}
	} else if q.mem.Read16(q.used+spec.UsedFlags)&spec.UsedFNoNotify != 0 {
		return
	}
	q.notify.Write16(0, q.index)
}

// Pending says whether the device has used something that Take has not seen.
func (q *Queue) Pending() bool { return q.mem.Read16(q.used+spec.UsedIdx) != q.usedIdx }

// Take gives the next chain that the device has used, with the number of bytes it
// says it wrote; never more than the chain can hold. ok is false if there is none.
func (q *Queue) Take() (head uint16, written uint32, ok bool, err error) {
	n := q.mem.Read16(q.used+spec.UsedIdx) - q.usedIdx
	if n == 0 {
		return 0, 0, false, nil
	}
	if int(n) > q.inFlight {
		return 0, 0, false, fmt.Errorf("%w: used index of queue %d jumped by %d with %d outstanding", ErrBroken, q.index, n, q.inFlight)
	}
	e := q.mem.Read64(q.used + spec.UsedRing + spec.UsedElemSize*uintptr(q.usedIdx&(q.size-1)))
	id, written := uint32(e), uint32(e>>32)
	if id >= uint32(q.size) || q.chain[id] == 0 {
		return 0, 0, false, fmt.Errorf("%w: queue %d used chain %d, which is not outstanding", ErrBroken, q.index, id)
	}
	head = uint16(id)
	if q.room[head] == 0 {
		written = 0 // devices are known to say something here
	}
	if written > q.room[head] {
		return 0, 0, false, fmt.Errorf("%w: queue %d wrote %d bytes to a chain of %d", ErrBroken, q.index, written, q.room[head])
	}
	q.usedIdx++
	q.inFlight--
	// Back to the free list, in one piece.
	last := head
	for range q.chain[head] - 1 {
		last = q.next[last]
	}
	q.next[last] = q.free
	q.free = head
	q.nfree += int(q.chain[head])
	q.chain[head] = 0
	return head, written, true, nil
}

// Arm asks for an interrupt at the next used chain, and says whether there is one
// already.
func (q *Queue) Arm() (pending bool) {
	if q.events {
		q.mem.Write16(q.avail+spec.AvailRing+2*uintptr(q.size), q.usedIdx)
	} else {
		q.mem.Write16(q.avail+spec.AvailFlags, 0)
	}
	q.fence.Add(1)
	return q.Pending()
}

// Disarm asks for no interrupts. With event indices that is so by itself once the
// event was passed. It may be called by any goroutine.
func (q *Queue) Disarm() {
	if !q.events {
		q.mem.Write16(q.avail+spec.AvailFlags, spec.AvailFNoInterrupt)
	}
}

// Free gives the ring's memory back; the device must have been reset.
func (q *Queue) Free() { q.mem.Free() }
