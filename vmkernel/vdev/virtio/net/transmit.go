package net

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vswitch"
)

// transmitter is one transmit queue's state; its goroutine has it.
type transmitter struct {
	d       *Device
	pair    int
	send    *vswitch.Sender
	chains  [vswitch.Burst]vring.Chain
	packets [vswitch.Burst]vswitch.Packet
	windows []*gmem.Window // used again; the first n are pinned
	pinned  int
	pieces  [][]byte
}

// handle sends what the driver gave, a burst at a time.
func (t *transmitter) handle(q *virtio.Queue) {
	for {
		n, ready := 0, 0
		for n < len(t.chains) && q.Next(&t.chains[n]) {
			if t.packet(q, &t.chains[n], &t.packets[ready]) {
				ready++
			}
			n++
		}
		if n == 0 {
			return
		}
		if t.send != nil {
			t.send.Send(t.packets[:ready])
		}
		t.unpin()
		for i := range n {
			q.Push(&t.chains[i], 0)
		}
	}
}

// packet makes a packet of a chain; false: there is none to send.
func (t *transmitter) packet(q *virtio.Queue, c *vring.Chain, p *vswitch.Packet) bool {
	if len(c.Writable()) > 0 || c.ReadableBytes() < spec.NetHeaderSize {
		q.Breach("a packet of %d bytes with %d writable buffers", c.ReadableBytes(), len(c.Writable()))
		return false
	}
	if c.ReadableBytes() > spec.NetHeaderSize+vswitch.MaxGSO+4 {
		// Too long for any port. It is as if the wire had lost it.
		t.d.unsent.Add(1)
		return false
	}
	var h [spec.NetHeaderSize]byte
	m, n, at := q.Memory(), 0, len(t.pieces)
	for _, s := range c.Readable() {
		addr, size := s.Addr, uint64(s.Len)
		if n < len(h) {
			k := min(uint64(len(h)-n), size)
			if m.Read(addr, h[n:n+int(k)]) != nil {
				q.Breach("the header at %#x cannot be read", addr)
				return false
			}
			n += int(k)
			addr, size = addr+k, size-k
		}
		for size > 0 {
			k := min(size, gmem.FrameSize-addr%gmem.FrameSize)
			b := t.pin(m, addr, k)
			if b == nil {
				t.d.unsent.Add(1) // no memory for it on the host
				t.pieces = t.pieces[:at]
				return false
			}
			t.pieces = append(t.pieces, b)
			addr, size = addr+k, size-k
		}
	}
	if t.d.active.Load() > 1 {
		t.note(t.pieces[at:])
	}
	*p = vswitch.Packet{Data: t.pieces[at:len(t.pieces):len(t.pieces)], Offload: t.offload(&h)}
	return true
}

// steerHead is how much of a frame says which flow it belongs to.
const steerHead = 82 // a tag, IPv4 with all options, ports; or IPv6

// note tells the steering which flow was sent here. The guest may change the bytes
// before they are sent; then it misleads itself.
func (t *transmitter) note(pieces [][]byte) {
	var h [steerHead]byte
	n := 0
	for _, b := range pieces {
		n += copy(h[n:], b)
	}
	t.d.steer.sent(h[:n], t.pair)
}

// pin makes a piece of guest memory stay until unpin.
func (t *transmitter) pin(m *gmem.Memory, addr, n uint64) []byte {
	if t.pinned == len(t.windows) {
		t.windows = append(t.windows, new(gmem.Window))
	}
	w := t.windows[t.pinned]
	if m.PinInto(w, addr, n) != nil {
		return nil
	}
	t.pinned++
	return w.Bytes()
}

func (t *transmitter) unpin() {
	for _, w := range t.windows[:t.pinned] {
		w.Unpin()
	}
	t.pinned = 0
	clear(t.pieces)
	t.pieces = t.pieces[:0]
	clear(t.packets[:])
}

// impossible is a kind of segmentation that no switch does: it drops and counts.
const impossible = vswitch.GSO(0xff)

// offload translates the header (5.1.6.2) as far as it was negotiated.
func (t *transmitter) offload(h *[spec.NetHeaderSize]byte) (o vswitch.Offload) {
	le, d := binary.LittleEndian, t.d
	if h[spec.NetHeaderFlags]&spec.NetHdrFNeedsCSum != 0 {
		o.Partial = true
		o.CSumStart, o.CSumOffset = le.Uint16(h[spec.NetHeaderCSumStart:]), le.Uint16(h[spec.NetHeaderCSumOffset:])
		if !d.has(spec.NetFCSum) {
			o.GSO = impossible
		}
	}
	kind := h[spec.NetHeaderGSOType]
	o.GSOSize = le.Uint16(h[spec.NetHeaderGSOSize:])
	o.ECN = kind&spec.NetHdrGSOECN != 0
	switch kind &^ spec.NetHdrGSOECN {
	case spec.NetHdrGSONone:
		if o.ECN {
			o.GSO = impossible
		}
		o.GSOSize = 0
	case spec.NetHdrGSOTCPv4:
		o.GSO = choose(d.has(spec.NetFHostTSO4), vswitch.GSOTCP4)
	case spec.NetHdrGSOTCPv6:
		o.GSO = choose(d.has(spec.NetFHostTSO6), vswitch.GSOTCP6)
	default:
		o.GSO = impossible
	}
	if o.ECN && !d.has(spec.NetFHostECN) {
		o.GSO = impossible
	}
	return o
}

func choose(ok bool, k vswitch.GSO) vswitch.GSO {
	if ok {
		return k
	}
	return impossible
}
