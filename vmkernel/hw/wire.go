package hw

import (
	"errors"
	"slices"
	"sync"

	"basalt/drivers/bus"
)

var errWireClosed = errors.New("hw: interrupt is closed")

// pin is a level-triggered input of an interrupt controller with its vector. Each
// interrupt leaves it masked. Tests have a double.
type pin interface {
	Wait() error
	Unmask()
	Mask()
	Close() error
}

// wire is one line with the devices that share it.
type wire struct {
	pin     pin
	mu      sync.Mutex
	sharers []*sharer
	busy    int // sharers that were told and have not enabled the line again
}

// sharer is one device's bus.Interrupt on a wire.
type sharer struct {
	w      *wire
	fired  chan struct{}
	closed chan struct{}
	// on: wants interrupts. told: was woken, and the line waits for its Enable.
	on, told, gone bool
}

var _ bus.Interrupt = (*sharer)(nil)

func newWire(p pin) *wire {
	w := &wire{pin: p}
	go w.run()
	return w
}

// share adds a device, disabled.
func (w *wire) share() *sharer {
	s := &sharer{w: w, fired: make(chan struct{}, 1), closed: make(chan struct{})}
	w.mu.Lock()
	w.sharers = append(w.sharers, s)
	w.mu.Unlock()
	return s
}

// run passes each interrupt to all who want one. The line is masked until the last
// of them has enabled it.
func (w *wire) run() {
	for w.pin.Wait() == nil {
		w.mu.Lock()
		for _, s := range w.sharers {
			if s.on && !s.told {
				s.told = true
				w.busy++
				select {
				case s.fired <- struct{}{}:
				default:
				}
			}
		}
		w.settle()
		w.mu.Unlock()
	}
}

// settle opens the line when nobody is busy and somebody wants it; mu is held.
func (w *wire) settle() {
	if w.busy == 0 && slices.ContainsFunc(w.sharers, func(s *sharer) bool { return s.on }) {
		w.pin.Unmask()
	}
}

// Wait implements bus.Interrupt.
func (s *sharer) Wait() error {
	select {
	case <-s.closed:
		return errWireClosed
	default:
	}
	select {
	case <-s.fired:
		return nil
	case <-s.closed:
		return errWireClosed
	}
}

// Enable implements bus.Interrupt.
func (s *sharer) Enable() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.gone {
		return
	}
	s.on = true
	s.done()
}

// Disable implements bus.Interrupt.
func (s *sharer) Disable() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.on = false
	if !slices.ContainsFunc(s.w.sharers, func(s *sharer) bool { return s.on }) {
		s.w.pin.Mask()
	}
	s.done()
}

func (s *sharer) done() {
	if s.told {
		s.told = false
		s.w.busy--
	}
	s.w.settle()
}

// Close implements bus.Interrupt. The wire itself stays, for the next device.
func (s *sharer) Close() error {
	s.Disable()
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if !s.gone {
		s.gone = true
		close(s.closed)
		s.w.sharers = slices.DeleteFunc(s.w.sharers, func(o *sharer) bool { return o == s })
	}
	return nil
}
