package pcie

import (
	"fmt"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// addMSIX adds the capability and gives the endpoint the BAR for table and pending
// bits: the table at 0, the bits in the second half, so that they share no page
// with registers (6.8.2, implementation note).
func (e *Endpoint) addMSIX() error {
	n := e.cfg.Vectors
	size := uint64(4096)
	for size < 2*uint64(n)*spec.MSIXEntrySize {
		size *= 2
	}
	bar := e.cfg.MSIXBAR
	if bar < 0 || bar > 5 || e.cfg.BARs[bar].Size != 0 || bar > 0 && e.cfg.BARs[bar-1].Size != 0 && e.cfg.BARs[bar-1].Kind == Mem64 {
		return fmt.Errorf("pcie: MSI-X table in BAR %d, which is taken: %w", bar, ErrConfig)
	}
	e.cfg.BARs[bar] = BAR{Size: size}
	e.pba = size / 2
	body, mask := make([]byte, spec.MSIXLength-2), make([]byte, 2)
	le.PutUint16(body, uint16(n-1))
	le.PutUint16(mask, spec.MSIXEnable|spec.MSIXFunctionMask)
	le.PutUint32(body[spec.MSIXTable-2:], uint32(bar))
	le.PutUint32(body[spec.MSIXPBA-2:], uint32(e.pba)|uint32(bar))
	var err error
	e.msix, err = e.regs.capability(spec.CapMSIX, body, mask)
	e.irq.table = make([]entry, n)
	e.irq.pending = make([]uint64, (n+63)/64)
	return err
}

// aligned: software uses aligned accesses of 4 and 8 bytes only (6.8.2).
func aligned(off uint64, data []byte) bool {
	return len(data) == 4 && off%4 == 0 || len(data) == 8 && off%8 == 0
}

// readTable reads table or pending bits; what lies between reads zero.
func (m *messages) readTable(pba, off uint64, data []byte) vbus.Access {
	if !aligned(off, data) {
		return vbus.BadSize
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(data) > 0 {
		var v uint32
		switch i := off / spec.MSIXEntrySize; {
		case i < uint64(len(m.table)):
			e := &m.table[i]
			v = [4]uint32{uint32(e.addr), uint32(e.addr >> 32), e.data, e.control}[off/4%4]
		case off >= pba && (off-pba)/8 < uint64(len(m.pending)):
			v = uint32(m.pending[(off-pba)/8] >> (off % 8 * 8))
		}
		le.PutUint32(data, v)
		data, off = data[4:], off+4
	}
	return vbus.OK
}

// writeTable writes the table; the pending bits are read-only.
func (m *messages) writeTable(off uint64, data []byte) vbus.Access {
	if !aligned(off, data) {
		return vbus.BadSize
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(data) > 0 {
		if i := off / spec.MSIXEntrySize; i < uint64(len(m.table)) {
			e, v := &m.table[i], le.Uint32(data)
			switch off % spec.MSIXEntrySize {
			case spec.MSIXEntryAddr:
				e.addr = e.addr>>32<<32 | uint64(v&^3)
			case spec.MSIXEntryAddrHigh:
				e.addr = uint64(v)<<32 | uint64(uint32(e.addr))
			case spec.MSIXEntryData:
				e.data = v
			case spec.MSIXEntryControl:
				e.control = v & spec.MSIXEntryMasked
				m.release(int(i))
			}
		}
		data, off = data[4:], off+4
	}
	return vbus.OK
}

// release sends the pending message of one entry if nothing holds it.
func (m *messages) release(i int) {
	bit := uint64(1) << (i % 64)
	if e := &m.table[i]; m.pending[i/64]&bit != 0 && m.master && m.on.Load() && !m.held && e.control&spec.MSIXEntryMasked == 0 {
		m.pending[i/64] &^= bit
		m.send(e.addr, e.data)
	}
}
