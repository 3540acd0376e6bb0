package vring

import (
	"math"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
)

// Config is what the driver has set up: sizes and guest-physical addresses.
// (Virtio 1.2, 2.6 and 4.1.4.3.)
type Config struct {
	Memory *gmem.Memory
	// Size is the number of descriptors: a power of two from 1 to 32768 for a
	// split queue, any number from 1 to 32768 for a packed one.
	Size uint16
	// Desc is the descriptor table or ring, Driver the available ring or the
	// driver's event suppression, Device the used ring or the device's event
	// suppression. Guest-physical, in bytes.
	Desc, Driver, Device uint64
	// Features are the feature bits that were negotiated. Indirect descriptors,
	// event indices and packed rings matter here, others are ignored.
	Features uint64
}

func (c *Config) has(bit int) bool { return c.Features>>bit&1 != 0 }

// area is one part of a queue.
type area struct {
	name     string
	at, size uint64
	align    uint64
}

// areas are the parts of the queue with sizes in bytes; 2.7 for split queues,
// 2.8.10.1 for packed ones.
func (c *Config) areas() [3]area {
	n := uint64(c.Size)
	if c.has(spec.FRingPacked) {
		return [3]area{
			{"descriptor ring", c.Desc, n * spec.DescSize, spec.DescAlign},
			{"driver event suppression", c.Driver, spec.EventSize, spec.EventAlign},
			{"device event suppression", c.Device, spec.EventSize, spec.EventAlign},
		}
	}
	a := [3]area{
		{"descriptor table", c.Desc, n * spec.DescSize, spec.DescAlign},
		{"available ring", c.Driver, spec.AvailRing + 2*n, spec.AvailAlign},
		{"used ring", c.Device, spec.UsedRing + spec.UsedElemSize*n, spec.UsedAlign},
	}
	if c.has(spec.FRingEventIdx) { // used_event and avail_event stand behind the rings
		a[1].size += 2
		a[2].size += 2
	}
	return a
}

// check holds the configuration against the specification, and breaks the queue
// if it is not allowed.
func (q *Queue) check() error {
	c := &q.cfg
	if c.Memory == nil {
		return q.fail("there is no memory")
	}
	if c.Size == 0 || c.Size > spec.MaxQueueSize {
		return q.fail("size %d is not from 1 to %d", c.Size, spec.MaxQueueSize)
	}
	if !q.packed && c.Size&(c.Size-1) != 0 {
		return q.fail("size %d of a split queue is not a power of two", c.Size)
	}
	for _, a := range c.areas() {
		if a.at%a.align != 0 {
			return q.fail("%s at %#x is not aligned to %d bytes", a.name, a.at, a.align)
		}
		if a.at > math.MaxUint64-a.size || !c.Memory.Contains(a.at, a.size) {
			return q.fail("%s at %#x size %#x is not guest memory", a.name, a.at, a.size)
		}
	}
	return nil
}
