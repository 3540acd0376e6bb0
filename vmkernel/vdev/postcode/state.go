package postcode

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes the last code.
func (p *PostCode) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.U8(p.Last())
	return e.Bytes(), nil
}

// LoadState replaces it, or changes nothing and says why.
func (p *PostCode) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	code := d.U8()
	if err := d.Done("postcode"); err != nil {
		return err
	}
	p.Set(code)
	return nil
}
