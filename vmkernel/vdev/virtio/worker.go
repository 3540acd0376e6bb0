package virtio

import (
	"fmt"

	"basalt/vmkernel/vdev/virtio/vring"
)

// start lets a queue run with the registers as they are. d.mu is held.
func (d *Device) start(q *Queue) {
	if d.broken.Load() || d.closing || q.state.Load() != stopped {
		return
	}
	q.start = vring.Config{
		Memory: d.cfg.Memory, Size: q.size, Features: d.features,
		Desc: q.desc, Driver: q.driver, Device: q.device,
	}
	q.state.Store(starting)
	d.employ(q)
	q.Ring() // chains may be there already
}

// employ gives a queue its goroutine, which ends with Close. d.mu is held.
func (d *Device) employ(q *Queue) {
	if !q.worker {
		q.worker = true
		d.workers++
		go q.work()
	}
}

func (q *Queue) work() {
	for {
		if err := q.bell.Wait(); err != nil {
			// It was not closed here, and nobody can wake the queue any more. It counts
			// as never quiet, so that its memory is not taken away.
			q.d.fail(fmt.Errorf("queue %d: %w", q.index, err))
			return
		}
		for q.pass() {
		}
		if q.leave() {
			return
		}
	}
}

// leave says whether the device is closed and this queue has ended.
func (q *Queue) leave() bool {
	q.d.mu.Lock()
	defer q.d.mu.Unlock()
	if !q.d.closing || q.state.Load() != stopped {
		return false
	}
	q.worker = false
	q.d.workers--
	q.d.settled.Broadcast()
	return true
}

// pass is one round of work; again says that there is more at once.
func (q *Queue) pass() (again bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	epoch := q.d.epoch.Load()
	if epoch%2 != 0 && q.seen == epoch && q.state.Load() != stopping {
		return false // the pause has seen it: what is saved now must stay as it is
	}
	if q.begin(); q.state.Load() != stopped {
		again = q.handle(epoch)
	}
	if q.out == 0 {
		q.settle(epoch)
	}
	return again
}

// begin starts the ring if the driver has enabled it. q.mu is held.
func (q *Queue) begin() {
	if q.state.Load() != starting {
		return
	}
	if err := q.ring.Start(q.start); err != nil {
		q.d.fail(err)
	}
	q.state.CompareAndSwap(starting, running) // or it is stopping already
}

func (q *Queue) handle(epoch uint32) (again bool) {
	d := q.d
	q.taking = q.state.Load() == running && epoch%2 == 0 && !d.broken.Load() && d.intr.BusMaster()
	q.budget = q.ring.Size()
	took := q.taking
	if took {
		if err := q.ring.DisableNotify(); err != nil {
			d.fail(err)
		}
	}
	wants := d.cfg.Model.Handle(q)
	q.taking = false
	q.Signal()
	if !took || !wants || d.broken.Load() {
		return false
	}
	pending, err := q.ring.EnableNotify()
	if err != nil {
		d.fail(err)
	}
	return pending
}

// settle tells who waits that nothing is out. q.mu is held.
func (q *Queue) settle(epoch uint32) {
	halted := q.halt()
	if !halted && epoch%2 == 0 {
		return
	}
	d := q.d
	d.mu.Lock()
	defer d.mu.Unlock()
	q.seen = epoch
	if halted {
		d.stopped(q)
	}
	d.settled.Broadcast()
}

// halt ends a queue that is stopping. q.mu is held and nothing is out.
func (q *Queue) halt() bool {
	if q.state.Load() != stopping {
		return false
	}
	q.ring.Reset()
	q.state.Store(stopped)
	return true
}

// stop ends a queue, at once if nothing is out and nobody works on it; else the
// goroutine does it and tells Device.stopped. d.mu is held, so q.mu may only be
// tried.
func (q *Queue) stop() (done bool) {
	if q.state.Load() == stopped {
		return true
	}
	q.state.Store(stopping)
	if q.mu.TryLock() {
		if q.out == 0 {
			done = q.halt() || q.state.Load() == stopped
		}
		q.mu.Unlock()
	}
	if !done {
		q.Ring()
	}
	return done
}
