package virtio

import "errors"

// Bell wakes the goroutine of a queue. Rings are coalesced, none is lost: what was
// rung since Wait returned last makes the next Wait return. vmkernel/irq has one
// that run loops may ring.
type Bell interface {
	// Ring never blocks and never allocates. It is called neither after Close nor
	// at the same time.
	Ring()
	// Wait sleeps until the bell was rung; an error says that it never will be.
	// One goroutine only.
	Wait() error
	// Close gives the bell's resources back and ends a Wait.
	Close() error
}

// FastBell is a Bell that a run loop can ring: RingFast is Ring in W1. A run loop may
// still be about to ring when Close returns: such a late call does no harm.
type FastBell interface {
	Bell
	RingFast()
}

var errBellClosed = errors.New("virtio: bell is closed")

// chanBell is a Bell made of a channel.
type chanBell struct {
	rung   chan struct{}
	closed chan struct{}
}

// NewBell makes the Bell that only ordinary Go (W2) can ring; name is for
// messages.
func NewBell(name string) (Bell, error) {
	return &chanBell{make(chan struct{}, 1), make(chan struct{})}, nil
}

func (b *chanBell) Ring() {
	select {
	case b.rung <- struct{}{}:
	default: // it is ringing
	}
}

func (b *chanBell) Wait() error {
	select {
	case <-b.rung:
		return nil
	case <-b.closed:
		return errBellClosed
	}
}

func (b *chanBell) Close() error {
	close(b.closed)
	return nil
}
