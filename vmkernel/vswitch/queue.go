package vswitch

import (
	"sync"
	"sync/atomic"

	"basalt/drivers/netio"
)

// frameQueue is a Receiver that copies frames into a ring of fixed slots, for one
// goroutine that takes them out again.
type frameQueue struct {
	mu     sync.Mutex
	moved  sync.Cond
	slots  [][]byte
	sizes  []int
	head   uint
	tail   uint
	closed bool
	short  atomic.Uint64 // frames that fitted no slot or buffer
}

func newFrameQueue(depth, frame int) *frameQueue {
	q := &frameQueue{slots: make([][]byte, depth), sizes: make([]int, depth)}
	q.moved.L = &q.mu
	mem := make([]byte, depth*frame)
	for i := range q.slots {
		q.slots[i] = mem[i*frame : (i+1)*frame : (i+1)*frame]
	}
	return q
}

// Deliver implements Receiver.
func (q *frameQueue) Deliver(batch []Frame) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(batch) && !q.closed && q.tail-q.head < uint(len(q.slots)) {
		f := &batch[n]
		n++
		i := q.tail % uint(len(q.slots))
		if f.Size > len(q.slots[i]) {
			q.short.Add(1)
			continue
		}
		c := f.Cursor()
		q.sizes[i] = c.Read(q.slots[i])
		q.tail++
	}
	if n > 0 {
		q.moved.Signal()
	}
	return n
}

// receive implements netio.Link.Receive.
func (q *frameQueue) receive(bufs [][]byte, sizes []int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(bufs) == 0 {
		if q.closed {
			return 0, netio.ErrClosed
		}
		return 0, nil
	}
	for n := 0; ; {
		for n < len(bufs) && q.head != q.tail && !q.closed {
			i := q.head % uint(len(q.slots))
			q.head++
			if q.sizes[i] > len(bufs[n]) {
				q.short.Add(1)
				continue
			}
			sizes[n] = copy(bufs[n], q.slots[i][:q.sizes[i]])
			n++
		}
		if n > 0 {
			return n, nil
		}
		if q.closed {
			return 0, netio.ErrClosed
		}
		q.moved.Wait()
	}
}

// peek waits for frames and gives them where they lie, in up to two goes; they stay
// valid until done(n).
func (q *frameQueue) peek(frames [][]byte) (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == q.tail && !q.closed {
		q.moved.Wait()
	}
	if q.closed {
		return 0, false
	}
	n := 0
	for n < len(frames) && q.head+uint(n) != q.tail {
		i := (q.head + uint(n)) % uint(len(q.slots))
		frames[n] = q.slots[i][:q.sizes[i]]
		n++
	}
	return n, true
}

// done gives n peeked slots back.
func (q *frameQueue) done(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.head += uint(n)
}

func (q *frameQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.moved.Broadcast()
}

func (q *frameQueue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
