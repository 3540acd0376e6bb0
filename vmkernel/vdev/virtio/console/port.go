package console

import (
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

const (
	maxOut = 64 << 10 // bytes of output that wait for the backend
	maxIn  = 4096     // bytes of input that wait for the guest
)

// port is one port.
type port struct {
	Port
	id int
	m  *model

	// Control; m.mu.
	ready, guestOpen, hostOpen bool
	todo                       uint8

	// The receiveq's goroutine.
	rx   vring.Chain
	inb  [maxIn]byte
	have []byte // of inb

	// The transmitq's goroutine.
	tx   vring.Chain
	out  bool   // tx is out: more of it than fits
	off  uint64 // where it goes on
	outb []byte // made at the first use
	left []byte // of outb, not taken yet
}

// open says whether data may go to the guest.
func (p *port) open() bool {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.m.negotiated>>spec.ConsoleFMultiport&1 == 0 {
		return p.id == 0
	}
	return p.guestOpen
}

// receive gives input to the guest.
func (p *port) receive(q *virtio.Queue) (wants bool) {
	for {
		if len(p.have) == 0 {
			if !p.open() {
				return false
			}
			n := p.Backend.Receive(p.inb[:])
			if n <= 0 {
				return false // InputReady rings
			}
			p.have = p.inb[:min(n, maxIn)]
		}
		if !q.Next(&p.rx) {
			return true
		}
		if len(p.rx.Readable()) > 0 { // 5.3.6.1
			q.Breach("a readable buffer in a receiveq")
			q.Push(&p.rx, 0)
			return false
		}
		n := fill(q, &p.rx, p.have)
		p.have = p.have[n:]
		q.Push(&p.rx, uint32(n))
	}
}

// fill writes what fits to the start of a chain.
func fill(q *virtio.Queue, c *vring.Chain, b []byte) (n int) {
	for _, s := range c.Writable() {
		part := min(len(b)-n, int(s.Len))
		if part == 0 {
			break
		}
		if q.Memory().Write(s.Addr, b[n:n+part]) != nil {
			q.Breach("the buffer at %#x cannot be written", s.Addr)
			break
		}
		n += part
	}
	return n
}

// transmit takes output from the guest.
func (p *port) transmit(q *virtio.Queue) (wants bool) {
	for {
		if q.Ending() && p.out { // nobody waits for the rest
			p.out = false
			q.Push(&p.tx, 0)
		}
		if !p.drain() {
			return false // OutputReady rings
		}
		if !p.out {
			if !q.Next(&p.tx) {
				return true
			}
			if len(p.tx.Writable()) > 0 { // 5.3.6.1
				q.Breach("a writable buffer in a transmitq")
				q.Push(&p.tx, 0)
				return false
			}
			p.out, p.off = true, 0
		}
		p.copyOut(q)
	}
}

// drain gives what waits to the backend. done says that it took all.
func (p *port) drain() (done bool) {
	for len(p.left) > 0 {
		n, err := p.Backend.Write(p.left)
		if err != nil {
			p.left = nil
			break
		}
		if n <= 0 {
			return false
		}
		p.left = p.left[min(n, len(p.left)):]
	}
	return true
}

// copyOut copies as much of tx as there is room for, which is all of the room, and
// gives tx back at its end.
func (p *port) copyOut(q *virtio.Queue) {
	if p.outb == nil {
		p.outb = make([]byte, maxOut)
	}
	n := min(p.tx.ReadableBytes()-p.off, maxOut)
	if err := gather(q, &p.tx, p.off, p.outb[:n]); err != nil {
		q.Breach("a buffer cannot be read: %v", err)
		n = 0
		p.off = p.tx.ReadableBytes()
	}
	p.left = p.outb[:n]
	if p.off += n; p.off >= p.tx.ReadableBytes() {
		p.out = false
		q.Push(&p.tx, 0)
	}
}

// gather copies len(b) readable bytes of a chain after skip; the caller knows that
// they are there.
func gather(q *virtio.Queue, c *vring.Chain, skip uint64, b []byte) error {
	for _, s := range c.Readable() {
		if len(b) == 0 {
			break
		}
		if skip >= uint64(s.Len) {
			skip -= uint64(s.Len)
			continue
		}
		n := min(uint64(len(b)), uint64(s.Len)-skip)
		if err := q.Memory().Read(s.Addr+skip, b[:n]); err != nil {
			return err
		}
		b, skip = b[n:], 0
	}
	return nil
}
