package pic

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes both chips. The machine is paused.
func (p *PIC) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.U64(p.master.Load())
	e.U64(p.slave.Load())
	return e.Bytes(), nil
}

// LoadState replaces both chips, or changes nothing and says why. Every word is
// a possible state, but for the ELCR and the base, which have fixed bits.
func (p *PIC) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	m, s := chip(d.U64()), chip(d.U64())
	d.Check(m.field(fELCR)&^masterLevel == 0 && s.field(fELCR)&^slaveLevel == 0, "elcr")
	d.Check((m.field(fBase)|s.field(fBase))&7 == 0, "vector base")
	d.Check((m|s)>>61 == 0, "flags")
	if err := d.Done("pic"); err != nil {
		return err
	}
	p.master.Store(uint64(m))
	p.slave.Store(uint64(s))
	return nil
}
