package e1000

import (
	"basalt/drivers/bus"
	"basalt/drivers/nic"
	spec "basalt/drivers/spec/e1000"
)

const minFrame = 14

// receiver is the receive ring. The chip owns the descriptors from head to tail;
// tail is one behind next, so that a full ring does not look empty.
type receiver struct {
	desc, bufs bus.DMA
	data       []byte
	next       int
	inFrame    bool // inside a frame of several buffers: drop until its end
}

func (c *controller) rings(d bus.Device) (err error) {
	for _, a := range []struct {
		to   *bus.DMA
		size int
	}{
		{&c.rx.desc, ringLen * spec.DescSize}, {&c.rx.bufs, ringLen * bufSize},
		{&c.tx.desc, ringLen * spec.DescSize}, {&c.tx.bufs, ringLen * bufSize},
	} {
		if *a.to, err = d.AllocDMA(a.size, false); err != nil {
			return err
		}
	}
	c.rx.data, c.tx.data = c.rx.bufs.Bytes(), c.tx.bufs.Bytes()
	return nil
}

func (r *receiver) start(c *controller) {
	for i := range ringLen {
		r.give(i)
	}
	c.regs.Write32(spec.RDBAL, uint32(r.desc.Addr()))
	c.regs.Write32(spec.RDBAH, uint32(r.desc.Addr()>>32))
	c.regs.Write32(spec.RDLEN, ringLen*spec.DescSize)
	c.regs.Write32(spec.RDH, 0)
	c.regs.Write32(spec.RDT, 0)
	c.regs.Write32(spec.RDTR, 0)
	c.regs.Write32(spec.RADV, 0)
	c.regs.Write32(spec.RCTL, spec.RctlEN|spec.RctlUPE|spec.RctlMPE|spec.RctlBAM|spec.RctlSECRC)
	c.regs.Write32(spec.RDT, ringLen-1)
}

// give resets descriptor i: whatever the device made of it, address included.
func (r *receiver) give(i int) {
	d := uintptr(i * spec.DescSize)
	r.desc.Write64(d+8, 0)
	r.desc.Write64(d+spec.DescAddr, r.bufs.Addr()+uint64(i*bufSize))
}

func (r *receiver) done(i int) bool {
	return r.desc.Read8(uintptr(i*spec.DescSize+spec.RxStatus))&spec.RxStatusDD != 0
}

// Receive implements nic.Chip.
func (c *controller) Receive(bufs [][]byte, sizes []int, count *nic.Counters) (n int, err error) {
	r := &c.rx
	taken := 0
	for n < len(bufs) && taken < ringLen && r.done(r.next) {
		i := r.next
		d := uintptr(i * spec.DescSize)
		length := int(r.desc.Read16(d + spec.DescLength))
		status := r.desc.Read8(d + spec.RxStatus)
		bad := r.desc.Read8(d+spec.RxErrors)&spec.RxErrorMask != 0
		last := status&spec.RxStatusEOP != 0
		switch {
		case r.inFrame || !last:
			if last {
				count.RxErrors.Add(1) // the end of a frame longer than a buffer
			}
			r.inFrame = !last
		case bad || length < minFrame || length > bufSize:
			count.RxErrors.Add(1)
		case length > len(bufs[n]):
			count.RxDropped.Add(1)
		default:
			sizes[n] = copy(bufs[n], r.data[i*bufSize:][:length])
			n++
		}
		r.give(i)
		r.next = (i + 1) % ringLen
		taken++
	}
	if taken > 0 {
		c.regs.Write32(spec.RDT, uint32((r.next+ringLen-1)%ringLen))
	}
	return n, nil
}

// ArmReceive implements nic.Chip.
func (c *controller) ArmReceive() bool {
	c.regs.Write32(spec.IMS, c.armRx)
	return c.rx.done(c.rx.next)
}

func (r *receiver) free() {
	for _, m := range []bus.DMA{r.desc, r.bufs} {
		if m != nil {
			m.Free()
		}
	}
	*r = receiver{}
}
