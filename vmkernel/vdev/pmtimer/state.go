package pmtimer

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes the width only: the count is the VM's clock.
func (t *Timer) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.U64(t.mask)
	return e.Bytes(), nil
}

// LoadState checks that the counter has the same width here.
func (t *Timer) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	d.Check(d.U64() == t.mask, "width")
	return d.Done("pmtimer")
}
