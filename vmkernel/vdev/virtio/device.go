package virtio

import (
	"fmt"
	"sync"
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vbus"
)

// Device is one virtio function. Safe for any goroutine.
type Device struct {
	cfg     Config
	offered uint64
	vectors int
	queues  []*Queue
	intr    Interrupts

	// Odd: no chains are taken. Pause and Resume count it up.
	epoch  atomic.Uint32
	broken atomic.Bool // NEEDS_RESET: no chains are taken

	isrMu sync.Mutex
	isr   uint8

	mu      sync.Mutex
	settled sync.Cond // mu; something stopped, paused or ended
	err     error     // why it is broken
	closing bool
	closed  bool
	workers int // goroutines

	// Registers, 4.1.4.3.
	status         uint8
	resetting      bool // the status is still what it was
	featuresSelect uint32
	driverSelect   uint32
	driverFeatures uint64
	features       uint64 // negotiated, after FEATURES_OK
	configVector   uint16
	queueSelect    uint16
	generation     uint8
	configDirty    bool // the generation has to change at the next read
	window         window
}

var (
	_ vbus.Device   = (*Device)(nil)
	_ vbus.Stateful = (*Device)(nil)
)

// New makes a device that was just reset. Errors wrap ErrConfig, or are those of
// NewBell. Close must be called in the end.
func New(c Config) (*Device, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	d := &Device{cfg: c, intr: unconnected{}}
	d.settled.L = &d.mu
	d.offered = c.Features | coreFeatures&^c.Withhold | 1<<spec.FVersion1
	if d.vectors = c.Vectors; d.vectors == 0 {
		d.vectors = min(len(c.Queues)+1, maxVectors)
	}
	if c.NewBell == nil {
		c.NewBell = NewBell
	}
	for i, n := range c.Queues {
		b, err := c.NewBell(fmt.Sprintf("%s queue %d", c.Name, i))
		if err != nil {
			d.closeBells()
			return nil, fmt.Errorf("virtio: %s: %w", c.Name, err)
		}
		d.queues = append(d.queues, newQueue(d, i, n, b))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	return d, nil
}

// Connect gives the device its endpoint, once, before the guest runs.
func (d *Device) Connect(i Interrupts) { d.intr = i }

// Name implements vbus.Device.
func (d *Device) Name() string { return d.cfg.Name }

// Queue is queue number i, below the number of queues.
func (d *Device) Queue(i int) *Queue { return d.queues[i] }

// Offered are the feature bits that the device offers.
func (d *Device) Offered() uint64 { return d.offered }

// Err says what the driver did wrong when the device needs a reset, else nil.
func (d *Device) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// BusMasterChanged makes the queues look at Interrupts.BusMaster again: the
// endpoint's owner calls it when the guest has changed the Command register.
func (d *Device) BusMasterChanged() { d.ringAll() }

func (d *Device) ringAll() {
	for _, q := range d.queues {
		q.Ring()
	}
}

func (d *Device) closeBells() {
	for _, q := range d.queues {
		q.silence()
	}
}

// clear makes the registers what they are after a reset; no queue runs. d.mu is
// held.
func (d *Device) clear() {
	d.status, d.resetting, d.err = 0, false, nil
	d.broken.Store(false)
	d.featuresSelect, d.driverSelect, d.driverFeatures, d.features = 0, 0, 0, 0
	d.configVector, d.queueSelect = spec.NoVector, 0
	d.window = window{}
	for _, q := range d.queues {
		q.clear()
	}
	d.setISR(0, 0)
	d.cfg.Model.Reset()
	d.configDirty = true // the model may have changed it
	d.settled.Broadcast()
}
