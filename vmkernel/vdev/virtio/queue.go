package virtio

import (
	"fmt"
	"sync"
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/vring"
)

// What a queue does. A register write moves it from stopped to starting and from
// there or running to stopping; the rest is done by who holds Queue.mu.
const (
	stopped  uint32 = iota
	starting        // start says how
	running
	stopping // until nothing is out
)

// Queue is one virtqueue. Its methods are for Model.Handle, on the goroutine that
// called it, except where they say otherwise.
type Queue struct {
	d     *Device
	index int
	max   uint16
	state atomic.Uint32

	bell   Bell
	fast   FastBell     // the same, if it is one
	silent bool         // the bell is closed
	bellMu sync.RWMutex // held for reading to ring, for writing to close

	// Registers; d.mu.
	size                 uint16
	desc, driver, device uint64
	enabled, resetting   bool
	vector               atomic.Uint32
	worker               bool   // it has a goroutine
	seen                 uint32 // epoch in which nothing is out

	start vring.Config // belongs to mu's holder from starting on

	mu      sync.Mutex
	ring    *vring.Queue
	out     int    // chains
	budget  int    // chains that this pass may take
	taking  bool   // this pass may take any
	entered uint32 // epoch of Enter
}

func newQueue(d *Device, index int, most uint16, b Bell) *Queue {
	q := &Queue{d: d, index: index, max: most, bell: b, ring: new(vring.Queue)}
	q.fast, _ = b.(FastBell)
	return q
}

// clear makes the registers what they are after a reset. d.mu is held.
func (q *Queue) clear() {
	q.size, q.desc, q.driver, q.device = q.max, 0, 0, 0
	q.enabled, q.resetting = false, false
	q.vector.Store(spec.NoVector)
}

// Index is the queue's number.
func (q *Queue) Index() int { return q.index }

// Size is the number of descriptors that the driver chose.
func (q *Queue) Size() int { return q.ring.Size() }

// Has says whether a feature was negotiated.
func (q *Queue) Has(bit int) bool { return q.start.Features>>bit&1 != 0 }

// Memory is the guest's.
func (q *Queue) Memory() *gmem.Memory { return q.d.cfg.Memory }

// Ring makes the queue's goroutine call Handle. Any goroutine, at any time, after
// Close too; it waits for nothing.
func (q *Queue) Ring() {
	q.bellMu.RLock()
	if !q.silent {
		q.bell.Ring()
	}
	q.bellMu.RUnlock()
}

// silence closes the bell.
func (q *Queue) silence() {
	q.bellMu.Lock()
	defer q.bellMu.Unlock()
	if !q.silent {
		q.silent = true
		_ = q.bell.Close() // nobody waits any more
	}
}

// Ending says that the driver resets the device or this queue, or that the device is
// closed: what is out has to come back whatever becomes of the data.
func (q *Queue) Ending() bool { return q.state.Load() == stopping }

// Leaving says that the device pauses or the queue ends: a chain that waits for
// something has to come back now.
func (q *Queue) Leaving() bool { return q.Ending() || q.d.epoch.Load()%2 != 0 }

// Other is another queue of the device, for Ring.
func (q *Queue) Other(i int) *Queue { return q.d.queues[i] }

// Bell is what the doorbell rings, for the run loop, which must not ring it any more
// when Device.Close is called.
func (q *Queue) Bell() Bell { return q.bell }

// Next takes the next chain. more is false if there is none, or if none may be
// taken: the device is stopping, paused, broken or no bus master, or a whole queue
// of them was taken already. Handle then returns and is called again.
func (q *Queue) Next(c *vring.Chain) (more bool) {
	if !q.taking || q.budget == 0 || q.Leaving() {
		return false
	}
	more, err := q.ring.Next(c)
	if err != nil {
		q.taking = false
		q.d.fail(err)
	}
	if more {
		q.budget--
		q.out++
	}
	return more
}

// Push gives a chain back that Next gave: exactly once for each, in any order.
// written bytes at the start of its writable part are new. Once the device is
// broken the driver does not see it.
func (q *Queue) Push(c *vring.Chain, written uint32) {
	q.out--
	if q.d.broken.Load() {
		return
	}
	if err := q.ring.Push(c, written); err != nil {
		q.d.fail(err)
	}
}

// Breach says that the driver broke a rule in this chain or queue: the device
// needs a reset. Chains that are out still have to be pushed.
func (q *Queue) Breach(format string, args ...any) {
	q.taking = false
	q.d.fail(fmt.Errorf("%w: queue %d: %s", ErrDriver, q.index, fmt.Sprintf(format, args...)))
}

// Signal sends an interrupt now if the driver wants one for what was pushed.
// Otherwise that happens after Handle.
func (q *Queue) Signal() {
	if q.d.broken.Load() {
		return
	}
	need, err := q.ring.NeedInterrupt()
	if err != nil {
		q.d.fail(err)
	}
	if need {
		q.d.usedInterrupt(q)
	}
}
