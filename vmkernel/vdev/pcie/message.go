package pcie

import (
	"sync"
	"sync/atomic"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// messages is one function's interrupt state: MSI-X table and pending bits, MSI,
// INTx. Its mutex is held for a few instructions and while a message is sent or
// a line set, neither of which blocks.
type messages struct {
	on    atomic.Bool // MSI-X Enable
	level atomic.Bool // INTx as the function says, for the Status register

	mu      sync.Mutex
	sink    vbus.MSISink // nil: not plugged in
	line    vbus.Line    // nil: none
	master  bool         // the function may send
	wireOff bool         // Interrupt Disable
	held    bool         // MSI-X Function Mask
	table   []entry
	pending []uint64
	msi     bool // MSI Enable
	msiAddr uint64
	msiData uint32
	msiWait bool
}

// entry is one of the MSI-X table (PCI 3.0, 6.8.2.6).
type entry struct {
	addr    uint64
	data    uint32
	control uint32
}

// reset: every entry masked, nothing pending. INTx stays what the function says.
func (m *messages) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.table {
		m.table[i] = entry{control: spec.MSIXEntryMasked}
	}
	clear(m.pending)
	m.msiWait = false
}

// connect gives the ways out; nils take them away.
func (m *messages) connect(sink vbus.MSISink, line vbus.Line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.line != nil && line == nil {
		m.line.Set(false)
	}
	m.sink, m.line = sink, line
	m.wire()
}

func (m *messages) send(addr uint64, data uint32) {
	// Anything else would be a write to memory, which a device model is not
	// trusted with.
	if m.sink != nil && addr&spec.MessageAddressMask == spec.MessageAddressBase {
		m.sink.Signal(addr, data)
	}
}

// wire drives INTx: not with messages on (6.8.2, "prohibited from using INTx").
func (m *messages) wire() {
	if m.line != nil {
		m.line.Set(m.level.Load() && !m.wireOff && !m.msi && !m.on.Load())
	}
}

// flush sends what no longer has a reason to wait.
func (m *messages) flush() {
	if !m.master {
		return
	}
	if m.msi && m.msiWait {
		m.msiWait = false
		m.send(m.msiAddr, m.msiData)
	}
	if !m.on.Load() || m.held {
		return
	}
	for w, word := range m.pending {
		if word == 0 {
			continue
		}
		for bit := range 64 {
			if i := w*64 + bit; word>>bit&1 != 0 && m.table[i].control&spec.MSIXEntryMasked == 0 {
				m.pending[w] &^= 1 << bit
				m.send(m.table[i].addr, m.table[i].data)
			}
		}
	}
}

func (m *messages) signal(vector uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.on.Load():
		if int(vector) >= len(m.table) {
			return
		}
		e := &m.table[vector]
		if !m.master || m.held || e.control&spec.MSIXEntryMasked != 0 {
			m.pending[vector/64] |= 1 << (vector % 64)
			return
		}
		m.send(e.addr, e.data)
	case m.msi && !m.master:
		m.msiWait = true
	case m.msi:
		m.send(m.msiAddr, m.msiData)
	}
}

func (m *messages) setLevel(high bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.level.Store(high)
	m.wire()
}

// Signal sends the message of an MSI-X vector, or sets its pending bit while it
// is masked. With MSI enabled instead, it is the one message. Without both it
// does nothing: the function drives INTx. Any goroutine; does not wait.
func (e *Endpoint) Signal(vector uint16) { e.irq.signal(vector) }

// MSIXEnabled says whether vectors are in use. Any goroutine.
func (e *Endpoint) MSIXEnabled() bool { return e.irq.on.Load() }

// SetINTx says what the pin is; Interrupt Disable and enabled messages hold it
// back. Any goroutine; does not wait.
func (e *Endpoint) SetINTx(high bool) { e.irq.setLevel(high) }

// sync brings the interrupt state in line with configuration space: where the
// capabilities are (0: none), whether the function may send, whether its wire
// is cut.
func (m *messages) sync(s *space, msix, msi int, master, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.master = master
	m.wireOff = cut || s.u16(spec.Command)&spec.CommandInterruptDisable != 0
	if msix != 0 {
		c := s.u16(msix + spec.MSIXControl)
		m.on.Store(c&spec.MSIXEnable != 0)
		m.held = c&spec.MSIXFunctionMask != 0
	}
	if msi != 0 {
		m.takeMSI(s, msi)
	}
	m.wire()
	m.flush()
}

// takeMSI reads the MSI capability. MSI-X and MSI together are software's error
// (6.8.2): MSI-X wins.
func (m *messages) takeMSI(s *space, at int) {
	m.msi = s.u16(at+spec.MSIControl)&spec.MSIEnable != 0 && !m.on.Load()
	m.msiAddr = uint64(s.u32(at+spec.MSIAddressHigh))<<32 | uint64(s.u32(at+spec.MSIAddress))
	m.msiData = uint32(s.u16(at + spec.MSIData64))
}

// addMSI adds the MSI capability: one message, 64-bit address.
func (s *space) addMSI() (at int, err error) {
	body, mask := make([]byte, 12), make([]byte, 12)
	le.PutUint16(body, spec.MSI64)
	le.PutUint16(mask, spec.MSIEnable)
	le.PutUint32(mask[spec.MSIAddress-2:], ^uint32(3))
	le.PutUint32(mask[spec.MSIAddressHigh-2:], ^uint32(0))
	le.PutUint16(mask[spec.MSIData64-2:], 0xffff)
	return s.capability(spec.CapMSI, body, mask)
}
