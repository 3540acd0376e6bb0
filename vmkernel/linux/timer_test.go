package linux

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// newThreads makes n threads outside the Go heap.
func newThreads(t testing.TB, n int) []*thread {
	const size = threadFrames * pageSize
	base := offHeap(t, n*size)
	list := make([]*thread, n)
	for i := range list {
		list[i] = threadAt(base + uintptr(i*size))
		list[i].self = uintptr(unsafe.Pointer(list[i]))
		list[i].tid = uint32(i) + 1
	}
	return list
}

func TestTimerHeapAgainstSortedList(t *testing.T) {
	threads := newThreads(t, 200)
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		h := new(timerHeap)
		var model []*thread
		for range 2000 {
			th := threads[rnd.IntN(len(threads))]
			if th.heap != 0 {
				h.remove(th)
				model = slices.DeleteFunc(model, func(o *thread) bool { return o == th })
			} else {
				th.wake = uint64(rnd.IntN(1000))
				h.add(th)
				model = append(model, th)
			}
			if h.n != len(model) {
				t.Fatalf("%d in the heap, want %d", h.n, len(model))
			}
			for i := range h.n {
				if threadAt(h.t[i]).heap != uint32(i)+1 {
					t.Fatalf("thread at %d thinks that it is at %d", i, threadAt(h.t[i]).heap)
				}
			}
			if h.n > 0 {
				first := slices.MinFunc(model, func(a, b *thread) int { return int(a.wake) - int(b.wake) })
				if got := threadAt(h.t[0]).wake; got != first.wake {
					t.Fatalf("first is %d, want %d", got, first.wake)
				}
			}
		}
		for h.n > 0 { // what comes out is in order
			th := threadAt(h.t[0])
			h.remove(th)
			if h.n > 0 && threadAt(h.t[0]).wake < th.wake {
				t.Fatal("out of order")
			}
		}
	}
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	threads := newThreads(t, 5)
	var q queue
	list := func() (ids []uint32) {
		for va := q.head; va != 0; va = threadAt(va).next {
			ids = append(ids, threadAt(va).tid)
		}
		return ids
	}
	for _, th := range threads {
		q.push(th)
	}
	for _, c := range []struct {
		tid  int
		want []uint32
	}{{3, []uint32{1, 2, 4, 5}}, {1, []uint32{2, 4, 5}}, {5, []uint32{2, 4}}, {4, []uint32{2}}, {2, nil}} {
		if !q.remove(threads[c.tid-1]) {
			t.Fatalf("thread %d was not found", c.tid)
		}
		if got := list(); !slices.Equal(got, c.want) {
			t.Fatalf("without %d: %v, want %v", c.tid, got, c.want)
		}
		if q.remove(threads[c.tid-1]) {
			t.Fatalf("thread %d was there twice", c.tid)
		}
	}
	q.push(threads[0]) // the tail is right after the last one left
	q.push(threads[1])
	if got := list(); !slices.Equal(got, []uint32{1, 2}) {
		t.Fatalf("%v", got)
	}
}

func TestFutexBucketsSpread(t *testing.T) {
	used := map[int]bool{}
	for i := range uintptr(4096) {
		b := bucket(0xc000000000 + i*64)
		if b < 0 || b > 255 {
			t.Fatalf("bucket %d", b)
		}
		used[b] = true
	}
	if len(used) < 128 {
		t.Fatalf("words a cache line apart use %d buckets of 256", len(used))
	}
}

// TestTimerIsNotTrustedAfterItsTime: an interrupt of the timer that was lost must
// not keep the processor from ever setting its timer again.
func TestTimerIsNotTrustedAfterItsTime(t *testing.T) {
	for _, c := range []struct {
		name           string
		armed, at, now uint64
		want           bool
	}{
		{"not armed", 0, 50, 10, true},
		{"armed for sooner", 40, 50, 10, false},
		{"armed for the same time", 50, 50, 10, false},
		{"armed for later", 60, 50, 10, true},
		{"its time is past: lost, or on its way", 40, 50, 45, true},
		{"its time is now", 40, 50, 40, true},
	} {
		if got := mustArm(c.armed, c.at, c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
