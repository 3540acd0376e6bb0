package pcie

import (
	"fmt"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vbus"
)

const (
	stateVersion = 1
	maxName      = 256
	maxFunction  = 16 << 20 // bytes of a function's own state
)

// SaveState writes the root complex: ports and who is in which slot. Endpoints are
// devices of the bus and save themselves.
func (r *Root) SaveState() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U32(r.address.Load())
	e.U16(uint16(len(r.ports)))
	for _, p := range r.ports {
		e.Fixed(p.regs.b[:])
		e.Bool(p.leaving)
		e.Bool(p.told())
		name := ""
		if p.card != nil {
			name = p.card.Name()
		}
		e.Var([]byte(name))
	}
	return e.Bytes(), nil
}

// LoadState replaces the state, or changes nothing and says why. The same devices
// must be in the same slots.
func (r *Root) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	address, n := d.U32(), int(d.U16())
	d.Check(address&^configAddressMask == 0, "address")
	r.mu.Lock()
	defer r.mu.Unlock()
	if n != len(r.ports) {
		return fmt.Errorf("pcie: load state: %d slots, this machine has %d: %w", n, len(r.ports), checkpoint.ErrInvalid)
	}
	type loaded struct {
		regs          [spec.ConfigSize]byte
		leaving, told bool
	}
	all := make([]loaded, n)
	for i, p := range r.ports {
		d.Fixed(all[i].regs[:])
		all[i].leaving, all[i].told = d.Bool(), d.Bool()
		name, here := string(d.Var(maxName)), ""
		if p.card != nil {
			here = p.card.Name()
		}
		d.Check(name == here, fmt.Sprintf("slot %d has %q, the state %q", i, here, name))
	}
	if err := d.Done("pcie"); err != nil {
		return err
	}
	r.address.Store(address)
	for i, p := range r.ports {
		p.regs.load(&all[i].regs)
		p.regs.settlePower(p.pm, spec.PMStateD0)
		p.leaving = all[i].leaving && p.card != nil
		p.setLink(p.card != nil && p.control()&spec.SlotPowerOff == 0)
		p.irq.reset()
		p.active = all[i].told
	}
	r.route()
	for _, p := range r.ports {
		p.settle()
	}
	return nil
}

// SaveState writes the configuration space, the interrupt state and the state of
// the function, which must be vbus.Stateful.
func (e *Endpoint) SaveState() ([]byte, error) {
	f, ok := e.f.(vbus.Stateful)
	if !ok {
		return nil, fmt.Errorf("pcie: %s cannot be saved", e.Name())
	}
	inner, err := f.SaveState()
	if err != nil {
		return nil, err
	}
	if len(inner) > maxFunction {
		return nil, fmt.Errorf("pcie: %s: state of %d bytes", e.Name(), len(inner))
	}
	if r := e.lockRoot(); r != nil {
		defer r.mu.Unlock()
	}
	c := checkpoint.NewEncoder(stateVersion)
	c.U16(e.cfg.Vendor)
	c.U16(e.cfg.Device)
	c.Fixed(e.regs.b[:])
	e.irq.save(c)
	c.Var(inner)
	return c.Bytes(), nil
}

// LoadState replaces them: the function's state first, which changes nothing when
// it refuses.
func (e *Endpoint) LoadState(b []byte) error {
	f, ok := e.f.(vbus.Stateful)
	if !ok {
		return fmt.Errorf("pcie: %s cannot be loaded", e.Name())
	}
	d := checkpoint.NewDecoder(b, stateVersion)
	vendor, device := d.U16(), d.U16()
	d.Check(vendor == e.cfg.Vendor && device == e.cfg.Device, "another device")
	var regs [spec.ConfigSize]byte
	d.Fixed(regs[:])
	s := decodeMessages(d, len(e.irq.table))
	inner := d.Var(maxFunction)
	if err := d.Done(e.Name()); err != nil {
		return err
	}
	if err := f.LoadState(inner); err != nil {
		return err
	}
	r := e.lockRoot()
	e.regs.load(&regs)
	e.regs.settlePower(e.pm, spec.PMStateD0)
	e.irq.load(s)
	if r != nil {
		e.refresh()
		r.mu.Unlock()
	}
	return nil
}

// messageState is messages as saved.
type messageState struct {
	level, msiWait bool
	table          []entry
	pending        []uint64
}

func (m *messages) save(c *checkpoint.Encoder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Bool(m.level.Load())
	c.Bool(m.msiWait)
	c.U16(uint16(len(m.table)))
	for _, e := range m.table {
		c.U64(e.addr)
		c.U32(e.data)
		c.U32(e.control)
	}
	for _, w := range m.pending {
		c.U64(w)
	}
}

func decodeMessages(d *checkpoint.Decoder, entries int) (s messageState) {
	s.level, s.msiWait = d.Bool(), d.Bool()
	if n := int(d.U16()); n != entries {
		d.Fail("size of the MSI-X table")
		return s
	}
	s.table, s.pending = make([]entry, entries), make([]uint64, (entries+63)/64)
	for i := range s.table {
		s.table[i] = entry{d.U64() &^ 3, d.U32(), d.U32() & spec.MSIXEntryMasked}
	}
	for i := range s.pending {
		s.pending[i] = d.U64()
	}
	if entries%64 != 0 {
		s.pending[len(s.pending)-1] &= 1<<(entries%64) - 1
	}
	return s
}

func (m *messages) load(s messageState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.level.Store(s.level)
	m.msiWait = s.msiWait
	copy(m.table, s.table)
	copy(m.pending, s.pending)
	m.wire()
}

// told: software has the message of the event that waits.
func (p *port) told() bool {
	p.irq.mu.Lock()
	defer p.irq.mu.Unlock()
	return p.active && !p.irq.msiWait
}
