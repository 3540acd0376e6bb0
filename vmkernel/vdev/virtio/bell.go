package virtio

// Bell wakes the goroutine of a queue. Rings are coalesced, none is lost: what was
// rung since Wait returned last makes the next Wait return.
type Bell interface {
	// Ring never blocks, never allocates and may be called by any goroutine.
	Ring()
	// Wait sleeps until the bell was rung. One goroutine only.
	Wait()
}

// FastBell is a Bell that a run loop can ring: RingFast is Ring in W1. One that has a
// Close method is closed when nobody waits for it any more.
type FastBell interface {
	Bell
	RingFast()
}

// chanBell is a Bell made of a channel. W2.
type chanBell chan struct{}

// NewBell makes the Bell that ordinary Go can ring.
func NewBell() Bell { return make(chanBell, 1) }

func (b chanBell) Ring() {
	select {
	case b <- struct{}{}:
	default: // it is ringing
	}
}

func (b chanBell) Wait() { <-b }
