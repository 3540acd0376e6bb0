package console

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/checkpoint"
)

// ReadConfig is struct virtio_console_config, 5.3.4.
func (m *model) ReadConfig(off int, p []byte) {
	var b [spec.ConsoleCfgSize]byte
	m.mu.Lock()
	defer m.mu.Unlock()
	binary.LittleEndian.PutUint16(b[spec.ConsoleCols:], m.cols)
	binary.LittleEndian.PutUint16(b[spec.ConsoleRows:], m.rows)
	if m.multi {
		binary.LittleEndian.PutUint32(b[spec.ConsoleMaxPorts:], uint32(len(m.ports)))
	}
	copy(p, b[off:])
}

// WriteConfig is an emergency write, 5.3.5.1: the lower byte goes out at once.
// What the backend does not take then is lost.
func (m *model) WriteConfig(off int, p []byte) bool {
	if off != spec.ConsoleEmergWr || len(p) > 4 {
		return false
	}
	_, _ = m.ports[0].Backend.Write(p[:1])
	return true
}

// Accept takes every subset.
func (m *model) Accept(features uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.negotiated = features
	return true
}

// Reset forgets what the driver said and what waits.
func (m *model) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready, m.negotiated = false, 0
	for _, p := range m.ports {
		p.ready, p.guestOpen, p.todo = false, false, 0
		p.have, p.left = nil, nil
	}
}

// Close has nothing to end: backends are their owner's.
func (m *model) Close() {}

const stateVersion = 1

// SaveState writes the ports, with input and output that waits.
func (m *model) SaveState() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U8(uint8(len(m.ports)))
	e.Bool(m.ready)
	e.U16(m.cols)
	e.U16(m.rows)
	for _, p := range m.ports {
		e.Bool(p.ready)
		e.Bool(p.guestOpen)
		e.Bool(p.hostOpen)
		e.U8(p.todo)
		e.Var(p.have)
		e.Var(p.left)
	}
	return e.Bytes(), nil
}

// LoadState replaces them, or changes nothing and says why.
func (m *model) LoadState(b []byte) error {
	x := checkpoint.NewDecoder(b, stateVersion)
	x.Check(int(x.U8()) == len(m.ports), "number of ports")
	ready, cols, rows := x.Bool(), x.U16(), x.U16()
	type saved struct {
		ready, guestOpen, hostOpen bool
		todo                       uint8
		have, left                 []byte
	}
	ports := make([]saved, len(m.ports))
	for i := range ports {
		s := &ports[i]
		s.ready, s.guestOpen, s.hostOpen, s.todo = x.Bool(), x.Bool(), x.Bool(), x.U8()
		s.have, s.left = x.Var(maxIn), x.Var(maxOut)
		x.Check(s.todo&^sayAll == 0, "messages")
	}
	if err := x.Done(m.name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready, m.cols, m.rows = ready, cols, rows
	for i, p := range m.ports {
		s := &ports[i]
		p.ready, p.guestOpen, p.hostOpen, p.todo = s.ready, s.guestOpen, s.hostOpen, s.todo
		p.have = p.inb[:copy(p.inb[:], s.have)]
		if p.left = nil; len(s.left) > 0 {
			if p.outb == nil {
				p.outb = make([]byte, maxOut)
			}
			p.left = p.outb[:copy(p.outb, s.left)]
		}
	}
	return nil
}
