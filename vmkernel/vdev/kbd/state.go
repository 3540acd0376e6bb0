package kbd

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes system port A.
func (k *Kbd) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.U8(uint8(k.portA.Load()))
	return e.Bytes(), nil
}

// LoadState replaces it, or changes nothing and says why. It resets nothing.
func (k *Kbd) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	a := d.U8()
	d.Check(a&fastReset == 0 && a&a20 != 0, "port A")
	if err := d.Done("kbd"); err != nil {
		return err
	}
	k.portA.Store(uint32(a))
	return nil
}
