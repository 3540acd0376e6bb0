package debugport

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes nothing but the version: the port holds no state.
func (d *DebugPort) SaveState() ([]byte, error) {
	return checkpoint.NewEncoder(stateVersion).Bytes(), nil
}

// LoadState checks that there is nothing to load.
func (d *DebugPort) LoadState(b []byte) error {
	return checkpoint.NewDecoder(b, stateVersion).Done("debugport")
}
