package vsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Class is communication controller, other.
const Class = 0x078000

const (
	// MaxConns is the largest number of connections of a guest.
	MaxConns = 64
	// Buffer is what waits in each direction of a connection, in bytes.
	Buffer = 64 << 10
	// Linger is how long the guest has to answer the end of a connection.
	Linger = 8 * time.Second

	queueSize  = 128
	maxReplies = 64      // resets that wait for a receive buffer
	firstPort  = 1 << 20 // of the host's end of a connection that it opened
)

// Errors of connections.
var (
	ErrReset  = errors.New("vsock: connection reset by the guest")
	ErrClosed = errors.New("vsock: closed")
	ErrMany   = errors.New("vsock: too many connections")
)

// Service takes a connection that the guest opened; it owns c and closes it. It has
// a goroutine of its own.
type Service func(c *Conn)

// Config describes a device.
type Config struct {
	Name   string
	Memory *gmem.Memory
	// CID is the guest's address, at least 3, and not 0xffffffff.
	CID uint32
	// Services are by port. The map must not change afterwards.
	Services map[uint32]Service
	// PortDoorbell and NewBell are virtio.Config's.
	PortDoorbell bool
	NewBell      func(name string) (virtio.Bell, error)
}

// Device is a socket device.
type Device struct {
	*virtio.Device
	m *model
}

// key names a connection.
type key struct{ guest, host uint32 } // ports

// model is the device type. Reset, SaveState, LoadState and Close come with the
// device's lock held, while no queue has chains: so a queue's goroutine may call what
// takes that lock with mu held.
type model struct {
	name     string
	cid      uint32
	services map[uint32]Service
	// sendReady rings the receiveq, takeMore the transmitq, tell the event queue.
	sendReady, takeMore, tell func()

	rx, tx, ev vring.Chain // of the queues' goroutines

	mu       sync.Mutex
	conns    map[key]*Conn
	ready    []*Conn // have something to send, each once, first in first out
	replies  []reply
	held     bool // the transmitq waits for room in replies
	announce bool // the guest has to be told of a transport reset
	next     uint32
	serving  int // goroutines of services
	closed   bool
}

// New makes a device. Errors wrap virtio.ErrConfig.
func New(c Config) (*Device, error) {
	if c.CID < spec.VsockCIDFirst || c.CID == 0xffffffff {
		return nil, fmt.Errorf("%w: %s: CID %d", virtio.ErrConfig, c.Name, c.CID)
	}
	m := &model{name: c.Name, cid: c.CID, services: c.Services, conns: map[key]*Conn{}, next: firstPort,
		ready: make([]*Conn, 0, MaxConns), replies: make([]reply, 0, maxReplies)}
	dev, err := virtio.New(virtio.Config{
		Name: c.Name, Type: spec.TypeSocket, Class: Class, Features: 1 << spec.VsockFStream,
		Queues: []uint16{queueSize, queueSize, queueSize}, ConfigSize: spec.VsockCfgSize,
		Memory: c.Memory, Model: m, NewBell: c.NewBell, PortDoorbell: c.PortDoorbell,
	})
	if err != nil {
		return nil, err
	}
	m.sendReady, m.takeMore = dev.Queue(spec.VsockQueueRx).Ring, dev.Queue(spec.VsockQueueTx).Ring
	m.tell = dev.Queue(spec.VsockQueueEvent).Ring
	return &Device{dev, m}, nil
}

// Conns is the number of connections now.
func (d *Device) Conns() int {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return len(d.m.conns)
}

// Handle implements virtio.Model.
func (m *model) Handle(q *virtio.Queue) (wants bool) {
	switch q.Index() {
	case spec.VsockQueueRx:
		return m.send(q)
	case spec.VsockQueueTx:
		return m.take(q)
	}
	return m.event(q)
}

// Accept takes every subset: without a feature bit the sockets are streams (5.10.3).
func (m *model) Accept(uint64) bool { return true }

// ReadConfig is struct virtio_vsock_config, 5.10.4.
func (m *model) ReadConfig(off int, p []byte) {
	var b [spec.VsockCfgSize]byte
	binary.LittleEndian.PutUint64(b[spec.VsockGuestCID:], uint64(m.cid))
	copy(p, b[off:])
}

// WriteConfig takes nothing.
func (m *model) WriteConfig(int, []byte) bool { return false }

// Reset ends all connections; the driver knows.
func (m *model) Reset() { m.drop(ErrReset, false) }

// Close ends all connections and lets no more begin.
func (m *model) Close() { m.drop(ErrClosed, true) }

// drop forgets everything.
func (m *model) drop(err error, closed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.end(err)
	}
	m.ready, m.replies, m.held, m.announce = m.ready[:0], m.replies[:0], false, false
	m.closed = m.closed || closed
}

const stateVersion = 1

// SaveState writes whether the guest has to be told of a transport reset. No
// connection is saved.
func (m *model) SaveState() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.Bool(m.announce)
	return e.Bytes(), nil
}

// LoadState ends all connections and tells the guest, when it runs.
func (m *model) LoadState(b []byte) error {
	x := checkpoint.NewDecoder(b, stateVersion)
	x.Bool() // it is told in any case
	if err := x.Done(m.name); err != nil {
		return err
	}
	m.drop(ErrReset, false)
	m.mu.Lock()
	m.announce = true
	m.mu.Unlock()
	return nil
}

// event tells the guest that all connections are gone (5.10.6.7).
func (m *model) event(q *virtio.Queue) (wants bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.announce {
		return false // LoadState is followed by Resume, which rings
	}
	if !q.Next(&m.ev) {
		return true
	}
	var b [spec.VsockEventSize]byte
	binary.LittleEndian.PutUint32(b[:], spec.VsockEventTransportReset)
	if len(m.ev.Readable()) > 0 || m.ev.WritableBytes() < spec.VsockEventSize || scatter(q.Memory(), m.ev.Writable(), 0, b[:]) != nil {
		q.Breach("a buffer of %d bytes with %d readable ones for an event", m.ev.WritableBytes(), len(m.ev.Readable()))
		q.Push(&m.ev, 0)
		return false
	}
	m.announce = false
	q.Push(&m.ev, spec.VsockEventSize)
	return false
}
