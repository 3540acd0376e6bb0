package vswitch

import (
	"sync"
	"sync/atomic"

	"basalt/drivers/netio"
)

// frameQueue is a Receiver that copies frames into a ring of fixed slots, for one
// goroutine that takes them out again. Nobody has more of the slots than are free: one
// guest that sends without end gets half of them, and the others always find some.
type frameQueue struct {
	mu      sync.Mutex
	moved   sync.Cond
	slots   [][]byte
	sizes   []int
	owners  []uint8 // of the frame in each slot
	held    [owners]uint
	head    uint
	tail    uint
	closed  bool
	short   atomic.Uint64 // frames that fitted no slot or buffer
	crowded atomic.Uint64 // frames whose sender had as many as were free
}

// owners is how many senders a queue tells apart; more share.
const owners = 64

// owner is who sent a frame, by its source address: the switch lets no guest use another's
// unless the policy says so. What comes in from a NIC has the addresses that its network
// gives it.
func owner(head []byte) uint8 {
	h := uint32(2166136261) // FNV-1a
	for _, b := range head[min(6, len(head)):min(12, len(head))] {
		h = (h ^ uint32(b)) * 16777619
	}
	return uint8(h>>16^h) % owners
}

func newFrameQueue(depth, frame int) *frameQueue {
	q := &frameQueue{slots: make([][]byte, depth), sizes: make([]int, depth), owners: make([]uint8, depth)}
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
		who := owner(f.Head)
		if q.held[who] >= uint(len(q.slots))-(q.tail-q.head) {
			q.crowded.Add(1)
			continue
		}
		c := f.Cursor()
		q.sizes[i] = c.Read(q.slots[i])
		q.owners[i] = who
		q.held[who]++
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
			q.drop(1)
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
	q.drop(uint(n))
}

// drop gives the first n slots back.
func (q *frameQueue) drop(n uint) {
	for ; n > 0; n-- {
		q.held[q.owners[q.head%uint(len(q.slots))]]--
		q.head++
	}
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
