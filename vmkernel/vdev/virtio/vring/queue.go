package vring

import (
	"errors"
	"fmt"
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
)

var (
	// ErrNeedsReset says that the driver broke a rule of the specification. The
	// device sets DEVICE_NEEDS_RESET (2.1.2) and stops using the queue, which
	// gives this error to everything until Reset.
	ErrNeedsReset = errors.New("the virtqueue needs a reset")
	// ErrStopped says that the queue was not started since it was made or reset.
	ErrStopped = errors.New("the virtqueue is not started")
	// ErrNotOut says that Push got a chain that this queue did not hand out since
	// it was started, or that was pushed before. The queue is not broken by it.
	ErrNotOut = errors.New("the chain is not out")
	// ErrTooMuch says that Push was told of more bytes than the chain can hold. The
	// queue is not broken by it, and the chain is still out.
	ErrTooMuch = errors.New("more bytes than the chain has room for")
)

// Queue is the device's side of one virtqueue. The zero value is stopped.
type Queue struct {
	cfg    Config
	packed bool
	events bool   // VIRTIO_F_EVENT_IDX
	err    error  // what broke it
	live   bool   // started
	epoch  uint32 // counts Reset

	// Split: the index of the next entry to take from the available ring, the one
	// to write in the used ring, and the available index that was read last.
	// Packed: ring positions, avail and used below size.
	avail, used         uint16
	seen                uint16
	availWrap, usedWrap bool     // packed, 2.8.1
	out                 uint32   // ring slots handed out: chains, or packed descriptors
	unsignalled         uint32   // ring slots pushed since NeedInterrupt, saturating
	heads               []uint64 // split: a bit for each head that is out
	raw                 [spec.DescSize]byte
	fence               atomic.Uint32
}

// Start takes the queue into use with the indices at their first values. It
// fails with ErrNeedsReset if the configuration is not one that a driver may
// make. The only allocation is here: a bit for each descriptor.
func (q *Queue) Start(c Config) error {
	q.Reset()
	q.cfg = c
	q.packed, q.events = c.has(spec.FRingPacked), c.has(spec.FRingEventIdx)
	q.live = true
	q.availWrap, q.usedWrap = true, true
	if err := q.check(); err != nil {
		return err
	}
	if !q.packed {
		q.heads = make([]uint64, (int(c.Size)+63)/64)
	}
	return nil
}

// Reset stops the queue and forgets everything, what is out too: to push such a
// chain later gives ErrNotOut.
func (q *Queue) Reset() {
	q.cfg, q.packed, q.events = Config{}, false, false
	q.err, q.live = nil, false
	q.epoch++
	q.avail, q.used, q.seen = 0, 0, 0
	q.availWrap, q.usedWrap = false, false
	q.out, q.unsignalled, q.heads = 0, 0, nil
}

// Err is nil while the queue works, else ErrStopped or what broke it.
func (q *Queue) Err() error {
	if q.err == nil && !q.live {
		return ErrStopped
	}
	return q.err
}

// Size is the number of descriptors; 0 when stopped.
func (q *Queue) Size() int { return int(q.cfg.Size) }

// Out says whether chains were handed out that are not pushed yet.
func (q *Queue) Out() bool { return q.out != 0 }

// fail breaks the queue.
func (q *Queue) fail(format string, args ...any) error {
	q.err = fmt.Errorf("vring: %w: %s", ErrNeedsReset, fmt.Sprintf(format, args...))
	return q.err
}

// Next takes the next chain that the driver made available into c. more is false
// if there is none. The error is ErrNeedsReset or ErrStopped; c is empty then.
// The work is bounded by the queue size.
func (q *Queue) Next(c *Chain) (more bool, err error) {
	c.clear()
	if err := q.Err(); err != nil {
		return false, err
	}
	if q.packed {
		more, err = q.nextPacked(c)
	} else {
		more, err = q.nextSplit(c)
	}
	if err != nil || !more {
		c.clear()
		return false, err
	}
	c.owner, c.epoch = q, q.epoch
	q.out += uint32(c.slots)
	return true, nil
}

// Push gives a chain back to the driver: written bytes from the start of its
// writable segments are new. All data must be in guest memory before (2.7.8.2).
// The driver sees it at once, NeedInterrupt says whether it wants to be told.
// Chains may be pushed in any order. The error is ErrNotOut, ErrTooMuch,
// ErrStopped or ErrNeedsReset.
func (q *Queue) Push(c *Chain, written uint32) error {
	if c.slots == 0 || c.owner != q || c.epoch != q.epoch {
		return ErrNotOut
	}
	if err := q.Err(); err != nil {
		return err
	}
	if uint64(written) > c.WritableBytes() {
		return fmt.Errorf("vring: %d bytes into %d: %w", written, c.WritableBytes(), ErrTooMuch)
	}
	var err error
	if q.packed {
		err = q.pushPacked(c, written)
	} else {
		err = q.pushSplit(c, written)
	}
	if err != nil {
		return err
	}
	q.out -= uint32(c.slots)
	q.unsignalled = min(q.unsignalled+uint32(c.slots), 1<<16)
	c.slots = 0
	return nil
}
