package linux

// Descriptors of the trap layer: the console, eventfds, epoll instances and a
// null device whose numbers vmkernel/sys hands out for its own files.

const maxFDs = 16384

type fdKind uint8

const (
	fdFree fdKind = iota
	fdTTY
	fdEvent
	fdEpoll
	fdNull
)

// Events of epoll (Linux, include/uapi/linux/eventpoll.h).
const (
	epollIn  = 0x1
	epollOut = 0x4
	epollET  = 1 << 31
)

// descriptor is one open file of the trap layer. A descriptor is watched by one
// epoll instance at most, which is all that a Go runtime asks for.
type descriptor struct {
	kind    fdKind
	onList  bool
	cloexec bool
	flags   uint32
	counter uint64
	events  uint32 // registered; 0 when not watched
	epoll   int32  // the instance that watches
	next    int32  // ready list of that instance
	head    int32  // of an instance: its ready list
	tail    int32
	_       int32
	data    uint64
	waiters queue
}

type fdTable struct {
	low int32 // no free number below
	d   [maxFDs]descriptor
}

func (f *fdTable) init() {
	for i := 0; i < 3; i++ {
		f.d[i].kind = fdTTY
	}
	f.low = 3
}

// open takes the lowest free number from min. The lock is held.
func (f *fdTable) open(k fdKind, flags uint32, min int32) int64 {
	i := f.low
	if i < min {
		i = min
	}
	for ; i < maxFDs; i++ {
		if f.d[i].kind == fdFree {
			f.d[i] = descriptor{kind: k, flags: flags, next: -1, head: -1, tail: -1, epoll: -1}
			if min <= f.low {
				f.low = i + 1
			}
			return int64(i)
		}
	}
	return -errNFile
}

//go:nosplit
func (f *fdTable) get(n uint64) *descriptor {
	if n >= maxFDs || f.d[n].kind == fdFree {
		return nil
	}
	return &f.d[n]
}

// close frees a number and takes it off the ready list. The lock is held.
func (f *fdTable) close(n uint64) int64 {
	d := f.get(n)
	if d == nil {
		return -errBadF
	}
	f.unlist(int32(n))
	if d.kind == fdEpoll {
		for i := range f.d {
			if f.d[i].epoll == int32(n) && f.d[i].kind != fdFree {
				f.d[i].epoll, f.d[i].events, f.d[i].onList = -1, 0, false
			}
		}
	}
	*d = descriptor{}
	if int32(n) < f.low {
		f.low = int32(n)
	}
	return 0
}

// state is what poll would say.
//
//go:nosplit
func (d *descriptor) state() uint32 {
	switch d.kind {
	case fdEvent:
		s := uint32(0)
		if d.counter > 0 {
			s |= epollIn
		}
		if d.counter < ^uint64(0)-1 {
			s |= epollOut
		}
		return s
	}
	return epollIn | epollOut
}

// list puts n on the ready list of its instance and wakes a waiter.
//
//go:nosplit
func (f *fdTable) list(s *scheduler, n int32) {
	d := &f.d[n]
	if d.epoll < 0 || d.state()&d.events == 0 {
		return
	}
	ep := &f.d[d.epoll]
	if !d.onList {
		d.onList, d.next = true, -1
		if ep.tail >= 0 {
			f.d[ep.tail].next = n
		} else {
			ep.head = n
		}
		ep.tail = n
	}
	if ep.waiters.head != 0 {
		t := threadAt(ep.waiters.head)
		ep.waiters.remove(t)
		s.wakeUp(t, f.collect(ep, t.epbuf, t.epmax))
	}
}

func (f *fdTable) unlist(n int32) {
	d := &f.d[n]
	if d.epoll < 0 || !d.onList {
		return
	}
	ep := &f.d[d.epoll]
	prev := int32(-1)
	for i := ep.head; i >= 0; i = f.d[i].next {
		if i == n {
			if prev < 0 {
				ep.head = d.next
			} else {
				f.d[prev].next = d.next
			}
			if ep.tail == n {
				ep.tail = prev
			}
			break
		}
		prev = i
	}
	d.onList, d.next = false, -1
}

// collect moves ready descriptors into the runtime's buffer of 12-byte events,
// which the caller has backed. Level-triggered ones that are still ready stay.
//
//go:nosplit
func (f *fdTable) collect(ep *descriptor, buf uintptr, max uint64) int64 {
	n := uint64(0)
	last := ep.tail
	for ep.head >= 0 && n < max {
		i := ep.head
		d := &f.d[i]
		ep.head = d.next
		if ep.head < 0 {
			ep.tail = -1
		}
		d.onList, d.next = false, -1
		if ev := d.state() & d.events; ev != 0 {
			// SAFETY: the caller of epoll_pwait gave max events of room, backed
			// before it was put to sleep.
			p := buf + uintptr(n)*12
			*(*uint32)(at(p)) = ev
			*(*uint32)(at(p + 4)) = uint32(d.data)
			*(*uint32)(at(p + 8)) = uint32(d.data >> 32)
			n++
			if d.events&epollET == 0 {
				d.onList = true
				if ep.tail >= 0 {
					f.d[ep.tail].next = i
				} else {
					ep.head = i
				}
				ep.tail = i
			}
		}
		if i == last {
			break
		}
	}
	return int64(n)
}

// forget takes a thread whose time is over off its instance. The lock is held.
func (f *fdTable) forget(t *thread) { f.d[t.epfd].waiters.remove(t) }

// add is write to an eventfd. The lock is held.
//
//go:nosplit
func (f *fdTable) add(s *scheduler, n int32, v uint64) int64 {
	d := &f.d[n]
	if v == ^uint64(0) {
		return -errInval
	}
	if d.counter+v < d.counter || d.counter+v == ^uint64(0) {
		return -errAgain
	}
	d.counter += v
	f.list(s, n)
	return 8
}

// epollCtl is epoll_ctl.
func (f *fdTable) epollCtl(s *scheduler, epfd, op, fd uint64, events uint32, data uint64) int64 {
	ep, d := f.get(epfd), f.get(fd)
	if ep == nil || d == nil {
		return -errBadF
	}
	if ep.kind != fdEpoll {
		return -errInval
	}
	if d.kind != fdEvent {
		return -errPerm
	}
	switch op {
	case 1: // EPOLL_CTL_ADD
		if d.epoll >= 0 {
			return -errExist
		}
		d.epoll = int32(epfd)
	case 2: // EPOLL_CTL_DEL
		if d.epoll != int32(epfd) {
			return -errNoEnt
		}
		f.unlist(int32(fd))
		d.epoll, d.events = -1, 0
		return 0
	case 3: // EPOLL_CTL_MOD
		if d.epoll != int32(epfd) {
			return -errNoEnt
		}
	default:
		return -errInval
	}
	d.events, d.data = events, data
	f.list(s, int32(fd))
	return 0
}

// epollWait is epoll_pwait.
func (c *cpuState) epollWait(t *thread, epfd uint64, buf uintptr, max uint64, ms int32) (int64, bool) {
	if max == 0 || max > 1024 || !mm.ensure(buf, uintptr(max)*12) {
		return -errInval, true
	}
	sched.lock.Lock()
	ep := sched.fds.get(epfd)
	if ep == nil || ep.kind != fdEpoll {
		sched.lock.Unlock()
		return -errBadF, true
	}
	if n := sched.fds.collect(ep, buf, max); n > 0 || ms == 0 {
		sched.lock.Unlock()
		return n, true
	}
	t.epfd, t.epbuf, t.epmax = uint32(epfd), buf, max
	ep.waiters.push(t)
	if ms > 0 {
		t.wake = c.ticksAfter(int64(ms/1000), int64(ms%1000)*1e6)
		sched.timers.add(t)
	}
	c.block(t, waitEpoll)
	sched.lock.Unlock()
	return 0, false
}
