package vringtest

import (
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Seg is a buffer element: guest-physical address and length in bytes.
type Seg struct {
	Addr  uint64
	Len   uint32
	Write bool // for the device to write
}

// Ring is a driver's queue.
type Ring interface {
	// Config is what the device is told.
	Config() vring.Config
	// Add makes a chain available and gives its identifier. There must be room.
	Add(segs ...Seg) uint16
	// AddIndirect does it with one descriptor and a table at guest-physical table.
	AddIndirect(table uint64, segs ...Seg) uint16
	// Kick says whether the driver has to notify the device of what was added
	// since the last call.
	Kick() bool
	// Used takes the next used chain.
	Used() (id uint16, written uint32, ok bool)
	// Arm asks for an interrupt at the next used chain, Disarm for none.
	Arm()
	Disarm()
}

// New makes a ring of the kind that features say at guest-physical at, which is
// a multiple of 16. It takes at most 32 bytes for each descriptor and 64 more.
func New(m *gmem.Memory, at uint64, size uint16, features uint64) Ring {
	c := vring.Config{Memory: m, Size: size, Features: features, Desc: at, Driver: at + spec.DescSize*uint64(size)}
	if c.Features>>spec.FRingPacked&1 != 0 {
		c.Device = c.Driver + spec.EventSize
		return &Packed{c: c, wrap: true, usedWrap: true, lists: map[uint16]uint16{}}
	}
	c.Device = (c.Driver + spec.AvailRing + 2*uint64(size) + 2 + 3) &^ 3
	s := &Split{c: c, chains: map[uint16][]uint16{}}
	for i := range size {
		s.free = append(s.free, i)
	}
	return s
}

// WriteDesc writes one descriptor; last is the next index or the buffer ID.
func WriteDesc(c *vring.Config, at, addr uint64, size uint32, flags, last uint16) {
	c.Memory.PutUint64(at, addr)
	c.Memory.PutUint32(at+spec.DescLen, size)
	if c.Features>>spec.FRingPacked&1 != 0 {
		c.Memory.PutUint16(at+spec.PackedID, last)
		c.Memory.PutUint16(at+spec.PackedFlags, flags)
		return
	}
	c.Memory.PutUint16(at+spec.DescFlags, flags)
	c.Memory.PutUint16(at+spec.DescNext, last)
}

func segFlags(s Seg, more bool) (f uint16) {
	if s.Write {
		f |= spec.DescFWrite
	}
	if more {
		f |= spec.DescFNext
	}
	return f
}

func load16(m *gmem.Memory, at uint64) uint16 {
	v, ok := m.Uint16(at)
	if !ok {
		panic("vringtest: the ring is not in guest memory")
	}
	return v
}
