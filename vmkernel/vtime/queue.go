package vtime

// timer is one vbus.Timer of a clock; its fields belong to the clock's mutex.
type timer struct {
	c     owner
	f     func()
	at    int64
	index int // place in the heap, -1 when stopped
}

// owner is the clock behind a timer.
type owner interface {
	arm(t *timer, at int64)
	stop(t *timer)
}

// Arm sets the time, in nanoseconds of the clock. A time in the past is due at once.
func (t *timer) Arm(at int64) { t.c.arm(t, at) }

// Stop makes the timer idle.
func (t *timer) Stop() { t.c.stop(t) }

// queue is a binary heap of armed timers, soonest first. Room for every timer
// is made when the timer is made, so that put never allocates.
type queue struct {
	heap  []*timer
	total int
}

func (q *queue) register() {
	q.total++
	if cap(q.heap) < q.total {
		grown := make([]*timer, len(q.heap), 2*q.total)
		copy(grown, q.heap)
		q.heap = grown
	}
}

func (q *queue) first() *timer {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

func (q *queue) put(t *timer, at int64) {
	t.at = at
	if t.index < 0 {
		t.index = len(q.heap)
		q.heap = append(q.heap, t)
	}
	q.down(q.up(t.index))
}

func (q *queue) remove(t *timer) {
	i := t.index
	if i < 0 {
		return
	}
	last := len(q.heap) - 1
	q.swap(i, last)
	q.heap[last] = nil
	q.heap = q.heap[:last]
	t.index = -1
	if i < last {
		q.down(q.up(i))
	}
}

func (q *queue) swap(i, j int) {
	h := q.heap
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (q *queue) up(i int) int {
	for i > 0 && q.heap[i].at < q.heap[(i-1)/2].at {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	return i
}

func (q *queue) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(q.heap) {
			return
		}
		if c+1 < len(q.heap) && q.heap[c+1].at < q.heap[c].at {
			c++
		}
		if q.heap[i].at <= q.heap[c].at {
			return
		}
		q.swap(i, c)
		i = c
	}
}
