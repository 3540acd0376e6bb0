package bustest

import (
	"errors"
	"sync"

	"basalt/drivers/bus"
)

// ErrClosed is what Wait returns after Close.
var ErrClosed = errors.New("bustest: interrupt is closed")

// Interrupt is a vector that the emulated device drives: Raise for messages
// (edges), Set for a wire (level). It starts disabled.
type Interrupt struct {
	Wire bool // level-triggered: Wait leaves it masked

	mu      sync.Mutex
	changed sync.Cond
	enabled bool
	closed  bool
	pending bool // a message that came while disabled waits, as MSI-X does
	level   bool
	fired   bool // what Wait takes
	lose    int
	count   int
}

var _ bus.Interrupt = (*Interrupt)(nil)

// NewInterrupt makes one vector.
func NewInterrupt(wire bool) *Interrupt {
	i := &Interrupt{Wire: wire}
	i.changed.L = &i.mu
	return i
}

// Raise is the device sending its message.
func (i *Interrupt) Raise() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.lose > 0 {
		i.lose--
		return
	}
	i.pending = true
	i.deliver()
}

// Set is the device driving its pin.
func (i *Interrupt) Set(high bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.level = high
	i.deliver()
}

// Lose swallows the next n messages: the fault "lost interrupt".
func (i *Interrupt) Lose(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lose = n
}

// Count is the number of interrupts delivered.
func (i *Interrupt) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

func (i *Interrupt) deliver() {
	if !i.enabled || !i.pending && !i.level {
		return
	}
	if i.Wire {
		i.enabled = false // the top half masks the line
	}
	i.pending = false
	i.fired = true
	i.count++
	i.changed.Broadcast()
}

// Wait implements bus.Interrupt.
func (i *Interrupt) Wait() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for !i.fired && !i.closed {
		i.changed.Wait()
	}
	if i.closed {
		return ErrClosed
	}
	i.fired = false
	return nil
}

// Enable implements bus.Interrupt.
func (i *Interrupt) Enable() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.enabled = true
	i.deliver()
}

// Disable implements bus.Interrupt.
func (i *Interrupt) Disable() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.enabled = false
}

// Close implements bus.Interrupt.
func (i *Interrupt) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	i.changed.Broadcast()
	return nil
}
