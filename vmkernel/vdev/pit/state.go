package pit

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes the channels; times are ticks of the VM's clock, which is
// saved with the machine.
func (p *PIT) SaveState() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U8(p.portB)
	e.I64(p.edgeAt)
	for i := range p.ch {
		c := &p.ch[i]
		e.U8(c.mode)
		e.U8(c.rw)
		for _, b := range []bool{c.bcd, c.gate, c.armed, c.paused, c.writeHi, c.readHi, c.latched, c.statusOn} {
			e.Bool(b)
		}
		e.U32(uint32(c.count))
		e.U32(uint32(c.next))
		e.I64(c.start)
		e.I64(c.since)
		e.I64(c.nextAt)
		e.U8(c.writeLow)
		e.U16(c.latch)
		e.U8(c.status)
	}
	return e.Bytes(), nil
}

// LoadState replaces the channels, or changes nothing and says why. The clock
// was set before.
func (p *PIT) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	// No tick that the channels know of is further away than two periods.
	far := p.now() + 1<<18
	portB, edgeAt := d.U8(), d.I64()
	d.Check(portB&^portBMask == 0, "port 61")
	d.Check(edgeAt >= 0 && edgeAt <= far, "edge")
	var ch [3]channel
	for i := range ch {
		c := &ch[i]
		c.mode, c.rw = d.U8(), d.U8()
		for _, b := range []*bool{&c.bcd, &c.gate, &c.armed, &c.paused, &c.writeHi, &c.readHi, &c.latched, &c.statusOn} {
			*b = d.Bool()
		}
		c.count, c.next = int32(d.U32()), int32(d.U32())
		c.start, c.since, c.nextAt = d.I64(), d.I64(), d.I64()
		c.writeLow, c.latch, c.status = d.U8(), d.U16(), d.U8()
		d.Check(c.mode <= 5 && c.rw >= rwLow && c.rw <= rwWord, "mode")
		d.Check(c.count >= 0 && c.count <= c.full() && c.next >= 0 && c.next <= c.full(), "count")
		d.Check(!c.periodic() || c.count != 1 && c.next != 1, "count")
		d.Check(c.next == 0 || c.periodic() && c.count != 0, "next count")
		for _, t := range []int64{c.start, c.since, c.nextAt} {
			d.Check(t >= 0 && t <= far, "time")
		}
		d.Check(i == 2 || c.gate, "gate")
	}
	d.Check(ch[2].gate == (portB&portBGate2 != 0), "gate")
	if err := d.Done("pit"); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.portB, p.ch, p.edgeAt = portB, ch, edgeAt
	if p.edgeAt == 0 {
		p.schedule(p.now())
	} else {
		p.timer.Arm(nanos(p.edgeAt))
	}
	return nil
}
