package ioapic

import (
	"fmt"

	"basalt/vmkernel/checkpoint"
)

const stateVersion = 1

// SaveState writes the registers and the pins. The machine is paused.
func (p *IOAPIC) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.U32(p.sel.Load())
	e.U32(p.id.Load())
	for i := range p.pins {
		e.U64(p.pins[i].Load())
	}
	return e.Bytes(), nil
}

// LoadState replaces the registers, or changes nothing and says why.
func (p *IOAPIC) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	sel, id := d.U32(), d.U32()
	d.Check(sel <= 0xFF, "select")
	d.Check(id&^0x0F00_0000 == 0, "id")
	var pins [NumPins]uint64
	for i := range pins {
		pins[i] = d.U64()
		e := entry(pins[i])
		d.Check(e&^(rteVisible|rtePin) == 0 && (e&rteRemoteIRR == 0 || e&rteLevel != 0), fmt.Sprintf("entry %d", i))
	}
	if err := d.Done("ioapic"); err != nil {
		return err
	}
	p.sel.Store(sel)
	p.id.Store(id)
	for i := range pins {
		p.pins[i].Store(pins[i])
	}
	return nil
}
