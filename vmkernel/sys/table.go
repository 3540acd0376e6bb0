package sys

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// description is an open file description: what dup shares.
type description struct {
	obj      Object
	refs     atomic.Int32 // descriptors that name it
	notifier *Notifier    // of what the poller can wait for, else nil
}

const (
	chunkSize = 256
	maxFD     = 1 << 20
)

// table maps descriptor numbers to descriptions. Lookups are two loads.
type table struct {
	mu     sync.Mutex
	chunks [maxFD / chunkSize]atomic.Pointer[chunk]
	open   atomic.Int64
}

type chunk [chunkSize]atomic.Pointer[description]

var fds table

// get finds the description of fd, nil if it is not ours.
func (t *table) get(fd uintptr) *description {
	if fd >= maxFD {
		return nil
	}
	c := t.chunks[fd/chunkSize].Load()
	if c == nil {
		return nil
	}
	return c[fd%chunkSize].Load()
}

// set stores d under fd, which the trap just gave out, so it is free.
func (t *table) set(fd int, d *description) Errno {
	if fd < 0 || fd >= maxFD {
		return syscall.EMFILE
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.chunks[fd/chunkSize].Load()
	if c == nil {
		c = new(chunk)
		t.chunks[fd/chunkSize].Store(c)
	}
	c[fd%chunkSize].Store(d)
	d.refs.Add(1)
	t.open.Add(1)
	return 0
}

// close forgets fd, releases the object if this was its last descriptor, and
// only then gives the number back. It says whether fd was ours.
func (t *table) close(fd uintptr) bool {
	if fd >= maxFD {
		return false
	}
	c := t.chunks[fd/chunkSize].Load()
	if c == nil {
		return false
	}
	d := c[fd%chunkSize].Swap(nil)
	if d == nil {
		return false
	}
	t.open.Add(-1)
	if d.refs.Add(-1) == 0 {
		d.obj.Release()
	}
	if d.notifier != nil {
		d.notifier.remove(int(fd))
	}
	closeNumber(int(fd))
	return true
}

// Open counts the descriptors in use.
func Open() int { return int(fds.open.Load()) }

// Object gives what fd names, nil if it is not ours.
func ObjectOf(fd int) Object {
	if d := fds.get(uintptr(fd)); d != nil {
		return d.obj
	}
	return nil
}

// addFile gives a file object a number. The object is released on error.
func addFile(obj Object, flags int) (uintptr, Errno) {
	return addFileDescription(&description{obj: obj}, flags)
}

func addFileDescription(d *description, flags int) (uintptr, Errno) {
	fd, err := fileNumber(flags)
	if err == 0 {
		if err = fds.set(fd, d); err != 0 {
			closeNumber(fd)
		}
	}
	if err != 0 {
		if d.refs.Load() == 0 {
			d.obj.Release()
		}
		return 0, err
	}
	return uintptr(fd), 0
}

// pollable is an object that the runtime's poller waits for.
type pollable interface {
	Object
	// Start gives the object its notifier, before anyone else can name it.
	Start(n *Notifier)
}

// addPollable gives a socket or pipe end a number and starts it.
func addPollable(s pollable) (uintptr, Errno) {
	fd, err := socketNumber()
	if err != 0 {
		s.Release()
		return 0, err
	}
	n := &Notifier{fds: []int{fd}}
	s.Start(n)
	if err := fds.set(fd, &description{obj: s, notifier: n}); err != 0 {
		s.Release()
		closeNumber(fd)
		return 0, err
	}
	return uintptr(fd), 0
}
