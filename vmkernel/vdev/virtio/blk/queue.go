package blk

import (
	"sync/atomic"

	"basalt/drivers/blockio"
	"basalt/vmkernel/vdev/virtio"
)

// maxBatch is how many requests are given to the disk at once.
const maxBatch = 64

// queue is one request queue. All but busy, done and what reads counters belongs to
// its goroutine.
type queue struct {
	d     *Device
	v     *virtio.Queue
	free  *request
	batch []*blockio.Request

	counters counters

	busy atomic.Bool             // the goroutine looks at done before it sleeps
	done atomic.Pointer[request] // last in, first out
}

// Handle implements virtio.Model.
func (m *model) Handle(v *virtio.Queue) bool {
	q := m.queues[v.Index()]
	q.v = v
	q.busy.Store(true)
	q.collect()
	for r := q.get(); ; r = q.get() {
		if !v.Next(&r.chain) {
			q.put(r)
			break
		}
		r.begin()
	}
	q.submit()
	// From here on Done rings; what came before is collected here, and what that
	// wants done next is submitted with the bell already in charge.
	q.busy.Store(false)
	q.collect()
	q.submit()
	return true
}

// collect goes on with the requests that the disk has done with.
func (q *queue) collect() {
	for r := q.done.Swap(nil); r != nil; {
		next := r.next
		r.next = nil
		r.step()
		r = next
	}
}

// complete is Done of a request: any goroutine, also inside Submit.
func (q *queue) complete(r *request) {
	v := r.v // r may be in use again once it is on the list
	for {
		head := q.done.Load()
		r.next = head
		if q.done.CompareAndSwap(head, r) {
			// The others before it have rung.
			if head == nil && !q.busy.Load() {
				v.Ring()
			}
			return
		}
	}
}

// issue puts a request into the batch.
func (q *queue) issue(r *blockio.Request) {
	if q.batch = append(q.batch, r); len(q.batch) == maxBatch {
		q.submit()
	}
}

func (q *queue) submit() {
	if len(q.batch) > 0 {
		q.d.disk.Submit(q.batch)
		clear(q.batch)
		q.batch = q.batch[:0]
	}
}

func (q *queue) get() *request {
	r := q.free
	if r == nil {
		r = &request{q: q}
		r.io.Done = func(*blockio.Request) { q.complete(r) }
	} else {
		q.free, r.next = r.next, nil
	}
	r.v = q.v
	return r
}

func (q *queue) put(r *request) {
	r.next = q.free
	q.free = r
}
