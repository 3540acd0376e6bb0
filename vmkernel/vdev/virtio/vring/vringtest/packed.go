package vringtest

import (
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Packed is a packed queue's driver, 2.8.
type Packed struct {
	c              vring.Config
	at, used       uint16
	wrap, usedWrap bool
	id             uint16
	added          int
	lists          map[uint16]uint16 // length of the list by buffer ID
}

// Config implements Ring.
func (p *Packed) Config() vring.Config { return p.c }

// Mark is flags with the bits of an available descriptor for wrap, 2.8.1.
func Mark(flags uint16, wrap bool) uint16 {
	if wrap {
		return flags | spec.DescFAvail
	}
	return flags | spec.DescFUsed
}

func (p *Packed) step(at *uint16, wrap *bool, n uint16) {
	for range n {
		if *at++; *at == p.c.Size {
			*at, *wrap = 0, !*wrap
		}
	}
}

// next is an ID that is not in use.
func (p *Packed) next(n int) uint16 {
	for {
		p.id++
		if _, used := p.lists[p.id]; !used {
			p.lists[p.id] = uint16(n)
			p.added += n
			return p.id
		}
	}
}

// Add implements Ring.
func (p *Packed) Add(segs ...Seg) uint16 {
	id := p.next(len(segs))
	first, firstFlags := p.c.Desc+spec.DescSize*uint64(p.at)+spec.PackedFlags, uint16(0)
	for i, g := range segs {
		more := i < len(segs)-1
		flags, d := Mark(segFlags(g, more), p.wrap), p.c.Desc+spec.DescSize*uint64(p.at)
		show, num := flags, id
		if i == 0 { // made available last
			firstFlags = flags
			show = load16(p.c.Memory, first)
		}
		if more {
			num = 0xDEAD // only the last counts
		}
		WriteDesc(&p.c, d, g.Addr, g.Len, show, num)
		p.step(&p.at, &p.wrap, 1)
	}
	p.c.Memory.PutUint16(first, firstFlags)
	return id
}

// AddIndirect implements Ring.
func (p *Packed) AddIndirect(table uint64, segs ...Seg) uint16 {
	for i, g := range segs {
		WriteDesc(&p.c, table+spec.DescSize*uint64(i), g.Addr, g.Len, segFlags(g, false), 0xDEAD)
	}
	id := p.next(1)
	WriteDesc(&p.c, p.c.Desc+spec.DescSize*uint64(p.at), table, spec.DescSize*uint32(len(segs)), Mark(spec.DescFIndirect, p.wrap), id)
	p.step(&p.at, &p.wrap, 1)
	return id
}

// Kick implements Ring, 2.8.21.
func (p *Packed) Kick() bool {
	n := p.added
	p.added = 0
	if n == 0 {
		return false
	}
	where, flags := load16(p.c.Memory, p.c.Device), load16(p.c.Memory, p.c.Device+spec.EventFlags)
	if flags != spec.EventFDesc {
		return flags == spec.EventFEnable
	}
	at, wrap := p.at, p.wrap
	for range n { // back over what was added
		if at == 0 {
			at, wrap = p.c.Size, !wrap
		}
		at--
		if where == at|bit(wrap) {
			return true
		}
	}
	return false
}

func bit(wrap bool) uint16 {
	if wrap {
		return spec.EventDescWrap
	}
	return 0
}

// Used implements Ring.
func (p *Packed) Used() (id uint16, written uint32, ok bool) {
	d := p.c.Desc + spec.DescSize*uint64(p.used)
	flags := load16(p.c.Memory, d+spec.PackedFlags)
	if flags&spec.DescFUsed != 0 != p.usedWrap || flags&spec.DescFAvail != 0 != p.usedWrap {
		return 0, 0, false
	}
	if id = load16(p.c.Memory, d+spec.PackedID); flags&spec.DescFWrite != 0 {
		written, _ = p.c.Memory.Uint32(d + spec.DescLen)
	}
	p.step(&p.used, &p.usedWrap, p.lists[id])
	delete(p.lists, id)
	return id, written, true
}

// Arm implements Ring.
func (p *Packed) Arm() {
	if p.c.Features>>spec.FRingEventIdx&1 != 0 {
		p.Event(p.used|bit(p.usedWrap), spec.EventFDesc)
	} else {
		p.Event(0, spec.EventFEnable)
	}
}

// Disarm implements Ring.
func (p *Packed) Disarm() { p.Event(0, spec.EventFDisable) }

// Event writes the driver's event suppression structure, 2.8.14.
func (p *Packed) Event(where, flags uint16) {
	p.c.Memory.PutUint32(p.c.Driver, uint32(where)|uint32(flags)<<16)
}
