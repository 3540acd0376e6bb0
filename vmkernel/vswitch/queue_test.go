package vswitch

import "testing"

// TestNobodyTakesTheQueue: one sender without end leaves the others room, and has all its
// own again when the queue is emptied.
func TestNobodyTakesTheQueue(t *testing.T) {
	const depth = 16
	q := newFrameQueue(depth, 100)
	send := func(from byte, n int) (kept int) {
		before := q.tail
		f := frame(mac(99), mac(from), -1)
		for range n {
			q.Deliver([]Frame{{Head: f, Size: len(f)}})
		}
		return int(q.tail - before)
	}
	bufs, sizes := [][]byte{make([]byte, 100), make([]byte, 100)}, make([]int, 2)
	for round := range 3 {
		if n := send(1, 100); n != depth/2 {
			t.Errorf("round %d: the first has %d slots", round, n)
		}
		if n := send(2, 100); n != depth/4 {
			t.Errorf("round %d: the second has %d slots", round, n)
		}
		if n := send(3, 1); n != 1 {
			t.Errorf("round %d: nothing is left for the third", round)
		}
		for q.head != q.tail {
			if _, err := q.receive(bufs, sizes); err != nil {
				t.Fatal(err)
			}
		}
		if q.held != [owners]uint{} || q.head != q.tail {
			t.Errorf("round %d: %v are held, %d frames", round, q.held, q.tail-q.head)
		}
	}
	if n := q.crowded.Load(); n != 3*(100-depth/2+100-depth/4) {
		t.Errorf("%d frames were refused", n)
	}
}
