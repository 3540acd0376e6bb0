package pipe

import "sync"

// minFrame is the smallest thing that is a frame at all: two addresses and a type.
const minFrame = 14

// queue is one direction: a ring of fixed slots.
type queue struct {
	mu     sync.Mutex
	moved  sync.Cond // the ring or an error changed
	slots  [][]byte
	sizes  []int
	head   uint // next to read
	tail   uint // next to write
	reader error
	writer error
}

func newQueue(depth, frame int) *queue {
	q := &queue{slots: make([][]byte, depth), sizes: make([]int, depth)}
	q.moved.L = &q.mu
	mem := make([]byte, depth*frame)
	for i := range q.slots {
		q.slots[i] = mem[i*frame : (i+1)*frame : (i+1)*frame]
	}
	return q
}

func (q *queue) alive() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reader == nil && q.writer == nil
}

func (q *queue) readerErr() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reader
}

func (q *queue) writerErr() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writer
}

// shut sets one side's error once; the first reason stays, except that a closed
// end says closed.
func (q *queue) shut(side *error, err error) {
	q.mu.Lock()
	*side = err
	q.mu.Unlock()
	q.moved.Broadcast()
}

func (q *queue) read(bufs [][]byte, sizes []int, c *counters) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.reader != nil {
			return 0, q.reader
		}
		full := q.tail-q.head == uint(len(q.slots))
		for n < len(bufs) && q.head != q.tail {
			s := q.head % uint(len(q.slots))
			q.head++
			frame := q.slots[s][:q.sizes[s]]
			if len(frame) > len(bufs[n]) {
				c.dropped.Add(1)
				continue
			}
			sizes[n] = copy(bufs[n], frame)
			c.frames.Add(1)
			c.bytes.Add(uint64(len(frame)))
			n++
		}
		if full {
			q.moved.Broadcast()
		}
		if n > 0 {
			return n, nil
		}
		q.moved.Wait()
	}
}

// write queues what fits and waits only when nothing does. It returns early
// with 0 taken when the reader went away, so that the caller sees the carrier.
func (q *queue) write(frames [][]byte, c *counters) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.writer != nil {
			return n, q.writer
		}
		if q.reader != nil {
			return n, nil
		}
		empty := q.head == q.tail
		for n < len(frames) && q.tail-q.head < uint(len(q.slots)) {
			f := frames[n]
			n++
			s := q.tail % uint(len(q.slots))
			if len(f) < minFrame || len(f) > len(q.slots[s]) {
				c.errors.Add(1)
				continue
			}
			q.sizes[s] = copy(q.slots[s], f)
			q.tail++
			c.frames.Add(1)
			c.bytes.Add(uint64(len(f)))
		}
		if empty {
			q.moved.Broadcast()
		}
		if n > 0 {
			return n, nil
		}
		q.moved.Wait()
	}
}
