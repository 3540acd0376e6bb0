package virtio

import "basalt/vmkernel/vdev/virtio/vring"

// Enter gives another goroutine than the queue's own the rights of Model.Handle on
// the queue until Leave, which it must call if ok: for device types to which data
// comes by itself, as packets do. It waits while somebody else works on the queue.
// All chains that are taken are pushed or untaken before Leave. Not ok: the queue
// does not run, or is paused or broken; there is nothing to leave. Not with a lock
// held that Model.Handle takes for this queue, nor from inside Handle.
func (q *Queue) Enter() (ok bool) {
	q.mu.Lock()
	q.begin()
	d := q.d
	q.entered = d.epoch.Load()
	q.taking = q.state.Load() == running && q.entered%2 == 0 && !d.broken.Load() && d.intr.BusMaster()
	if !q.taking {
		q.mu.Unlock()
		return false
	}
	q.budget = q.ring.Size()
	return true
}

// Leave ends what Enter began and interrupts the driver if it wants that.
func (q *Queue) Leave() {
	q.taking = false
	if q.ring.Err() == nil {
		q.Signal()
	}
	if q.out == 0 {
		q.settle(q.entered)
	}
	q.mu.Unlock()
}

// Untake gives back the chain that Next gave last, as if it had not been taken;
// several in the opposite order.
func (q *Queue) Untake(c *vring.Chain) {
	q.out--
	q.budget++
	if err := q.ring.Untake(c); err != nil && !q.d.broken.Load() {
		q.d.fail(err)
	}
}

// PushAll is Push for chains that the driver must see all at once.
func (q *Queue) PushAll(chains []*vring.Chain, written []uint32) {
	q.out -= len(chains)
	if q.d.broken.Load() {
		return
	}
	if err := q.ring.PushAll(chains, written); err != nil {
		q.d.fail(err)
	}
}
