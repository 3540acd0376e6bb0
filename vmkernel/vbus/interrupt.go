package vbus

import "sync/atomic"

// MSISink takes message-signalled interrupts: a write of data to a
// guest-physical address in 0xFEEx_xxxx (SDM Vol. 3A, "Message Signalled
// Interrupts", 11.11, edition 083). The IOAPIC speaks it too. Safe for any
// goroutine and for W1; never blocks. accepted is false when no enabled local
// APIC is addressed.
type MSISink interface {
	Signal(addr uint64, data uint32) (accepted bool)
}

// EOISink hears the EOI broadcast of a level-triggered vector. Safe for any
// goroutine and for W1; never blocks.
type EOISink interface {
	EOI(vector uint8)
}

// NoLine is an unconnected pin.
type NoLine struct{}

// Set does nothing.
func (NoLine) Set(bool) {}

// Pulse makes one edge: high, then low. For edge-triggered inputs that latch.
func Pulse(l Line) {
	l.Set(true)
	l.Set(false)
}

// Fan is one wire to several inputs: an ISA interrupt goes to the PIC and to
// the IOAPIC. Immutable after it was built.
type Fan []Line

// Set sets every input in order.
func (f Fan) Set(high bool) {
	for _, l := range f {
		l.Set(high)
	}
}

// Counted counts the rising edges that pass. Safe for any goroutine.
type Counted struct {
	To    Line
	level atomic.Bool
	edges atomic.Uint64
}

// Set counts a rising edge and passes the level on.
func (c *Counted) Set(high bool) {
	if c.level.Swap(high) != high && high {
		c.edges.Add(1)
	}
	c.To.Set(high)
}

// Edges is the number of rising edges so far.
func (c *Counted) Edges() uint64 { return c.edges.Load() }

// Shared is a wired-OR of up to 32 level-triggered outputs onto one input:
// the input is high while any output is. Safe for any goroutine, no lock:
// several setters may race to pass the level on, so every one passes what it
// finds last and looks again whether that still holds.
type Shared struct {
	to   Line
	mask atomic.Uint32
}

// NewShared makes the junction in front of an input.
func NewShared(to Line) *Shared { return &Shared{to: to} }

// Output is the end for one device, number 0 to 31; nil for other numbers.
func (s *Shared) Output(number int) Line {
	if number < 0 || number > 31 {
		return nil
	}
	return &sharedOutput{s, 1 << number}
}

type sharedOutput struct {
	s   *Shared
	bit uint32
}

func (o *sharedOutput) Set(high bool) {
	s := o.s
	var old, now uint32
	for {
		old = s.mask.Load()
		now = old &^ o.bit
		if high {
			now |= o.bit
		}
		if s.mask.CompareAndSwap(old, now) {
			break
		}
	}
	if (old != 0) == (now != 0) {
		return
	}
	// Another setter may have crossed zero between our change and our Set; the
	// last one to look repairs it. Bounded: each turn needs another crossing.
	for level := now != 0; ; {
		s.to.Set(level)
		again := s.mask.Load() != 0
		if again == level {
			return
		}
		level = again
	}
}
