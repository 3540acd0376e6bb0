package vfs

import (
	"sync"
	"syscall"

	"basalt/vmkernel/sys"
)

// flocks are the flock(2) locks of one inode. They belong to handles.
type flocks struct {
	mu     sync.Mutex
	holds  map[*handle]bool // value: exclusive
	change chan struct{}    // closed when a lock is given up
}

// lock takes, converts or drops a lock; without LOCK_NB it parks the goroutine.
func (l *flocks) lock(h *handle, how int) sys.Errno {
	switch how &^ syscall.LOCK_NB {
	case syscall.LOCK_UN:
		l.drop(h)
		return 0
	case syscall.LOCK_SH, syscall.LOCK_EX:
	default:
		return syscall.EINVAL
	}
	exclusive := how&syscall.LOCK_EX != 0
	for {
		l.mu.Lock()
		if l.free(h, exclusive) {
			if l.holds == nil {
				l.holds = map[*handle]bool{}
			}
			l.holds[h] = exclusive
			l.mu.Unlock()
			return 0
		}
		// A conversion that must wait gives up what it had, as in Linux.
		if _, had := l.holds[h]; had {
			delete(l.holds, h)
			l.wake()
		}
		if how&syscall.LOCK_NB != 0 {
			l.mu.Unlock()
			return syscall.EWOULDBLOCK
		}
		if l.change == nil {
			l.change = make(chan struct{})
		}
		change := l.change
		l.mu.Unlock()
		<-change
	}
}

// free says whether no other handle is in the way.
func (l *flocks) free(h *handle, exclusive bool) bool {
	for o, ex := range l.holds {
		if o != h && (ex || exclusive) {
			return false
		}
	}
	return true
}

func (l *flocks) wake() {
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
}

func (l *flocks) drop(h *handle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.holds[h]; ok {
		delete(l.holds, h)
		l.wake()
	}
}
