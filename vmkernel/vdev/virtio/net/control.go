package net

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vswitch"
)

// maxCommand bounds a command: a table of all addresses that are looked at, and
// some more that are only counted.
const maxCommand = 16 << 10

// control is the control queue's state; its goroutine has it.
type control struct {
	d     *Device
	chain vring.Chain
	buf   [maxCommand]byte
}

// handle answers commands (5.1.6.5).
func (c *control) handle(q *virtio.Queue) {
	for q.Next(&c.chain) {
		w := c.chain.Writable()
		if len(w) == 0 || c.chain.ReadableBytes() < 2 {
			q.Breach("a command of %d bytes with %d buffers for the answer", c.chain.ReadableBytes(), len(w))
			q.Push(&c.chain, 0)
			continue
		}
		ack := []byte{spec.NetCtrlErr}
		if b, ok := c.read(q); ok && c.d.command(b) {
			ack[0] = spec.NetCtrlOK
		}
		if q.Memory().Write(w[0].Addr, ack) != nil {
			q.Breach("the answer at %#x cannot be written", w[0].Addr)
		}
		q.Push(&c.chain, 1)
	}
}

// read copies the command; false if it is too long.
func (c *control) read(q *virtio.Queue) ([]byte, bool) {
	if c.chain.ReadableBytes() > maxCommand {
		return nil, false
	}
	n := 0
	for _, s := range c.chain.Readable() {
		if q.Memory().Read(s.Addr, c.buf[n:n+int(s.Len)]) != nil {
			q.Breach("the command at %#x cannot be read", s.Addr)
			return nil, false
		}
		n += int(s.Len)
	}
	return c.buf[:n], true
}

// command does one command; b has at least class and command.
func (d *Device) command(b []byte) bool {
	class, cmd, data := b[0], b[1], b[2:]
	d.cfgMu.Lock()
	defer d.cfgMu.Unlock()
	switch {
	case class == spec.NetCtrlRx && d.has(spec.NetFCtrlRx):
		return d.receiveMode(cmd, data)
	case class == spec.NetCtrlMAC && cmd == spec.NetCtrlMACTableSet && d.has(spec.NetFCtrlRx):
		return d.macTable(data)
	case class == spec.NetCtrlMAC && cmd == spec.NetCtrlMACAddrSet && d.has(spec.NetFCtrlMACAddr):
		return d.setAddress(data)
	case class == spec.NetCtrlVLAN && d.has(spec.NetFCtrlVLAN):
		return d.setVLAN(cmd, data)
	case class == spec.NetCtrlMQ && cmd == spec.NetCtrlMQPairsSet && d.has(spec.NetFMQ):
		if len(data) != 2 {
			return false
		}
		n := int(binary.LittleEndian.Uint16(data))
		if n < 1 || n > d.pairs {
			return false
		}
		d.active.Store(int32(n))
		return true
	}
	return false
}

func (d *Device) receiveMode(cmd byte, data []byte) bool {
	if len(data) != 1 || data[0] > 1 {
		return false
	}
	switch cmd {
	case spec.NetCtrlRxPromisc:
		d.filter.promisc = data[0] == 1
	case spec.NetCtrlRxAllMulti:
		d.filter.allMulti = data[0] == 1
	default:
		return false
	}
	d.filter.asked = true
	return d.tell() == nil
}

// macTable takes two tables, each a count and its addresses.
func (d *Device) macTable(data []byte) bool {
	unicast, rest, ok := macList(data)
	if !ok {
		return false
	}
	multi, rest, ok := macList(rest)
	if !ok || len(rest) != 0 {
		return false
	}
	d.filter.unicast, d.filter.multi, d.filter.asked = unicast, multi, true
	return d.tell() == nil
}

func macList(b []byte) (list []vswitch.MAC, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n*6 > uint64(len(b)) {
		return nil, nil, false
	}
	for i := range min(n, vswitch.MaxFilter+1) { // one more than the limit means all
		list = append(list, vswitch.MAC(b[6*i:]))
	}
	return list, b[6*n:], true
}

func (d *Device) setAddress(data []byte) bool {
	if len(data) != 6 || d.port == nil {
		return false
	}
	m := vswitch.MAC(data)
	if d.port.SetMAC(m) != nil {
		return false
	}
	d.addr = m
	return true
}

func (d *Device) setVLAN(cmd byte, data []byte) bool {
	if len(data) != 2 || d.filter.vlans == nil {
		return false
	}
	id := binary.LittleEndian.Uint16(data)
	if id > vswitch.MaxVLAN {
		return false
	}
	switch cmd {
	case spec.NetCtrlVLANAdd:
		d.filter.vlans.Add(id)
	case spec.NetCtrlVLANDel:
		d.filter.vlans.Remove(id)
	default:
		return false
	}
	return d.tell() == nil
}
