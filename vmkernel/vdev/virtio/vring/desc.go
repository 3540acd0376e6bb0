package vring

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
)

// desc is a copy of a descriptor. The guest can change its own at any time, so
// each is read once and only the copy is checked and used. extra is the next
// index of a split descriptor, the buffer ID of a packed one.
type desc struct {
	addr  uint64
	len   uint32
	flags uint16
	extra uint16
}

// readDesc copies descriptor i of the table at base, which the caller has found
// to be guest memory.
func (q *Queue) readDesc(base uint64, i uint32) (d desc, err error) {
	b := q.raw[:]
	at := base + spec.DescSize*uint64(i)
	if err := q.cfg.Memory.Read(at, b); err != nil {
		return d, q.fail("descriptor at %#x: %v", at, err)
	}
	d.addr = binary.LittleEndian.Uint64(b[spec.DescAddr:])
	d.len = binary.LittleEndian.Uint32(b[spec.DescLen:])
	if q.packed {
		d.extra = binary.LittleEndian.Uint16(b[spec.PackedID:])
		d.flags = binary.LittleEndian.Uint16(b[spec.PackedFlags:])
	} else {
		d.flags = binary.LittleEndian.Uint16(b[spec.DescFlags:])
		d.extra = binary.LittleEndian.Uint16(b[spec.DescNext:])
	}
	return d, nil
}
