package net

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vswitch"
)

// receiver is one receive queue's state; who entered the queue has it.
type receiver struct {
	d       *Device
	chains  []*vring.Chain // used again
	written []uint32
}

// Deliver implements vswitch.Receiver. With one pair of queues it returns how many
// frames, from the first on, the guest had buffers for. With several it takes all
// and counts itself what it has to drop.
func (d *Device) Deliver(batch []vswitch.Frame) int {
	pairs := int(d.active.Load())
	if pairs == 1 {
		return d.deliver(0, batch)
	}
	for rest := batch; len(rest) > 0; {
		i, n := d.steer.queue(rest[0].Head, pairs), 1
		for n < len(rest) && d.steer.queue(rest[n].Head, pairs) == i {
			n++
		}
		if lost := rest[d.deliver(i, rest[:n]):n]; len(lost) > 0 {
			d.drop(lost)
		}
		rest = rest[n:]
	}
	return len(batch)
}

// drop counts frames that the port takes for delivered.
func (d *Device) drop(lost []vswitch.Frame) {
	bytes := 0
	for i := range lost {
		bytes += lost[i].Size
	}
	d.dropped.Add(uint64(len(lost)))
	d.lost.Add(uint64(bytes))
}

// deliver fills the buffers of receive queue i.
func (d *Device) deliver(i int, batch []vswitch.Frame) int {
	q := d.Queue(2 * i)
	if !q.Enter() {
		d.refused.Add(uint64(len(batch)))
		return 0
	}
	defer q.Leave()
	for n := range batch {
		if !d.rx[i].frame(q, &batch[n]) {
			return n
		}
	}
	return len(batch)
}

// frame copies one frame into the guest; false: there are not enough buffers.
func (r *receiver) frame(q *virtio.Queue, f *vswitch.Frame) bool {
	need, room, n := uint64(spec.NetHeaderSize+f.Size), uint64(0), 0
	limit := 1
	if q.Has(spec.NetFMrgRxBuf) {
		limit = q.Size()
	}
	for room < need && n < limit {
		if n == len(r.chains) {
			r.chains, r.written = append(r.chains, new(vring.Chain)), append(r.written, 0)
		}
		c := r.chains[n]
		if !q.Next(c) {
			break
		}
		n++
		// The header must fit the first buffer (5.1.6.3.1).
		if len(c.Readable()) > 0 || c.WritableBytes() < spec.NetHeaderSize && n == 1 {
			q.Breach("a receive buffer of %d bytes with %d readable ones", c.WritableBytes(), len(c.Readable()))
			break
		}
		room += c.WritableBytes()
	}
	if room < need || !r.fill(q, f, n) {
		for n > 0 {
			n--
			q.Untake(r.chains[n])
		}
		return false
	}
	q.PushAll(r.chains[:n], r.written[:n])
	return true
}

// fill writes header and frame into the first n chains, which have the room.
func (r *receiver) fill(q *virtio.Queue, f *vswitch.Frame, n int) bool {
	var h [spec.NetHeaderSize]byte
	header(&h, f, n)
	m, head, cur, left := q.Memory(), h[:], f.Cursor(), f.Size
	for i, c := range r.chains[:n] {
		r.written[i] = 0
		for _, s := range c.Writable() {
			addr, size := s.Addr, int(s.Len)
			for size > 0 && len(head)+left > 0 {
				p := head[:min(len(head), size)]
				if len(p) > 0 {
					head = head[len(p):]
				} else if p = cur.Piece(min(size, left)); len(p) == 0 {
					return false
				} else {
					left -= len(p)
				}
				if m.Write(addr, p) != nil { // no memory for it on the host
					return false
				}
				addr, size = addr+uint64(len(p)), size-len(p)
				r.written[i] += uint32(len(p))
			}
		}
	}
	return len(head)+left == 0
}

// header makes the header of a frame in n merged buffers (5.1.6.4).
func header(h *[spec.NetHeaderSize]byte, f *vswitch.Frame, n int) {
	le := binary.LittleEndian
	le.PutUint16(h[spec.NetHeaderNumBuffers:], uint16(n))
	if !f.Partial {
		return
	}
	h[spec.NetHeaderFlags] = spec.NetHdrFNeedsCSum
	le.PutUint16(h[spec.NetHeaderCSumStart:], f.CSumStart)
	le.PutUint16(h[spec.NetHeaderCSumOffset:], f.CSumOffset)
	switch f.GSO {
	case vswitch.GSOTCP4:
		h[spec.NetHeaderGSOType] = spec.NetHdrGSOTCPv4
	case vswitch.GSOTCP6:
		h[spec.NetHeaderGSOType] = spec.NetHdrGSOTCPv6
	default:
		return
	}
	if f.ECN {
		h[spec.NetHeaderGSOType] |= spec.NetHdrGSOECN
	}
	le.PutUint16(h[spec.NetHeaderGSOSize:], f.GSOSize)
	le.PutUint16(h[spec.NetHeaderHdrLen:], f.HdrLen)
}
