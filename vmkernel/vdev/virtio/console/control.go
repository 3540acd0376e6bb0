package console

import (
	"encoding/binary"
	"math/bits"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

// What has to be said of a port, in this order.
const (
	sayAdd = 1 << iota
	sayConsole
	sayName
	sayOpen
	sayResize
	sayAll = 1<<iota - 1
)

// listen takes control messages of the driver, 5.3.6.2.
func (m *model) listen(q *virtio.Queue) (wants bool) {
	c := &m.heard
	for q.Next(c) {
		var b [spec.ConsoleControlSize]byte
		if len(c.Writable()) > 0 || c.ReadableBytes() < uint64(len(b)) || gather(q, c, 0, b[:]) != nil {
			q.Breach("a control message of %d bytes, %d writable", c.ReadableBytes(), c.WritableBytes())
			q.Push(c, 0)
			return false
		}
		id := binary.LittleEndian.Uint32(b[spec.ConsoleControlID:])
		event, value := binary.LittleEndian.Uint16(b[spec.ConsoleControlEvent:]), binary.LittleEndian.Uint16(b[spec.ConsoleControlValue:])
		if event != spec.ConsoleDeviceReady && id >= uint32(len(m.ports)) {
			q.Breach("control message %d for port %d", event, id)
			q.Push(c, 0)
			return false
		}
		m.hear(q, id, event, value)
		q.Push(c, 0)
	}
	return true
}

func (m *model) hear(q *virtio.Queue, id uint32, event, value uint16) {
	if event == spec.ConsoleDeviceReady {
		id = 0
	}
	p := m.ports[id]
	m.mu.Lock()
	opened := false
	switch event {
	case spec.ConsoleDeviceReady:
		if value == 1 && !m.ready {
			m.ready = true
			for _, p := range m.ports {
				p.todo |= sayAdd
			}
		}
	case spec.ConsolePortReady:
		// A port that was not added yet cannot be ready.
		if value == 1 && m.ready && p.todo&sayAdd == 0 && !p.ready {
			p.ready = true
			p.todo |= sayOpen
			if p.Console {
				p.todo |= sayConsole
			}
			if p.Name != "" {
				p.todo |= sayName
			}
		}
	case spec.ConsolePortOpen:
		opened = p.guestOpen != (value == 1)
		p.guestOpen = value == 1
	}
	m.mu.Unlock()
	m.say()
	if opened {
		if p.Opened != nil {
			p.Opened(value == 1)
		}
		q.Other(rxQueue(p.id)).Ring() // input may wait
	}
}

// tell says to the driver what has to be said, a message in each buffer.
func (m *model) tell(q *virtio.Queue) (wants bool) {
	var b [spec.ConsoleControlSize + MaxName]byte
	c := &m.told
	for {
		p, what := m.first()
		if p == nil {
			return false // hear, Resize and SetHostOpen ring
		}
		if !q.Next(c) {
			return true
		}
		if len(c.Readable()) > 0 || c.WritableBytes() < spec.ConsoleControlSize {
			q.Breach("a buffer of %d bytes for control messages, %d readable", c.WritableBytes(), c.ReadableBytes())
			q.Push(c, 0)
			return false
		}
		n := fill(q, c, b[:m.message(p, what, b[:])])
		q.Push(c, uint32(n))
	}
}

// first is the first thing to say.
func (m *model) first() (*port, uint8) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.ports {
		if p.todo != 0 {
			return p, 1 << bits.TrailingZeros8(p.todo)
		}
	}
	return nil, 0
}

// message writes a control message and ticks it off.
func (m *model) message(p *port, what uint8, b []byte) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.todo &^= what
	var event, value uint16
	n = spec.ConsoleControlSize
	switch what {
	case sayAdd:
		event = spec.ConsoleDeviceAdd
	case sayConsole:
		event, value = spec.ConsoleConsolePort, 1
	case sayName:
		event = spec.ConsolePortName
		n += copy(b[n:], p.Name)
	case sayOpen:
		event = spec.ConsolePortOpen
		if p.hostOpen {
			value = 1
		}
	case sayResize:
		event = spec.ConsoleResize
		binary.LittleEndian.PutUint16(b[n:], m.cols)
		binary.LittleEndian.PutUint16(b[n+2:], m.rows)
		n += 4
	}
	binary.LittleEndian.PutUint32(b[spec.ConsoleControlID:], uint32(p.id))
	binary.LittleEndian.PutUint16(b[spec.ConsoleControlEvent:], event)
	binary.LittleEndian.PutUint16(b[spec.ConsoleControlValue:], value)
	return n
}
