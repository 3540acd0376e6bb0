package e1000

import (
	"basalt/drivers/bus"
	"basalt/drivers/nic"
	spec "basalt/drivers/spec/e1000"
)

// transmitter is the transmit ring: used descriptors lie from clean to next.
type transmitter struct {
	desc, bufs bus.DMA
	data       []byte
	clean      int
	next       int
	used       int
}

func (t *transmitter) start(c *controller) {
	c.regs.Write32(spec.TDBAL, uint32(t.desc.Addr()))
	c.regs.Write32(spec.TDBAH, uint32(t.desc.Addr()>>32))
	c.regs.Write32(spec.TDLEN, ringLen*spec.DescSize)
	c.regs.Write32(spec.TDH, 0)
	c.regs.Write32(spec.TDT, 0)
	c.regs.Write32(spec.TIPG, spec.TIPGCopper)
	if c.pcie {
		c.regs.Write32(spec.TXDCTL, spec.TxdctlGRAN|spec.TxdctlCountDesc|spec.TxdctlWTHRESH1)
	}
	c.regs.Write32(spec.TCTL, spec.TctlEN|spec.TctlPSP|spec.TctlCT<<spec.TctlCTShift|spec.TctlCOLD<<spec.TctlCOLDShift)
}

// reclaim takes back what the chip has sent.
func (t *transmitter) reclaim() {
	for t.used > 0 && t.desc.Read8(uintptr(t.clean*spec.DescSize+spec.TxStatus))&spec.TxStatusDD != 0 {
		t.clean = (t.clean + 1) % ringLen
		t.used--
	}
}

// Send implements nic.Chip. One descriptor stays free: a tail that catches up
// with the head would say "empty".
func (c *controller) Send(frames [][]byte, _ *nic.Counters) (n int, err error) {
	t := &c.tx
	t.reclaim()
	for n < len(frames) && t.used < ringLen-1 {
		f, i := frames[n], t.next
		copy(t.data[i*bufSize:][:bufSize], f)
		d := uintptr(i * spec.DescSize)
		t.desc.Write64(d+spec.DescAddr, t.bufs.Addr()+uint64(i*bufSize))
		t.desc.Write64(d+spec.DescLength, uint64(len(f))|
			(spec.TxCommandEOP|spec.TxCommandIFCS|spec.TxCommandRS)<<(8*(spec.TxCommand-spec.DescLength)))
		t.next = (i + 1) % ringLen
		t.used++
		n++
	}
	if n > 0 {
		c.regs.Write32(spec.TDT, uint32(t.next))
	}
	return n, nil
}

// ArmSend implements nic.Chip.
func (c *controller) ArmSend() bool {
	c.regs.Write32(spec.IMS, c.armTx)
	c.tx.reclaim()
	return c.tx.used < ringLen-1
}

func (t *transmitter) free() {
	for _, m := range []bus.DMA{t.desc, t.bufs} {
		if m != nil {
			m.Free()
		}
	}
	*t = transmitter{}
}
