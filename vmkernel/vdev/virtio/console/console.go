package console

import (
	"fmt"
	"sync"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Class is simple communication controller, other.
const Class = 0x078000

const (
	// MaxPorts is the largest number of ports.
	MaxPorts = 16
	// MaxName is the longest name of a port, in bytes.
	MaxName = 64

	queueSize = 64
)

// Backend is the host side of a port. Both methods return at once, may be called
// from any goroutine and do not call the device.
type Backend interface {
	// Write takes bytes that the guest sent. Fewer than all without an error is
	// back pressure: the device keeps the rest until OutputReady. After an error
	// they are lost.
	Write(p []byte) (int, error)
	// Receive gives bytes for the guest, 0 when there are none.
	Receive(p []byte) int
}

// Port describes a port.
type Port struct {
	Name    string // for the guest, UTF-8, at most MaxName bytes; "" for none
	Console bool   // a text console
	Backend Backend
	// Opened is told when the guest opens or closes the port (MULTIPORT only); nil
	// for nobody. It must not call the device.
	Opened func(open bool)
}

// Config describes a device.
type Config struct {
	Name   string
	Memory *gmem.Memory
	// Ports are 1 to MaxPorts. With one port that has no name MULTIPORT is not
	// offered.
	Ports []Port
	// Cols and Rows are the size of the text in port 0; 0 for unknown.
	Cols, Rows uint16
	// NewBell is virtio.Config.NewBell.
	NewBell func(name string) (virtio.Bell, error)
}

// Device is a console device.
type Device struct {
	*virtio.Device
	m *model
}

// model is the device type.
type model struct {
	name  string
	multi bool // MULTIPORT is offered
	ports []*port

	// say rings the queue of control messages to the driver.
	say func()

	heard, told vring.Chain // of the control queues' goroutines

	mu         sync.Mutex
	cols, rows uint16
	negotiated uint64
	ready      bool // DEVICE_READY came
}

// New makes a device. Errors wrap virtio.ErrConfig.
func New(c Config) (*Device, error) {
	if len(c.Ports) == 0 || len(c.Ports) > MaxPorts {
		return nil, fmt.Errorf("%w: %s: %d ports", virtio.ErrConfig, c.Name, len(c.Ports))
	}
	m := &model{name: c.Name, multi: len(c.Ports) > 1 || c.Ports[0].Name != "", cols: c.Cols, rows: c.Rows, say: func() {}}
	for i, p := range c.Ports {
		if p.Backend == nil || len(p.Name) > MaxName {
			return nil, fmt.Errorf("%w: %s: port %d, name %q, backend %v", virtio.ErrConfig, c.Name, i, p.Name, p.Backend != nil)
		}
		m.ports = append(m.ports, &port{Port: p, id: i, m: m, hostOpen: true})
	}
	queues, features := 2, uint64(1<<spec.ConsoleFEmergWrite)
	if m.multi {
		features |= 1 << spec.ConsoleFMultiport
		queues = 2 + 2*len(c.Ports)
	}
	if c.Cols != 0 && c.Rows != 0 {
		features |= 1 << spec.ConsoleFSize
	}
	sizes := make([]uint16, queues)
	for i := range sizes {
		sizes[i] = queueSize
	}
	dev, err := virtio.New(virtio.Config{
		Name: c.Name, Type: spec.TypeConsole, Class: Class, Features: features, Queues: sizes,
		ConfigSize: spec.ConsoleCfgSize, EarlyConfig: true, Memory: c.Memory, Model: m, NewBell: c.NewBell,
	})
	if err != nil {
		return nil, err
	}
	if m.multi {
		m.say = dev.Queue(spec.ConsoleQueueControlRx).Ring
	}
	return &Device{dev, m}, nil
}

// rxQueue is the number of a port's receiveq; the transmitq is the next one.
func rxQueue(port int) int {
	if port == 0 {
		return spec.ConsoleQueueRx
	}
	return 2 + 2*port
}

// has says whether there is such a port. The methods of Device ignore others.
func (d *Device) has(port int) bool { return port >= 0 && port < len(d.m.ports) }

// InputReady says that the backend of a port has input. Any goroutine.
func (d *Device) InputReady(port int) {
	if d.has(port) {
		d.Queue(rxQueue(port)).Ring()
	}
}

// OutputReady says that the backend of a port takes output again. Any goroutine.
func (d *Device) OutputReady(port int) {
	if d.has(port) {
		d.Queue(rxQueue(port) + 1).Ring()
	}
}

// GuestOpen says whether the guest has a port open. Without MULTIPORT port 0 is
// open, the others are not.
func (d *Device) GuestOpen(port int) bool { return d.has(port) && d.m.ports[port].open() }

// SetHostOpen tells the guest whether somebody is at the host's end of a port; at
// first there is. Any goroutine.
func (d *Device) SetHostOpen(port int, open bool) {
	if !d.has(port) {
		return
	}
	p := d.m.ports[port]
	d.m.mu.Lock()
	if p.hostOpen != open {
		p.hostOpen = open
		if p.ready {
			p.todo |= sayOpen
		}
	}
	d.m.mu.Unlock()
	d.m.say()
}

// Resize changes the size of the text in port 0. Any goroutine.
func (d *Device) Resize(cols, rows uint16) {
	d.m.mu.Lock()
	d.m.cols, d.m.rows = cols, rows
	if p := d.m.ports[0]; p.ready && p.Console {
		p.todo |= sayResize
	}
	d.m.mu.Unlock()
	d.ConfigChanged()
	d.m.say()
}

// Handle implements virtio.Model.
func (m *model) Handle(q *virtio.Queue) (wants bool) {
	i := q.Index()
	if multi := q.Has(spec.ConsoleFMultiport); i > 1 && !multi {
		return false // the queue does not exist (5.3.2)
	}
	switch {
	case i == spec.ConsoleQueueControlRx:
		return m.tell(q)
	case i == spec.ConsoleQueueControlTx:
		return m.listen(q)
	case i > 1:
		i -= 2
	}
	if p := m.ports[i/2]; i%2 == 0 {
		return p.receive(q)
	} else {
		return p.transmit(q)
	}
}
