package virtiotest

import "sync"

// Slot is the PCI endpoint as the transport sees it. It starts with bus mastering
// and MSI-X on.
type Slot struct {
	mu       sync.Mutex
	msix     bool
	master   bool
	pin      bool
	rises    int
	count    map[uint16]int
	activity chan struct{}
}

// NewSlot makes a slot.
func NewSlot() *Slot {
	return &Slot{msix: true, master: true, count: map[uint16]int{}, activity: make(chan struct{}, 1)}
}

func (s *Slot) happen() {
	select {
	case s.activity <- struct{}{}:
	default:
	}
}

// Signal counts a message.
func (s *Slot) Signal(vector uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[vector]++
	s.happen()
}

// Signals is the number of messages of a vector so far.
func (s *Slot) Signals(vector uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[vector]
}

// MSIXEnabled is what SetMSIX said.
func (s *Slot) MSIXEnabled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.msix
}

// SetMSIX switches MSI-X.
func (s *Slot) SetMSIX(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.msix = on
}

// SetINTx is the device driving its pin.
func (s *Slot) SetINTx(high bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if high && !s.pin {
		s.rises++
		s.happen()
	}
	s.pin = high
}

// Pin is the level of the pin and how often it rose.
func (s *Slot) Pin() (high bool, rises int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pin, s.rises
}

// BusMaster is what SetBusMaster said.
func (s *Slot) BusMaster() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.master
}

// SetBusMaster allows the device to reach memory, or not.
func (s *Slot) SetBusMaster(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.master = on
}
