package vsock

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	spec "basalt/drivers/spec/virtio"
)

// What a connection has to say, one packet each.
const (
	sayRequest uint8 = 1 << iota
	sayResponse
	sayCredit
	sayShutdown // after the data
)

// Conn is a connection with the guest. Its methods may be called from any goroutine,
// but one Read and one Write at a time. model.mu has all of it.
type Conn struct {
	m    *model
	key  key
	cond sync.Cond // something below changed

	open   bool  // both ends agree that there is a connection
	ended  bool  // it is in the table no more
	err    error // why, for who reads or writes
	todo   uint8
	queued bool // in model.ready
	closed bool // by Close
	linger *time.Timer

	in     ring
	fwd    uint32 // bytes that Read has taken, modulo 2^32
	told   uint32 // fwd as the guest knows it
	noMore bool   // the guest sends no more

	out       ring
	sent      uint32 // bytes sent to the guest, modulo 2^32
	peerAlloc uint32
	peerFwd   uint32
	deaf      bool // the guest receives no more
	wrEnd     bool // by CloseWrite or Close
}

// newConn puts a connection into the table. m.mu is held, and there is room.
func (m *model) newConn(k key) *Conn {
	c := &Conn{m: m, key: k}
	c.cond.L = &m.mu
	m.conns[k] = c
	return c
}

// Dial opens a connection to a port of the guest. It waits for the guest's answer.
// Errors: ErrReset if nobody listens there, ErrMany, ErrClosed, those of ctx.
func (d *Device) Dial(ctx context.Context, port uint32) (*Conn, error) {
	m := d.m
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrClosed
	case len(m.conns) >= MaxConns:
		return nil, ErrMany
	}
	k := key{port, m.next}
	for m.conns[k] != nil {
		m.next = firstPort + (m.next+1-firstPort)%firstPort
		k.host = m.next
	}
	m.next = firstPort + (m.next+1-firstPort)%firstPort
	c := m.newConn(k)
	c.say(sayRequest)
	defer context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		c.cond.Broadcast()
	})()
	for !c.open && c.err == nil {
		if ctx.Err() != nil {
			c.reset(context.Cause(ctx))
			break
		}
		c.cond.Wait()
	}
	if !c.open {
		return nil, c.err
	}
	return c, nil
}

// Port is the guest's port, and the host's.
func (c *Conn) Port() (guest, host uint32) { return c.key.guest, c.key.host }

// Read implements io.Reader: io.EOF when the guest has sent all.
func (c *Conn) Read(p []byte) (n int, err error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for c.in.len == 0 {
		switch {
		case len(p) == 0:
			return 0, nil
		case c.closed:
			return 0, ErrClosed
		case c.noMore:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.err
		}
		c.cond.Wait()
	}
	for n < len(p) && c.in.len > 0 {
		k := copy(p[n:], c.in.piece(len(p)-n))
		c.in.shrink(k)
		n += k
	}
	c.fwd += uint32(n)
	if c.fwd-c.told >= Buffer/2 {
		c.say(sayCredit)
	}
	return n, nil
}

// Write implements io.Writer. It returns when all is in the send buffer.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for {
		switch {
		case c.closed || c.wrEnd:
			return n, ErrClosed
		case c.err != nil:
			return n, c.err
		case c.deaf:
			return n, io.ErrClosedPipe
		case n == len(p):
			return n, nil
		}
		if c.out.free() == 0 {
			c.cond.Wait()
			continue
		}
		for n < len(p) && c.out.free() > 0 {
			k := copy(c.out.room(len(p)-n), p[n:])
			c.out.grow(k)
			n += k
		}
		c.wake()
	}
}

// CloseWrite tells the guest, after what was written, that there is no more.
func (c *Conn) CloseWrite() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.wrEnd = true
	c.say(sayShutdown)
	return nil
}

// Close ends the connection, after what was written. It returns at once.
func (c *Conn) Close() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed, c.wrEnd = true, true
	c.fwd += uint32(c.in.len) // nobody reads it any more
	c.in = ring{}
	c.cond.Broadcast()
	if c.ended {
		return nil
	}
	c.say(sayShutdown)
	c.linger = time.AfterFunc(Linger, func() {
		c.m.mu.Lock()
		defer c.m.mu.Unlock()
		c.reset(ErrClosed)
	})
	return nil
}

// say notes what the guest has to be told. m.mu is held.
func (c *Conn) say(bits uint8) {
	if !c.ended {
		c.todo |= bits
		c.wake()
	}
}

// wake lets the receiveq's goroutine look at the connection. m.mu is held.
func (c *Conn) wake() {
	if !c.queued && !c.ended && c.works() {
		c.queued = true
		c.m.ready = append(c.m.ready, c)
		c.m.sendReady()
	}
}

// works says whether there is a packet to send.
func (c *Conn) works() bool {
	return c.todo&^sayShutdown != 0 || c.open && c.out.len > 0 && c.credit() > 0 || c.todo&sayShutdown != 0 && c.open && c.out.len == 0
}

// credit is what the guest has room for, in bytes (5.10.6.3).
func (c *Conn) credit() uint32 {
	if c.deaf {
		return 0
	}
	if under := c.sent - c.peerFwd; under < c.peerAlloc {
		return c.peerAlloc - under
	}
	return 0
}

// reset ends the connection from this side: the guest is told. m.mu is held.
func (c *Conn) reset(err error) {
	if !c.ended {
		c.m.queueReply(reply{spec.VsockCIDHost, c.key.host, c.key.guest, spec.VsockTypeStream})
		c.end(err)
	}
}

// end forgets the connection; what the guest sent before can still be read. m.mu is
// held.
func (c *Conn) end(err error) {
	if c.ended {
		return
	}
	delete(c.m.conns, c.key)
	c.ended, c.todo, c.out = true, 0, ring{}
	if c.queued { // or a guest that opens and resets would make the list grow
		c.queued = false
		c.m.ready = slices.DeleteFunc(c.m.ready, func(o *Conn) bool { return o == c })
	}
	if c.err == nil {
		c.err = err
	}
	if c.linger != nil {
		c.linger.Stop()
	}
	c.cond.Broadcast()
}
