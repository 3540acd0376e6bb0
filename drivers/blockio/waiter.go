package blockio

import "sync/atomic"

// Waiter submits requests and waits for them, for callers that have nothing else
// to do meanwhile. Make it with NewWaiter and reuse it: Do does not allocate. One
// goroutine may use it at a time.
type Waiter struct {
	left atomic.Int64
	idle chan struct{}
	done func(*Request)
}

// NewWaiter makes a Waiter.
func NewWaiter() *Waiter {
	w := &Waiter{idle: make(chan struct{}, 1)}
	w.done = func(*Request) {
		if w.left.Add(-1) == 0 {
			w.idle <- struct{}{}
		}
	}
	return w
}

// Do submits the batch, sets Done of every request in it, waits until all have
// completed and returns the first error in the order of the batch; each request
// has its own in Err.
func (w *Waiter) Do(d Disk, batch []*Request) error {
	if len(batch) == 0 {
		return nil
	}
	for _, r := range batch {
		r.Done = w.done
	}
	w.left.Store(int64(len(batch)))
	d.Submit(batch)
	<-w.idle
	for _, r := range batch {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}
