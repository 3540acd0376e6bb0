package net

import (
	"fmt"
	"sync"
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vswitch"
)

// Class is an Ethernet controller.
const Class = 0x020000

const (
	defaultQueueSize = 256
	controlSize      = 64
	maxPairs         = 64
	maxQueueSize     = 1024
)

// Port is what the device needs of its network. *vswitch.Port is one.
type Port interface {
	Sender() *vswitch.Sender
	SetFeatures(vswitch.Features) error
	SetFilter(*vswitch.Filter) error
	SetMAC(vswitch.MAC) error
}

// Config describes a device.
type Config struct {
	Name   string // of the device in the machine
	MAC    vswitch.MAC
	MTU    int // 68 to 9000, 0 for 1500; the switch's
	Memory *gmem.Memory
	// Pairs of queues, 0 for 1, at most 64; QueueSize the descriptors of each, 0 for
	// 256, a power of two of 16 to 1024.
	Pairs, QueueSize int
	// Withhold are features that are not offered, of the core's too.
	Withhold uint64
	// PortDoorbell and NewBell are virtio.Config's.
	PortDoorbell bool
	NewBell      func(name string) (virtio.Bell, error)
}

// Stats count since New.
type Stats struct {
	// Dropped are received frames for which there were no buffers, which the port
	// counts as received, and DroppedBytes their size; TxDropped are packets that the
	// port never saw. Refused are received frames that were lost because the queue
	// does not run: they are counted as dropped too, here or by the port.
	Dropped, DroppedBytes, TxDropped, Refused uint64
}

// Device is a network device. It does not close the port.
type Device struct {
	*virtio.Device
	mac   vswitch.MAC
	mtu   uint16
	pairs int
	rx    []*receiver
	tx    []*transmitter
	ctrl  control

	up       atomic.Bool
	active   atomic.Int32  // pairs that the driver uses
	features atomic.Uint64 // negotiated
	dropped  atomic.Uint64
	lost     atomic.Uint64 // bytes of dropped
	unsent   atomic.Uint64
	refused  atomic.Uint64
	steer    steering

	cfgMu  sync.Mutex
	port   Port
	filter filter
	addr   vswitch.MAC // in use
}

var _ vswitch.Receiver = (*Device)(nil)

// New makes a device without a port: Plug gives it one. Errors wrap
// virtio.ErrConfig.
func New(c Config) (*Device, error) {
	if c.Pairs == 0 {
		c.Pairs = 1
	}
	if c.QueueSize == 0 {
		c.QueueSize = defaultQueueSize
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if !c.MAC.Station() || c.MTU < 68 || c.MTU > 9000 || c.Pairs < 1 || c.Pairs > maxPairs || c.QueueSize < 16 || c.QueueSize > maxQueueSize {
		return nil, fmt.Errorf("%w: %s: MAC %v, MTU %d, %d pairs of %d", virtio.ErrConfig, c.Name, c.MAC, c.MTU, c.Pairs, c.QueueSize)
	}
	d := &Device{mac: c.MAC, addr: c.MAC, mtu: uint16(c.MTU), pairs: c.Pairs}
	d.active.Store(1)
	d.up.Store(true)
	var sizes []uint16
	for range c.Pairs {
		sizes = append(sizes, uint16(c.QueueSize), uint16(c.QueueSize))
		d.rx, d.tx = append(d.rx, &receiver{d: d}), append(d.tx, &transmitter{d: d, pair: len(d.tx)})
	}
	sizes = append(sizes, controlSize)
	d.ctrl.d = d
	// With several pairs and no MQ the control queue is the third (5.1.2).
	if c.Pairs > 1 {
		sizes[2] = max(sizes[2], controlSize)
	}
	var err error
	d.Device, err = virtio.New(virtio.Config{
		Name: c.Name, Type: spec.TypeNet, Class: Class, Features: offered(c.Pairs) &^ c.Withhold, Withhold: c.Withhold,
		Queues: sizes, ConfigSize: spec.NetCfgSize, Memory: c.Memory, Model: (*model)(d), NewBell: c.NewBell, PortDoorbell: c.PortDoorbell,
	})
	return d, err
}

func offered(pairs int) uint64 {
	f := uint64(1<<spec.NetFCSum | 1<<spec.NetFGuestCSum | 1<<spec.NetFMTU | 1<<spec.NetFMAC | 1<<spec.NetFGuestTSO4 |
		1<<spec.NetFGuestTSO6 | 1<<spec.NetFGuestECN | 1<<spec.NetFHostTSO4 | 1<<spec.NetFHostTSO6 | 1<<spec.NetFHostECN |
		1<<spec.NetFMrgRxBuf | 1<<spec.NetFStatus | 1<<spec.NetFCtrlVQ | 1<<spec.NetFCtrlRx | 1<<spec.NetFCtrlVLAN |
		1<<spec.NetFCtrlMACAddr)
	if pairs > 1 {
		f |= 1 << spec.NetFMQ
	}
	return f
}

// Plug connects the device to the port whose receiver it is; once, before the guest
// runs.
func (d *Device) Plug(p Port) {
	d.cfgMu.Lock()
	defer d.cfgMu.Unlock()
	d.port = p
	for _, t := range d.tx {
		t.send = p.Sender()
	}
}

// SetLink tells the driver whether the carrier is there. Any goroutine.
func (d *Device) SetLink(up bool) {
	if d.up.Swap(up) != up {
		d.ConfigChanged()
	}
}

// Stats gives the device's own counters; the port has the rest.
func (d *Device) Stats() Stats {
	return Stats{d.dropped.Load(), d.lost.Load(), d.unsent.Load(), d.refused.Load()}
}

// LinkUp says whether the driver was told that the carrier is there.
func (d *Device) LinkUp() bool { return d.up.Load() }

func (d *Device) has(bit int) bool { return d.features.Load()>>bit&1 != 0 }
