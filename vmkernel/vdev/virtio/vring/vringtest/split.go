package vringtest

import (
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Split is a split queue's driver, 2.7.
type Split struct {
	c      vring.Config
	free   []uint16
	chains map[uint16][]uint16
	idx    uint16 // available
	shown  uint16 // at the last Kick
	used   uint16
}

// Config implements Ring.
func (s *Split) Config() vring.Config { return s.c }

// Offer makes head available, whatever it is.
func (s *Split) Offer(head uint16) {
	s.c.Memory.PutUint16(s.c.Driver+spec.AvailRing+2*uint64(s.idx%s.c.Size), head)
	s.idx++
	s.c.Memory.PutUint16(s.c.Driver+spec.AvailIdx, s.idx)
}

func (s *Split) take(n int) []uint16 {
	t := s.free[:n:n]
	s.free = s.free[n:]
	s.chains[t[0]] = t
	return t
}

// Add implements Ring.
func (s *Split) Add(segs ...Seg) uint16 {
	t := s.take(len(segs))
	for i, g := range segs {
		more := i < len(segs)-1
		next := uint16(0xDEAD)
		if more {
			next = t[i+1]
		}
		WriteDesc(&s.c, s.c.Desc+spec.DescSize*uint64(t[i]), g.Addr, g.Len, segFlags(g, more), next)
	}
	s.Offer(t[0])
	return t[0]
}

// AddIndirect implements Ring.
func (s *Split) AddIndirect(table uint64, segs ...Seg) uint16 {
	for i, g := range segs {
		WriteDesc(&s.c, table+spec.DescSize*uint64(i), g.Addr, g.Len, segFlags(g, i < len(segs)-1), uint16(i+1))
	}
	head := s.take(1)[0]
	WriteDesc(&s.c, s.c.Desc+spec.DescSize*uint64(head), table, spec.DescSize*uint32(len(segs)), spec.DescFIndirect, 0)
	s.Offer(head)
	return head
}

func (s *Split) events() bool { return s.c.Features>>spec.FRingEventIdx&1 != 0 }

// Kick implements Ring, 2.7.10.1.
func (s *Split) Kick() bool {
	old := s.shown
	s.shown = s.idx
	if old == s.idx {
		return false
	}
	if !s.events() {
		return load16(s.c.Memory, s.c.Device+spec.UsedFlags) == 0
	}
	event := load16(s.c.Memory, s.c.Device+spec.UsedRing+spec.UsedElemSize*uint64(s.c.Size))
	for i := old; i != s.idx; i++ {
		if i == event {
			return true
		}
	}
	return false
}

// Used implements Ring.
func (s *Split) Used() (id uint16, written uint32, ok bool) {
	if load16(s.c.Memory, s.c.Device+spec.UsedIdx) == s.used {
		return 0, 0, false
	}
	v, _ := s.c.Memory.Uint64(s.c.Device + spec.UsedRing + spec.UsedElemSize*uint64(s.used%s.c.Size))
	s.used++
	id = uint16(v)
	s.free = append(s.free, s.chains[id]...)
	delete(s.chains, id)
	return id, uint32(v >> 32), true
}

// Arm implements Ring.
func (s *Split) Arm() {
	s.c.Memory.PutUint16(s.c.Driver+spec.AvailFlags, 0)
	if s.events() {
		s.EventAt(s.used)
	}
}

// EventAt asks for an interrupt when used entry i is written.
func (s *Split) EventAt(i uint16) {
	s.c.Memory.PutUint16(s.c.Driver+spec.AvailRing+2*uint64(s.c.Size), i)
}

// Disarm implements Ring.
func (s *Split) Disarm() {
	if s.events() {
		s.EventAt(s.used - 1)
	} else {
		s.c.Memory.PutUint16(s.c.Driver+spec.AvailFlags, spec.AvailFNoInterrupt)
	}
}
