package rtc

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes the cells and the offset to the VM's clock.
func (r *RTC) SaveState() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.Fixed(r.cells[:])
	e.U8(r.index)
	e.U8(r.index2)
	e.I64(r.offset)
	e.I64(r.seen)
	return e.Bytes(), nil
}

// LoadState replaces them, or changes nothing and says why. What has happened since the
// last look shows when the clock runs: the interrupt controllers have a state of their
// own, which does not know of it.
func (r *RTC) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	var cells [256]uint8
	d.Fixed(cells[:])
	index, index2, offset, seen := d.U8(), d.U8(), d.I64(), d.I64()
	now := r.clock.Now()
	d.Check(cells[RegA]&aUIP == 0, "register A")
	d.Check(cells[RegB]&(bSET|bUIE) != bSET|bUIE, "register B")
	d.Check(cells[RegC]&^bIRQs == 0, "register C")
	d.Check(cells[RegD] == dVRT, "register D")
	d.Check(index < 0x80 && index2 >= 0x80, "index")
	const far = 1 << 62
	d.Check(seen >= 0 && seen < far && offset > -far && offset < far, "time")
	d.Check(offset+seen >= 0 && offset+now >= 0, "time of day")
	if err := d.Done("rtc"); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cells, r.index, r.index2, r.offset, r.seen = cells, index, index2, offset, seen
	r.irq.Set(r.irqf())
	r.timer.Arm(now)
	return nil
}
