package blk

import (
	"fmt"
	"sync/atomic"

	"basalt/drivers/blockio"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
)

// Class is mass storage, other.
const Class = 0x018000

const (
	defaultQueueSize = 128
	maxQueues        = 64
)

// Config describes a device.
type Config struct {
	Name   string // of the device in the machine
	Serial string // what GET_ID gives: the first 20 bytes
	Disk   blockio.Disk
	Memory *gmem.Memory
	// ReadOnly offers RO although the disk could be written.
	ReadOnly bool
	// Queues is their number, 0 for 1, at most 64; QueueSize the descriptors of
	// each, 0 for 128, a power of two of at least 4.
	Queues, QueueSize int
	// Withhold are features that are not offered, of the core's too. VERSION_1 and
	// FLUSH stay.
	Withhold uint64
	// PortDoorbell and NewBell are virtio.Config's.
	PortDoorbell bool
	NewBell      func(name string) (virtio.Bell, error)
}

// Device is a block device. It does not close the disk.
type Device struct {
	*virtio.Device
	disk     blockio.Disk
	info     blockio.Info // all but Size and ReadOnly stays
	serial   [spec.BlkIDSize]byte
	readOnly bool
	queues   []*queue
	segMax   uint32
	features uint64 // offered, the type's

	capacity  atomic.Int64 // bytes that the guest was told
	writeback atomic.Bool
	toggle    atomic.Bool // CONFIG_WCE was negotiated
}

// New makes a device on a disk. Errors wrap virtio.ErrConfig or
// blockio.ErrBadInfo.
func New(c Config) (*Device, error) {
	if c.Queues == 0 {
		c.Queues = 1
	}
	if c.QueueSize == 0 {
		c.QueueSize = defaultQueueSize
	}
	if c.Disk == nil || c.Queues < 1 || c.Queues > maxQueues || c.QueueSize < 4 || c.QueueSize > spec.MaxQueueSize {
		return nil, fmt.Errorf("%w: %s: disk %v, %d queues of %d", virtio.ErrConfig, c.Name, c.Disk != nil, c.Queues, c.QueueSize)
	}
	info := c.Disk.Info()
	if err := info.Valid(); err != nil {
		return nil, fmt.Errorf("blk: %s: %w", c.Name, err)
	}
	d := &Device{disk: c.Disk, info: info, readOnly: c.ReadOnly || info.ReadOnly, segMax: segMax(&info, c.QueueSize)}
	copy(d.serial[:], c.Serial)
	d.capacity.Store(info.Size)
	d.features = features(&info, d.readOnly, c.Queues) &^ (c.Withhold &^ (1 << spec.BlkFFlush))
	sizes := make([]uint16, c.Queues)
	for i := range sizes {
		sizes[i] = uint16(c.QueueSize)
		d.queues = append(d.queues, &queue{d: d})
	}
	var err error
	d.Device, err = virtio.New(virtio.Config{
		Name: c.Name, Type: spec.TypeBlock, Class: Class, Features: d.features, Withhold: c.Withhold,
		Queues: sizes, ConfigSize: spec.BlkCfgSize, Memory: c.Memory, Model: (*model)(d), NewBell: c.NewBell, PortDoorbell: c.PortDoorbell,
	})
	return d, err
}

// segMax is how many segments a request may have: a chain has a header and a
// status, too, and a border between frames inside a block costs one more.
func segMax(info *blockio.Info, queueSize int) uint32 {
	return uint32(max(1, min(queueSize-2, info.MaxSegments-1)))
}

func features(info *blockio.Info, readOnly bool, queues int) uint64 {
	f := uint64(1<<spec.BlkFSegMax | 1<<spec.BlkFBlkSize | 1<<spec.BlkFFlush | 1<<spec.BlkFTopology | 1<<spec.BlkFConfigWCE)
	if readOnly {
		f |= 1 << spec.BlkFRO
	}
	if queues > 1 {
		f |= 1 << spec.BlkFMQ
	}
	if info.CanDiscard && !readOnly {
		f |= 1 << spec.BlkFDiscard
	}
	if info.CanWriteZeroes && !readOnly {
		f |= 1 << spec.BlkFWriteZeroes
	}
	return f
}

// CapacityChanged takes over the size that the disk has now and tells the driver.
// Any goroutine.
func (d *Device) CapacityChanged() {
	d.capacity.Store(d.disk.Info().Size)
	d.ConfigChanged()
}

// through says whether a write has to be stable when it completes, 5.2.6.2.
func (d *Device) through(q *virtio.Queue) bool {
	if q.Has(spec.BlkFConfigWCE) {
		return !d.writeback.Load()
	}
	return !q.Has(spec.BlkFFlush)
}
