package virtio

// Bell wakes the goroutine of a queue. Rings are coalesced, none is lost: what was
// rung since Wait returned last makes the next Wait return.
type Bell interface {
	// Ring never blocks, never allocates and may be called by anybody, from the
	// run loop (W1) too once the implementation allows that.
	Ring()
	// Wait sleeps until the bell was rung. One goroutine only.
	Wait()
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
