package blk

import (
	"encoding/binary"
	"errors"

	"basalt/drivers/blockio"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// request is one request of the guest, 5.2.6. It is at its queue's disposal, but
// for the time from Submit until it is on the queue's list of what is done.
type request struct {
	q     *queue
	v     *virtio.Queue // where Done rings
	next  *request      // in the list of free ones, or of done ones
	chain vring.Chain
	io    blockio.Request // one at a time

	header  [spec.BlkReqSize]byte
	kind    uint32
	stable  bool   // the write has to be durable
	flush   bool   // by a flush after it
	written uint32 // from the start of the writable part
	moved   uint64 // bytes of data of a read or write

	// Read and write.
	segs    []vring.Segment // where the next byte is: seg and off
	seg     int
	off     uint64
	disk    int64 // where it is on the disk, bytes
	left    int64 // bytes
	windows []gmem.Window
	pinned  int // of windows
	bufs    [][]byte

	// Discard and write zeroes.
	ranges [maxRanges * spec.BlkRangeSize]byte
	todo   []byte // of ranges
}

// begin looks at a chain that was just taken. Everything is copied before it is
// checked.
func (r *request) begin() {
	c, d := &r.chain, r.q.d
	r.written, r.stable, r.flush, r.left, r.todo = 0, false, false, 0, nil
	r.kind, r.moved = noKind, 0
	r.q.counters.inFlight.Add(1)
	if c.ReadableBytes() < spec.BlkReqSize || c.WritableBytes() < spec.BlkStatusSize {
		r.q.v.Breach("a request of %d readable and %d writable bytes", c.ReadableBytes(), c.WritableBytes())
		r.q.counters.count(noKind, spec.BlkSIOErr, 0)
		r.q.v.Push(c, 0)
		r.q.put(r)
		return
	}
	if gather(r.q.v.Memory(), c.Readable(), 0, r.header[:]) != nil {
		r.finish(spec.BlkSIOErr)
		return
	}
	r.kind = binary.LittleEndian.Uint32(r.header[spec.BlkReqType:])
	sector := binary.LittleEndian.Uint64(r.header[spec.BlkReqSector:])
	data := int64(c.WritableBytes()) - spec.BlkStatusSize
	switch r.kind {
	case spec.BlkTIn:
		r.transfer(blockio.Read, c.Writable(), 0, sector, data)
	case spec.BlkTOut:
		if d.readOnly { // 5.2.6.2
			r.finish(spec.BlkSIOErr)
			return
		}
		r.write()
		r.transfer(blockio.Write, c.Readable(), spec.BlkReqSize, sector, int64(c.ReadableBytes())-spec.BlkReqSize)
	case spec.BlkTFlush:
		r.issue(blockio.Flush, 0, 0)
	case spec.BlkTGetID:
		if data != spec.BlkIDSize || scatter(r.q.v.Memory(), c.Writable(), d.serial[:]) != nil {
			r.finish(spec.BlkSIOErr)
			return
		}
		r.written = spec.BlkIDSize
		r.finish(spec.BlkSOK)
	case spec.BlkTDiscard:
		r.beginRanges(spec.BlkFDiscard, d.info.MaxDiscard, 0)
	case spec.BlkTWriteZeroes:
		r.write()
		r.beginRanges(spec.BlkFWriteZeroes, d.info.MaxWriteZeroes, spec.BlkRangeFUnmap)
	default:
		r.finish(spec.BlkSUnsupp)
	}
}

// write decides how the write becomes stable, when it is submitted (5.2.6.2).
func (r *request) write() {
	info := &r.q.d.info
	r.stable = info.WriteCache && r.q.d.through(r.q.v)
	r.flush = r.stable && !info.CanFUA
}

// issue gives one operation to the disk. step is called when it is done.
func (r *request) issue(op blockio.Op, offset, length int64) {
	r.io.Op, r.io.Offset, r.io.Length, r.io.Bufs = op, offset, length, nil
	r.io.FUA = r.stable && !r.flush && (op == blockio.Write || op == blockio.WriteZeroes)
	if op == blockio.Read || op == blockio.Write {
		r.io.Bufs = r.bufs
	}
	r.q.issue(&r.io)
}

// step goes on after an operation of the disk.
func (r *request) step() {
	r.unpin()
	if err := r.io.Err; err != nil {
		if errors.Is(err, blockio.ErrNotSupported) {
			r.finish(spec.BlkSUnsupp)
		} else {
			r.finish(spec.BlkSIOErr)
		}
		return
	}
	if r.io.Op == blockio.Read {
		r.written += uint32(r.io.Length)
	}
	if r.q.v.Ending() && (r.left > 0 || len(r.todo) > 0 || r.flush) {
		// Nobody waits for the rest, and the machine's end waits for this.
		r.finish(spec.BlkSIOErr)
		return
	}
	r.proceed()
}

// proceed does what is next: more data, another range, the flush, the end.
func (r *request) proceed() {
	switch {
	case r.left > 0:
		r.round()
	case len(r.todo) > 0:
		r.nextRange()
	case r.flush:
		r.flush, r.stable = false, false
		r.issue(blockio.Flush, 0, 0)
	default:
		r.finish(spec.BlkSOK)
	}
}

// finish writes the status into the last writable byte and gives the chain back.
// The status counts as written only if all before it was.
func (r *request) finish(status uint8) {
	c := &r.chain
	r.q.counters.count(r.kind, status, r.moved)
	last := c.Writable()[len(c.Writable())-1]
	m := r.q.v.Memory()
	if !m.PutUint8(last.Addr+uint64(last.Len)-1, status) {
		r.q.v.Breach("the status byte at %#x cannot be written", last.Addr+uint64(last.Len)-1)
	}
	if uint64(r.written) == c.WritableBytes()-spec.BlkStatusSize {
		r.written++
	}
	r.q.v.Push(c, r.written)
	r.io.Bufs = nil
	r.q.put(r)
}
