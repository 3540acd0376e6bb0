package linux

import (
	"testing"
	"unsafe"
)

// event is what epoll_wait writes: 12 packed bytes.
type event struct{ events, low, high uint32 }

// ready collects at most max events of an instance.
func (f *fdTable) ready(ep int64, max int) []event {
	buf := make([]event, max)
	// SAFETY: collect writes max events of 12 bytes at most.
	n := f.collect(&f.d[ep], uintptr(unsafe.Pointer(&buf[0])), uint64(max))
	return buf[:n]
}

func newFDs(t testing.TB) *fdTable {
	// SAFETY: the table has no pointers; offHeap only keeps its address stable.
	f := (*fdTable)(at(offHeap(t, int(unsafe.Sizeof(fdTable{})))))
	f.init()
	return f
}

func TestLowestFreeNumber(t *testing.T) {
	f := newFDs(t)
	for want := int64(3); want < 10; want++ {
		if got := f.open(fdEvent, 0, 0); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	}
	f.close(7)
	f.close(4)
	if got := f.open(fdNull, 0, 5); got != 7 {
		t.Fatalf("from 5: %d, want 7", got)
	}
	for _, want := range []int64{4, 10} {
		if got := f.open(fdNull, 0, 0); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	}
	if f.close(4) != 0 || f.close(4) != -errBadF || f.close(maxFDs) != -errBadF {
		t.Fatal("closing twice or beyond the table")
	}
	for f.open(fdEvent, 0, 0) >= 0 {
	}
	if got := f.open(fdEvent, 0, 0); got != -errNFile {
		t.Fatalf("a full table answers %d", got)
	}
}

func TestEpollEdgeAndLevel(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uint32
		again bool // reported again without a new write
	}{{"level", epollIn, true}, {"edge", epollIn | epollET, false}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFDs(t)
			s := &sched
			ep, e := f.open(fdEpoll, 0, 0), f.open(fdEvent, 0, 0)
			if r := f.epollCtl(s, uint64(ep), 1, uint64(e), c.flags, 1<<40|7); r != 0 {
				t.Fatal(r)
			}
			if got := f.ready(ep, 8); len(got) != 0 {
				t.Fatalf("an empty counter is ready: %v", got)
			}
			f.add(s, int32(e), 1)
			if got := f.ready(ep, 8); len(got) != 1 || got[0] != (event{epollIn, 7, 1 << 8}) {
				t.Fatalf("after a write: %v", got)
			}
			if got := f.ready(ep, 8); (len(got) == 1) != c.again {
				t.Fatalf("asked again: %v", got)
			}
			f.add(s, int32(e), 1) // every write is an edge, the counter was not zero
			if got := f.ready(ep, 8); len(got) != 1 {
				t.Fatalf("after a second write: %v", got)
			}
			f.d[e].counter = 0
			f.ready(ep, 8)
			if got := f.ready(ep, 8); len(got) != 0 {
				t.Fatalf("read empty and still ready: %v", got)
			}
		})
	}
}

func TestEpollAddReportsWhatIsThere(t *testing.T) {
	f := newFDs(t)
	ep, e := f.open(fdEpoll, 0, 0), f.open(fdEvent, 0, 0)
	f.add(&sched, int32(e), 5)
	f.epollCtl(&sched, uint64(ep), 1, uint64(e), epollIn|epollOut|epollET, 0)
	if got := f.ready(ep, 8); len(got) != 1 || got[0].events != epollIn|epollOut {
		t.Fatalf("%v", got)
	}
}

func TestEpollTakesTurns(t *testing.T) {
	f := newFDs(t)
	ep := f.open(fdEpoll, 0, 0)
	for i := range uint64(6) {
		e := f.open(fdEvent, 0, 0)
		f.epollCtl(&sched, uint64(ep), 1, uint64(e), epollIn, i)
		f.add(&sched, int32(e), 1)
	}
	var order []uint32
	for range 4 { // level-triggered ones go behind the others
		for _, e := range f.ready(ep, 4) {
			order = append(order, e.low)
		}
	}
	seen := map[uint32]int{}
	for _, v := range order {
		seen[v]++
	}
	for i := range uint32(6) {
		if seen[i] < 2 {
			t.Fatalf("descriptor %d was reported %d times in %v", i, seen[i], order)
		}
	}
}

func TestEpollCloseAndErrors(t *testing.T) {
	f := newFDs(t)
	s := &sched
	ep, a, b := f.open(fdEpoll, 0, 0), f.open(fdEvent, 0, 0), f.open(fdEvent, 0, 0)
	ctl := func(op, fd int64) int64 { return f.epollCtl(s, uint64(ep), uint64(op), uint64(fd), epollIn, 0) }
	null := f.open(fdNull, 0, 0)
	for _, c := range []struct {
		name     string
		got, out int64
	}{
		{"null device", ctl(1, null), -errPerm},
		{"not open", ctl(1, 999), -errBadF},
		{"modify what is not watched", ctl(3, a), -errNoEnt},
		{"remove what is not watched", ctl(2, a), -errNoEnt},
		{"add", ctl(1, a), 0},
		{"add twice", ctl(1, a), -errExist},
		{"add another", ctl(1, b), 0},
		{"bad operation", ctl(9, b), -errInval},
		{"not an epoll instance", f.epollCtl(s, uint64(a), 1, uint64(b), epollIn, 0), -errInval},
	} {
		if c.got != c.out {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.out)
		}
	}
	f.add(s, int32(a), 1)
	f.add(s, int32(b), 1)
	f.close(uint64(a)) // must leave the list whole
	if got := f.ready(ep, 8); len(got) != 1 {
		t.Fatalf("%v", got)
	}
	f.close(uint64(ep))
	if f.d[b].epoll != -1 || f.d[b].onList {
		t.Fatal("a closed instance still watches")
	}
	if r := f.add(s, int32(b), 1); r != 8 {
		t.Fatal(r)
	}
}

func TestEventCounterLimits(t *testing.T) {
	f := newFDs(t)
	e := f.open(fdEvent, 0, 0)
	const most = ^uint64(0) - 1
	for _, c := range []struct {
		v    uint64
		want int64
	}{{most - 1, 8}, {1, 8}, {1, -errAgain}, {^uint64(0), -errInval}} {
		if got := f.add(&sched, int32(e), c.v); got != c.want {
			t.Fatalf("add %d: %d, want %d", c.v, got, c.want)
		}
	}
	if s := f.d[e].state(); s != epollIn {
		t.Fatalf("a full counter is %#x", s)
	}
}
