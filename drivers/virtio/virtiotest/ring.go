package virtiotest

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
)

// chain is what the driver made available, one segment here.
type chain struct {
	head  uint16
	addr  uint64
	size  uint32
	write bool
}

// pop takes the next available chain of queue i, waiting for it, and for its
// notification when the queue had run dry (a device is allowed to look only then).
// ok is false when the device is gone. mu is held.
func (d *Device) pop(i int) (c chain, ok bool) {
	q := &d.queues[i]
	for {
		if d.gone {
			return c, false
		}
		if d.status&spec.StatusDriverOK != 0 && q.enabled {
			if idx := d.Dev.Mem.Load16(q.addr[1] + spec.AvailIdx); idx != q.availIdx {
				break
			}
			// Ask for a notification, then look again.
			if d.accepted>>spec.FRingEventIdx&1 != 0 {
				d.Dev.Mem.Store16(d.availEvent(q), q.availIdx)
			} else {
				d.Dev.Mem.Store16(q.addr[2]+spec.UsedFlags, 0)
			}
			if d.Dev.Mem.Load16(q.addr[1]+spec.AvailIdx) != q.availIdx {
				continue
			}
		}
		q.kicked = false
		for !q.kicked && !d.gone {
			d.moved.Wait()
		}
	}
	if d.accepted>>spec.FRingEventIdx&1 == 0 {
		d.Dev.Mem.Store16(q.addr[2]+spec.UsedFlags, spec.UsedFNoNotify)
	}
	c.head = d.Dev.Mem.Load16(q.addr[1] + spec.AvailRing + 2*uint64(q.availIdx%q.size))
	q.availIdx++
	if c.head >= q.size {
		d.complain("chain %d of %d", c.head, q.size)
		c.head = 0
	}
	var b [spec.DescSize]byte
	d.Dev.Mem.Read(q.addr[0]+uint64(c.head)*spec.DescSize, b[:])
	c.addr = binary.LittleEndian.Uint64(b[spec.DescAddr:])
	c.size = binary.LittleEndian.Uint32(b[spec.DescLen:])
	flags := binary.LittleEndian.Uint16(b[spec.DescFlags:])
	c.write = flags&spec.DescFWrite != 0
	if flags&^(spec.DescFWrite) != 0 {
		d.complain("descriptor flags %#x", flags)
	}
	return c, true
}

func (d *Device) availEvent(q *queue) uint64 {
	return q.addr[2] + spec.UsedRing + spec.UsedElemSize*uint64(q.size)
}

// push returns a chain as used and interrupts if the driver wants it. mu is held.
func (d *Device) push(i int, id uint32, written uint32, jump uint16) {
	q := &d.queues[i]
	if !q.enabled || d.gone || d.status&spec.StatusDriverOK == 0 {
		return
	}
	var e [spec.UsedElemSize]byte
	binary.LittleEndian.PutUint32(e[:], id)
	binary.LittleEndian.PutUint32(e[4:], written)
	d.Dev.Mem.Write(q.addr[2]+spec.UsedRing+spec.UsedElemSize*uint64(q.usedIdx%q.size), e[:])
	old := q.usedIdx
	q.usedIdx += 1 + jump
	d.Dev.Mem.Store16(q.addr[2]+spec.UsedIdx, q.usedIdx)
	if d.accepted>>spec.FRingEventIdx&1 != 0 {
		event := d.Dev.Mem.Load16(q.addr[1] + spec.AvailRing + 2*uint64(q.size))
		if q.usedIdx-event-1 >= q.usedIdx-old {
			return
		}
	} else if d.Dev.Mem.Load16(q.addr[1]+spec.AvailFlags)&spec.AvailFNoInterrupt != 0 {
		return
	}
	d.interrupt(q.vector, spec.ISRQueue)
}
