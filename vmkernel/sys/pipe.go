package sys

import (
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	// pipeSize is how many bytes a pipe holds, as Linux's default.
	pipeSize = 64 << 10
	// pipeAtomic is PIPE_BUF: a write of so few bytes is never given in parts.
	pipeAtomic = 4096
)

// pipe is what the two ends of pipe(2) share. Each end has a socket's kind of
// number, so that the runtime's poller can wait on it.
type pipe struct {
	mu      sync.Mutex
	moved   sync.Cond // signalled at each change, for ends in blocking mode
	buf     []byte    // a ring once it is needed
	at, n   int       // first byte and how many
	closed  [2]bool   // by end
	notices [2]*Notifier
}

const (
	readEnd  = 0
	writeEnd = 1
)

// pipeEnd is what a descriptor names.
type pipeEnd struct {
	*pipe
	which int
	flags atomic.Int32
}

var (
	_ Reader      = (*pipeEnd)(nil)
	_ Writer      = (*pipeEnd)(nil)
	_ Stater      = (*pipeEnd)(nil)
	_ StatusFlags = (*pipeEnd)(nil)
)

// InstallPipes makes pipe and pipe2 answer with pipes of this package, for a trap
// that has none. A child process could not use them.
func InstallPipes() { pipeCalls(&handlers) }

// pipeCalls fills in the calls that make pipes.
func pipeCalls(t *[maxNumber]handler) {
	t[syscall.SYS_PIPE2] = func(a *args) (uintptr, Errno, bool) { return newPipe(a[0], a[1]) }
	t[syscall.SYS_PIPE] = func(a *args) (uintptr, Errno, bool) { return newPipe(a[0], 0) }
}

func newPipe(addr, flags uintptr) (uintptr, Errno, bool) {
	out, err := at[[2]int32](addr)
	if err != 0 {
		return 0, err, true
	}
	if flags&^(syscall.O_CLOEXEC|syscall.O_NONBLOCK) != 0 {
		return 0, syscall.EINVAL, true
	}
	p := new(pipe)
	p.moved.L = &p.mu
	var fd [2]int
	for i := range fd {
		if fd[i], err = socketNumber(); err == 0 {
			end := &pipeEnd{pipe: p, which: i}
			end.flags.Store(int32(flags & syscall.O_NONBLOCK))
			p.mu.Lock()
			p.notices[i] = &Notifier{fds: []int{fd[i]}}
			p.mu.Unlock()
			if err = fds.set(fd[i], &description{obj: end, notifier: p.notices[i]}); err != 0 {
				closeNumber(fd[i])
			}
		}
		if err != 0 {
			if i == 1 {
				fds.close(uintptr(fd[0]))
			}
			return 0, err, true
		}
	}
	*out = [2]int32{int32(fd[0]), int32(fd[1])}
	return 0, 0, true
}

// changed wakes whoever waits for the other end. p.mu is held.
func (e *pipeEnd) changed() {
	e.moved.Broadcast()
	if n := e.notices[1-e.which]; n != nil && !e.closed[1-e.which] {
		n.Notify()
	}
}

// Release implements Object.
func (e *pipeEnd) Release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed[e.which] = true
	if e.closed[1-e.which] {
		e.buf, e.n = nil, 0
	}
	e.changed()
}

func (e *pipeEnd) nonblocking() bool { return e.flags.Load()&syscall.O_NONBLOCK != 0 }

// Read implements Reader.
func (e *pipeEnd) Read(p []byte) (int, Errno) {
	if e.which != readEnd {
		return 0, syscall.EBADF
	}
	if len(p) == 0 {
		return 0, 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.n == 0 {
		switch {
		case e.closed[writeEnd]:
			return 0, 0
		case e.nonblocking():
			return 0, syscall.EAGAIN
		}
		e.moved.Wait()
	}
	n := copy(p, e.buf[e.at:min(e.at+e.n, len(e.buf))])
	if n < e.n {
		n += copy(p[n:], e.buf[:e.n-n])
	}
	e.at = (e.at + n) % len(e.buf)
	e.n -= n
	e.changed()
	return n, 0
}

// Write implements Writer.
func (e *pipeEnd) Write(p []byte) (int, Errno) {
	if e.which != writeEnd {
		return 0, syscall.EBADF
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	done := 0
	for {
		if e.closed[readEnd] {
			if done > 0 {
				return done, 0
			}
			return 0, syscall.EPIPE
		}
		room := pipeSize - e.n
		if len(p) <= pipeAtomic && room < len(p) {
			room = 0
		}
		done += e.put(p[done:min(len(p), done+room)])
		if done == len(p) {
			return done, 0
		}
		if e.nonblocking() {
			if done > 0 {
				return done, 0
			}
			return 0, syscall.EAGAIN
		}
		e.moved.Wait()
	}
}

// put stores p, for which there is room. p.mu is held.
func (e *pipeEnd) put(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	if need := e.n + len(p); need > len(e.buf) {
		size := max(len(e.buf), 4096)
		for size < need {
			size *= 2
		}
		buf := make([]byte, size)
		k := copy(buf, e.buf[e.at:min(e.at+e.n, len(e.buf))])
		copy(buf[k:], e.buf[:e.n-k])
		e.buf, e.at = buf, 0
	}
	end := (e.at + e.n) % len(e.buf)
	k := copy(e.buf[end:], p)
	copy(e.buf, p[k:])
	e.n += len(p)
	e.changed()
	return len(p)
}

// Stat implements Stater.
func (e *pipeEnd) Stat(st *syscall.Stat_t) Errno {
	*st = syscall.Stat_t{Mode: syscall.S_IFIFO | 0o600, Nlink: 1, Blksize: 4096}
	return 0
}

// Flags implements StatusFlags.
func (e *pipeEnd) Flags() int { return int(e.flags.Load()) | e.which } // O_RDONLY, O_WRONLY

// SetFlags implements StatusFlags.
func (e *pipeEnd) SetFlags(flags int) {
	e.flags.Store(int32(flags & syscall.O_NONBLOCK))
	e.mu.Lock()
	e.moved.Broadcast()
	e.mu.Unlock()
}
