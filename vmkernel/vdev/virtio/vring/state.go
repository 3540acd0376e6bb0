package vring

import (
	"errors"
	"fmt"

	spec "basalt/drivers/spec/virtio"
)

// ErrOut says that a queue cannot be saved because chains are out. The device
// finishes and pushes them first.
var ErrOut = errors.New("chains are out")

// ErrState says that a saved state is not possible.
var ErrState = errors.New("impossible state of a virtqueue")

// State is what the device knows of a started queue beside its Config; the rest
// is in guest memory. Chains are never part of it. For the checkpoint codec.
type State struct {
	// Next is the index or ring position of the next chain to take, which is where
	// the next used one goes, too: nothing is out.
	Next uint16
	// Wrap is the wrap counter of a packed queue; false for a split one.
	Wrap bool
	// Unsignalled is the number of used entries or descriptors that NeedInterrupt
	// was not asked about, at most 65536.
	Unsignalled uint32
	// Broken says that the queue waits for Reset.
	Broken bool
}

// Save gives the state. It fails with ErrOut, or with ErrStopped when there is
// none.
func (q *Queue) Save() (State, error) {
	switch {
	case !q.live:
		return State{}, ErrStopped
	case q.err != nil:
		return State{Broken: true}, nil
	case q.out != 0:
		return State{}, ErrOut
	}
	return State{Next: q.avail, Wrap: q.availWrap && q.packed, Unsignalled: q.unsignalled}, nil
}

// Load starts the queue with a saved state. The configuration is checked as
// Start does, the state by ErrState. A broken queue is loaded as a broken one,
// without an error and whatever the configuration.
func (q *Queue) Load(c Config, s State) error {
	packed := c.has(spec.FRingPacked)
	if packed && !s.Broken && s.Next >= c.Size || !packed && s.Wrap || s.Unsignalled > 1<<16 {
		return fmt.Errorf("vring: %w: %+v of size %d", ErrState, s, c.Size)
	}
	if err := q.Start(c); err != nil && !s.Broken {
		return err
	}
	if s.Broken {
		_ = q.fail("it was broken when it was saved")
		return nil
	}
	q.avail, q.used, q.seen = s.Next, s.Next, s.Next
	if packed {
		q.availWrap, q.usedWrap = s.Wrap, s.Wrap
	}
	q.unsignalled = s.Unsignalled
	return nil
}
