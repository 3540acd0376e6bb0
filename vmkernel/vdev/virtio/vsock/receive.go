package vsock

import (
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

// send gives the guest what there is for it, one packet in a buffer.
func (m *model) send(q *virtio.Queue) (wants bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.replies) > 0 || len(m.ready) > 0 {
		if !q.Next(&m.rx) {
			return true
		}
		if len(m.rx.Readable()) > 0 || m.rx.WritableBytes() < spec.VsockHdrSize {
			q.Breach("a receive buffer of %d bytes with %d readable ones", m.rx.WritableBytes(), len(m.rx.Readable()))
			q.Push(&m.rx, 0)
			return false
		}
		n, ok := m.fill(q)
		if n == 0 && ok {
			q.Untake(&m.rx) // the connection's work was done otherwise
			continue
		}
		q.Push(&m.rx, n)
		if !ok {
			return false
		}
	}
	return false // who has something rings
}

// fill makes one packet in m.rx: resets come first, then connections take turns.
func (m *model) fill(q *virtio.Queue) (written uint32, ok bool) {
	if len(m.replies) > 0 {
		r := m.replies[0]
		m.replies = m.replies[:copy(m.replies, m.replies[1:])]
		if m.held {
			m.held = false
			m.takeMore()
		}
		return m.put(q, &header{srcCID: r.cid, srcPort: r.srcPort, dstPort: r.dstPort, kind: r.kind, op: spec.VsockOpRst}, nil)
	}
	c := m.ready[0]
	m.ready = m.ready[:copy(m.ready, m.ready[1:])]
	c.queued = false
	defer c.wake() // it has its next turn behind the others
	if !c.works() {
		return 0, true
	}
	h := header{srcCID: spec.VsockCIDHost, srcPort: c.key.host, dstPort: c.key.guest, kind: spec.VsockTypeStream,
		alloc: Buffer, forwarded: c.fwd}
	c.told = c.fwd // with every packet
	switch {
	case c.todo&sayRequest != 0:
		c.todo &^= sayRequest
		h.op = spec.VsockOpRequest
	case c.todo&sayResponse != 0:
		c.todo &^= sayResponse
		h.op = spec.VsockOpResponse
	case c.open && c.out.len > 0 && c.credit() > 0:
		c.todo &^= sayCredit
		h.op = spec.VsockOpRW
		return m.put(q, &h, c)
	case c.todo&sayCredit != 0:
		c.todo &^= sayCredit
		h.op = spec.VsockOpCreditUpdate
	default:
		c.todo &^= sayShutdown
		h.op, h.flags = spec.VsockOpShutdown, spec.VsockShutdownSend
		if c.closed {
			h.flags |= spec.VsockShutdownRcv
		}
	}
	return m.put(q, &h, nil)
}

// put writes a packet, with data of c if that is not nil.
func (m *model) put(q *virtio.Queue, h *header, c *Conn) (written uint32, ok bool) {
	h.dstCID = uint64(m.cid)
	if c != nil {
		h.size = uint32(min(uint64(c.out.len), uint64(c.credit()), m.rx.WritableBytes()-spec.VsockHdrSize))
	}
	var b [spec.VsockHdrSize]byte
	h.put(&b)
	err := scatter(q.Memory(), m.rx.Writable(), 0, b[:])
	at := uint64(spec.VsockHdrSize)
	for left := int(h.size); err == nil && left > 0; {
		p := c.out.piece(left)
		if err = scatter(q.Memory(), m.rx.Writable(), at, p); err == nil {
			c.out.shrink(len(p))
			at, left = at+uint64(len(p)), left-len(p)
		}
	}
	if err != nil {
		q.Breach("a receive buffer cannot be written")
		return 0, false
	}
	if c != nil {
		c.sent += h.size
		c.cond.Broadcast()
	}
	return uint32(at), true
}
