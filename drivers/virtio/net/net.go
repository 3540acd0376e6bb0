package net

import (
	"crypto/rand"
	"errors"
	"fmt"

	"basalt/drivers/bus"
	"basalt/drivers/netio"
	"basalt/drivers/nic"
	spec "basalt/drivers/spec/virtio"
	"basalt/drivers/virtio"
)

const (
	maxRing  = 256
	bufSize  = 2048
	minFrame = 14
	header   = spec.NetHeaderSize
)

// Match says whether the driver knows a device. A transitional device is taken too:
// Open uses its modern half.
func Match(vendor, device uint16) bool {
	return vendor == spec.Vendor && (device == spec.IDModernBase+spec.TypeNet || device == spec.IDTransitional)
}

// card is one device. It implements nic.Chip.
type card struct {
	t   *virtio.Transport
	mac [6]byte
	mtu int
	rx  side
	tx  side
	// separate: vectors 0, 1, 2 are receive, transmit, configuration. messages:
	// there is MSI-X, so the ISR is not used.
	separate, messages bool
}

// side is one queue with its buffers.
type side struct {
	q     *virtio.Queue
	mem   bus.DMA
	data  []byte
	slot  []uint16 // of the chain with this head
	free  []uint16 // slots not in the ring (transmit)
	seg   [1]virtio.Segment
	write bool
}

var _ nic.Chip = (*card)(nil)

// Open sets a device up and starts it as a link with that name.
func Open(name string, d bus.Device) (netio.Link, error) {
	c, vectors, err := open(d)
	if err != nil {
		return nil, fmt.Errorf("virtio/net: %s at %s: %w", name, d.Name(), gone(err))
	}
	return nic.Start(name, d, c, vectors), nil
}

// gone adds netio.ErrGone to what means that the device can not be used any longer.
func gone(err error) error {
	if errors.Is(err, virtio.ErrGone) || errors.Is(err, virtio.ErrBroken) {
		return fmt.Errorf("%w: %w", netio.ErrGone, err)
	}
	return err
}

func open(d bus.Device) (c *card, vectors []bus.Interrupt, err error) {
	c = &card{mtu: 1500}
	if c.t, err = virtio.Open(d); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			c.t.Fail()
			c.Stop()
			for _, v := range vectors {
				v.Close()
			}
		}
	}()
	if err = c.t.Negotiate(spec.FRingEventIdx, spec.NetFMAC, spec.NetFStatus, spec.NetFMTU); err != nil {
		return c, nil, err
	}
	if err = c.identity(); err != nil {
		return c, nil, err
	}
	if vectors, err = d.Interrupts(3); err != nil {
		return c, nil, err
	}
	rx, tx := uint16(spec.NoVector), uint16(spec.NoVector)
	if c.messages = c.t.UsesMSIX(); c.messages {
		cfg := uint16(0)
		rx, tx = 0, 0
		if c.separate = len(vectors) >= 3; c.separate {
			tx, cfg = 1, 2
		}
		if err = c.t.ConfigVector(cfg); err != nil {
			return c, vectors, err
		}
	}
	c.rx.write = true
	if err = c.rx.setup(c.t, d, spec.NetQueueRx, rx); err != nil {
		return c, vectors, err
	}
	if err = c.tx.setup(c.t, d, spec.NetQueueTx, tx); err != nil {
		return c, vectors, err
	}
	d.EnableBusMaster()
	if err = c.t.Ready(); err != nil {
		return c, vectors, err
	}
	for i := range c.rx.q.Size() {
		c.rx.add(uint16(i), bufSize)
	}
	c.rx.q.Publish()
	return c, vectors, nil
}

func (c *card) identity() error {
	cfg := c.t.Config()
	need := uintptr(0)
	for _, f := range []struct {
		bit uint
		end uintptr
	}{{spec.NetFMAC, 6}, {spec.NetFStatus, spec.NetCfgStatus + 2}, {spec.NetFMTU, spec.NetCfgMTU + 2}} {
		if c.t.Has(f.bit) {
			need = f.end
		}
	}
	if need > 0 && (cfg == nil || cfg.Size() < need) {
		return fmt.Errorf("configuration is shorter than %d bytes", need)
	}
	if c.t.Has(spec.NetFMAC) {
		c.t.Stable(func() {
			for i := range c.mac {
				c.mac[i] = cfg.Read8(spec.NetCfgMAC + uintptr(i))
			}
		})
	} else {
		rand.Read(c.mac[:])
		c.mac[0] = c.mac[0]&^1 | 2
	}
	if c.mac[0]&1 != 0 || c.mac == [6]byte{} {
		return fmt.Errorf("address %x is not unicast", c.mac)
	}
	if c.t.Has(spec.NetFMTU) {
		if c.mtu = min(c.mtu, int(cfg.Read16(spec.NetCfgMTU))); c.mtu < 68 {
			return fmt.Errorf("MTU %d", c.mtu)
		}
	}
	return nil
}

func (s *side) setup(t *virtio.Transport, d bus.Device, index, vector uint16) (err error) {
	if s.q, err = t.NewQueue(index, maxRing, vector); err != nil {
		return err
	}
	n := s.q.Size()
	if s.mem, err = d.AllocDMA(n*bufSize, false); err != nil {
		return err
	}
	s.data = s.mem.Bytes()
	s.slot = make([]uint16, n)
	for i := range n {
		if !s.write {
			s.free = append(s.free, uint16(n-1-i))
		}
	}
	s.q.Disarm()
	return nil
}

// add puts one slot's first n bytes into the ring; there is always room, because
// there are as many descriptors as slots.
func (s *side) add(slot uint16, n int) {
	s.seg[0] = virtio.Segment{Addr: s.mem.Addr() + uint64(slot)*bufSize, Len: uint32(n), Write: s.write}
	head, ok := s.q.Add(s.seg[:])
	if !ok {
		panic("virtio/net: no descriptor for a free slot")
	}
	s.slot[head] = slot
}

// MAC implements nic.Chip.
func (c *card) MAC() [6]byte { return c.mac }

// MTU implements nic.Chip.
func (c *card) MTU() int { return c.mtu }

// Receive implements nic.Chip.
func (c *card) Receive(bufs [][]byte, sizes []int, count *nic.Counters) (n int, err error) {
	s := &c.rx
	for taken := 0; n < len(bufs) && taken < s.q.Size(); taken++ {
		head, written, ok, err := s.q.Take()
		if err != nil {
			return n, gone(err)
		}
		if !ok {
			break
		}
		slot := s.slot[head]
		b := s.data[int(slot)*bufSize:][:written]
		switch {
		case len(b) < header+minFrame:
			count.RxErrors.Add(1)
		case len(b)-header > len(bufs[n]):
			count.RxDropped.Add(1)
		default:
			sizes[n] = copy(bufs[n], b[header:])
			n++
		}
		s.add(slot, bufSize)
	}
	s.q.Publish()
	return n, nil
}

// ArmReceive implements nic.Chip.
func (c *card) ArmReceive() bool { return c.rx.q.Arm() }

func (s *side) reclaim() error {
	for {
		head, _, ok, err := s.q.Take()
		if err != nil {
			return gone(err)
		}
		if !ok {
			return nil
		}
		s.free = append(s.free, s.slot[head])
	}
}

// Send implements nic.Chip. The headers stay zero: no offload.
func (c *card) Send(frames [][]byte, _ *nic.Counters) (n int, err error) {
	s := &c.tx
	if err := s.reclaim(); err != nil {
		return 0, err
	}
	for n < len(frames) && len(s.free) > 0 {
		slot := s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		m := copy(s.data[int(slot)*bufSize+header:][:bufSize-header], frames[n])
		s.add(slot, header+m)
		n++
	}
	s.q.Publish()
	return n, nil
}

// ArmSend implements nic.Chip.
func (c *card) ArmSend() bool { return c.tx.q.Arm() || len(c.tx.free) > 0 }

// Interrupt implements nic.Chip.
func (c *card) Interrupt(i int) (ev nic.Event, err error) {
	switch {
	case c.separate && i == 2:
		return nic.EventLink, nil
	case c.separate && i == 1:
		ev = nic.EventTransmit
	case c.separate:
		ev = nic.EventReceive
	case c.messages:
		ev = nic.EventReceive | nic.EventTransmit | nic.EventLink
	default:
		isr := c.t.ISR() // the read lowers the wire
		if isr&spec.ISRConfig != 0 {
			ev |= nic.EventLink
		}
		if isr&spec.ISRQueue != 0 {
			ev |= nic.EventReceive | nic.EventTransmit
		}
	}
	if ev&nic.EventReceive != 0 {
		c.rx.q.Disarm()
	}
	if ev&nic.EventTransmit != 0 {
		c.tx.q.Disarm()
	}
	return ev, nil
}

// Check implements nic.Chip.
func (c *card) Check() (linkUp bool, err error) {
	if _, err := c.t.Status(); err != nil {
		return false, gone(err)
	}
	if !c.t.Has(spec.NetFStatus) {
		return true, nil
	}
	return c.t.Config().Read16(spec.NetCfgStatus)&spec.NetStatusLinkUp != 0, nil
}

// Stop implements nic.Chip. A device that is there but will not reset keeps its
// memory: it may still write to it.
func (c *card) Stop() {
	if err := c.t.Reset(); err != nil && !errors.Is(err, virtio.ErrGone) {
		return
	}
	for _, s := range []*side{&c.rx, &c.tx} {
		if s.q != nil {
			s.q.Free()
		}
		if s.mem != nil {
			s.mem.Free()
		}
	}
}
