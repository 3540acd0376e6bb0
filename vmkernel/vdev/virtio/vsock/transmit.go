package vsock

import (
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

// take takes what the guest sends.
func (m *model) take(q *virtio.Queue) (wants bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if len(m.replies) == cap(m.replies) {
			m.held = true // send rings
			return false
		}
		if !q.Next(&m.tx) {
			return true
		}
		ok := m.packet(q)
		q.Push(&m.tx, 0)
		if !ok {
			return false
		}
	}
}

// packet looks at one packet, in m.tx. m.mu is held, and there is room for a reply.
func (m *model) packet(q *virtio.Queue) (ok bool) {
	c := &m.tx
	if len(c.Writable()) > 0 || c.ReadableBytes() < spec.VsockHdrSize {
		q.Breach("a packet of %d bytes with %d writable buffers", c.ReadableBytes(), len(c.Writable()))
		return false
	}
	var b [spec.VsockHdrSize]byte
	if gather(q.Memory(), c.Readable(), 0, b[:]) != nil {
		q.Breach("a header cannot be read")
		return false
	}
	h := parse(&b)
	if uint64(h.size) > c.ReadableBytes()-spec.VsockHdrSize {
		q.Breach("a packet says %d bytes and has %d", h.size, c.ReadableBytes()-spec.VsockHdrSize)
		return false
	}
	if h.srcCID != uint64(m.cid) { // 5.10.6.4.1: nobody else sends here
		return true
	}
	conn := m.conns[key{h.srcPort, h.dstPort}]
	switch {
	case h.dstCID != spec.VsockCIDHost || h.kind != spec.VsockTypeStream: // 5.10.6.4.2
		m.refuse(&h)
	case conn != nil:
		return conn.packet(q, &h)
	case h.op == spec.VsockOpRequest:
		m.request(&h)
	default:
		m.refuse(&h)
	}
	return true
}

// refuse answers with a reset; a reset is not answered.
func (m *model) refuse(h *header) {
	if h.op != spec.VsockOpRst {
		m.queueReply(reply{h.dstCID, h.dstPort, h.srcPort, h.kind})
	}
}

// queueReply queues a reset. What finds no room is lost: the guest learns it with
// its next packet.
func (m *model) queueReply(r reply) {
	if len(m.replies) < cap(m.replies) {
		m.replies = append(m.replies, r)
		m.sendReady()
	}
}

// request is a connection that the guest opens (5.10.6.5).
func (m *model) request(h *header) {
	serve := m.services[h.dstPort]
	if serve == nil || len(m.conns) >= MaxConns || m.serving >= MaxConns || m.closed {
		m.refuse(h)
		return
	}
	c := m.newConn(key{h.srcPort, h.dstPort})
	c.open, c.peerAlloc, c.peerFwd = true, h.alloc, h.forwarded
	c.say(sayResponse)
	m.serving++
	go func() {
		serve(c)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.serving--
	}()
}

// packet is a packet of a connection.
func (c *Conn) packet(q *virtio.Queue, h *header) (ok bool) {
	c.peerAlloc, c.peerFwd = h.alloc, h.forwarded
	defer c.wake()
	switch h.op {
	case spec.VsockOpResponse:
		if c.open || c.todo&sayRequest != 0 {
			c.reset(ErrReset)
			return true
		}
		c.open = true
		c.cond.Broadcast()
	case spec.VsockOpRst:
		c.end(ErrReset)
	case spec.VsockOpShutdown:
		c.noMore = c.noMore || h.flags&spec.VsockShutdownSend != 0
		c.deaf = c.deaf || h.flags&spec.VsockShutdownRcv != 0
		c.cond.Broadcast()
		if c.noMore && c.deaf { // the answer to a full one is a reset
			c.reset(ErrReset)
		}
	case spec.VsockOpRW:
		if !c.open || c.noMore || int64(h.size) > int64(c.in.free()) {
			c.reset(ErrReset) // more than it may send
			return true
		}
		return c.data(q, int(h.size))
	case spec.VsockOpCreditUpdate:
	case spec.VsockOpCreditRequest:
		c.say(sayCredit)
	default:
		c.reset(ErrReset)
	}
	return true
}

// data copies a payload of n bytes, for which there is room. Nobody reads what is for
// a closed end: it only counts.
func (c *Conn) data(q *virtio.Queue, n int) (ok bool) {
	if c.closed {
		c.fwd += uint32(n)
		if c.fwd-c.told >= Buffer/2 {
			c.say(sayCredit)
		}
		return true
	}
	for at := uint64(spec.VsockHdrSize); n > 0; {
		p := c.in.room(n)
		if gather(q.Memory(), c.m.tx.Readable(), at, p) != nil {
			q.Breach("a payload cannot be read")
			return false
		}
		c.in.grow(len(p))
		at, n = at+uint64(len(p)), n-len(p)
	}
	c.cond.Broadcast()
	return true
}
