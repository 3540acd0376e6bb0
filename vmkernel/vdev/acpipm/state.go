package acpipm

import "basalt/vmkernel/checkpoint"

const stateVersion = 2 // 1 had no general-purpose events

// SaveState writes the registers.
func (p *PM) SaveState() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U16(p.sts)
	e.U16(p.en)
	e.U16(p.cnt)
	e.U64(p.carry)
	e.U8(p.reset)
	e.U16(p.gpe)
	e.U16(p.gpeEn)
	return e.Bytes(), nil
}

// LoadState replaces them, or changes nothing and says why. A carry that nobody has looked
// at shows when the clock runs: the interrupt controllers have a state of their own, which
// does not know of it.
func (p *PM) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	sts, en, cnt, carry, reset := d.U16(), d.U16(), d.U16(), d.U64(), d.U8()
	var gpe, gpeEn uint16
	if d.Version() >= 2 {
		gpe, gpeEn = d.U16(), d.U16()
	}
	d.Check(sts&^stsBits == 0, "status")
	d.Check(en&^enBits == 0, "enable")
	d.Check(cnt&^(sciEn|bmRld|slpTyp) == 0 && cnt&sciEn != 0, "control")
	d.Check(carry < 1<<32, "timer")
	d.Check(reset&^(rstSystem|rstFull) == 0, "reset")
	if err := d.Done("acpipm"); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sts, p.en, p.cnt, p.carry, p.reset = sts, en, cnt, carry, reset
	p.gpe, p.gpeEn = gpe, gpeEn
	p.update()
	return nil
}
