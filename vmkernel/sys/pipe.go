package sys

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// pipeSize is how many bytes a pipe holds; writes up to pipeAtomic are not mixed
// with others' (pipe(7)).
const (
	pipeSize   = 64 << 10
	pipeAtomic = 4096
)

// pipe is the buffer between two ends.
type pipe struct {
	mu      sync.Mutex
	changed sync.Cond // for ends in blocking mode
	ring    []byte
	start   int // of the bytes in ring
	n       int
	end     [2]*pipeEnd
	closed  [2]bool
}

// pipeEnd is the reading (side 0) or the writing end (side 1).
type pipeEnd struct {
	p        *pipe
	side     int
	nonblock atomic.Bool
	notifier *Notifier // guarded by p.mu; nil once released
}

var (
	_ Reader      = (*pipeEnd)(nil)
	_ Writer      = (*pipeEnd)(nil)
	_ Stater      = (*pipeEnd)(nil)
	_ StatusFlags = (*pipeEnd)(nil)
)

// InstallPipes makes pipe2 answer with pipes of this package, for a trap that has
// none. A child process could not use them.
func InstallPipes() { handlers[syscall.SYS_PIPE2] = pipe2 }

// pipe2 is pipe2(2).
func pipe2(a args) (uintptr, Errno, bool) {
	addr, flags := a[0], a[1]
	if flags&^(syscall.O_CLOEXEC|syscall.O_NONBLOCK) != 0 {
		return 0, syscall.EINVAL, true
	}
	fd, err := at[[2]int32](addr)
	if err != 0 {
		return 0, err, true
	}
	p := &pipe{ring: make([]byte, pipeSize)}
	p.changed.L = &p.mu
	var n [2]uintptr
	for side := range p.end {
		e := &pipeEnd{p: p, side: side}
		e.nonblock.Store(flags&syscall.O_NONBLOCK != 0)
		p.end[side] = e
	}
	for side, e := range p.end {
		if n[side], err = addPollable(e); err != 0 {
			if side == 1 {
				fds.close(n[0])
			}
			return 0, err, true
		}
		if flags&syscall.O_NONBLOCK == 0 {
			// The runtime asks the trap which mode a descriptor is in.
			trap(syscall.SYS_FCNTL, n[side], syscall.F_SETFL, 0, 0, 0, 0)
		}
	}
	fd[0], fd[1] = int32(n[0]), int32(n[1])
	return 0, 0, true
}

// Start implements pollable.
func (e *pipeEnd) Start(n *Notifier) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.notifier = n
}

// Release implements Object.
func (e *pipeEnd) Release() {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.notifier = nil
	e.p.closed[e.side] = true
	e.p.wake(1 - e.side)
}

// wake tells one side to try again. p.mu is held.
func (p *pipe) wake(side int) {
	p.changed.Broadcast()
	if n := p.end[side].notifier; n != nil {
		n.Notify()
	}
}

// Flags implements StatusFlags.
func (e *pipeEnd) Flags() int {
	f := e.side // O_RDONLY is 0, O_WRONLY is 1
	if e.nonblock.Load() {
		f |= syscall.O_NONBLOCK
	}
	return f
}

// SetFlags implements StatusFlags.
func (e *pipeEnd) SetFlags(f int) { e.nonblock.Store(f&syscall.O_NONBLOCK != 0) }

// Stat implements Stater.
func (e *pipeEnd) Stat(st *syscall.Stat_t) Errno {
	*st = syscall.Stat_t{Mode: syscall.S_IFIFO | 0o600, Nlink: 1, Blksize: 4096}
	return 0
}

// Read implements Reader.
func (e *pipeEnd) Read(b []byte) (int, Errno) {
	if e.side != 0 {
		return 0, syscall.EBADF
	}
	p := e.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.n == 0 && len(b) > 0 {
		switch {
		case p.closed[1]:
			return 0, 0
		case p.closed[0]:
			return 0, syscall.EBADF
		case e.nonblock.Load():
			return 0, syscall.EAGAIN
		}
		p.changed.Wait()
	}
	total := 0
	for total < len(b) && p.n > 0 {
		n := copy(b[total:], p.ring[p.start:min(p.start+p.n, pipeSize)])
		p.start, p.n, total = (p.start+n)%pipeSize, p.n-n, total+n
	}
	if total > 0 {
		p.wake(1)
	}
	return total, 0
}

// Write implements Writer.
func (e *pipeEnd) Write(b []byte) (int, Errno) {
	if e.side != 1 {
		return 0, syscall.EBADF
	}
	p := e.p
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	for total < len(b) {
		need := 1
		if len(b) <= pipeAtomic {
			need = len(b)
		}
		switch {
		case p.closed[0]:
			if total > 0 {
				return total, 0
			}
			return 0, syscall.EPIPE
		case p.closed[1]:
			return total, syscall.EBADF
		case pipeSize-p.n >= need:
			at := (p.start + p.n) % pipeSize
			n := copy(p.ring[at:min(at+pipeSize-p.n, pipeSize)], b[total:])
			p.n, total = p.n+n, total+n
			p.wake(0)
			continue
		case e.nonblock.Load():
			if total > 0 {
				return total, 0
			}
			return 0, syscall.EAGAIN
		}
		p.changed.Wait()
	}
	return total, 0
}
