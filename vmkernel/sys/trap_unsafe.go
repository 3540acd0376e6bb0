package sys

import (
	"syscall"
	"unsafe"
)

// The overlay's variables in package syscall. Without the overlay they are
// ordinary variables of this package that nothing reads.

//go:linkname basaltHook syscall.basaltHook
var basaltHook func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno, ok bool)

//go:linkname basaltTrap syscall.basaltTrap
var basaltTrap func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno)

// Overlaid says whether the binary was built with the overlay, so that Install
// has an effect.
func Overlaid() bool { return basaltTrap != nil }

// trap makes a system call without asking the hook.
func trap(num, a1, a2, a3, a4, a5, a6 uintptr) (uintptr, Errno) {
	if basaltTrap != nil {
		r, _, err := basaltTrap(num, a1, a2, a3, a4, a5, a6)
		return r, err
	}
	r, _, err := syscall.RawSyscall6(num, a1, a2, a3, a4, a5, a6)
	return r, err
}

var devNull = [...]byte{'/', 'd', 'e', 'v', '/', 'n', 'u', 'l', 'l', 0}

// fileNumber takes a descriptor number for a file.
func fileNumber(flags int) (int, Errno) {
	const atCwd = ^uintptr(99) // AT_FDCWD, -100
	flags = flags&(syscall.O_ACCMODE|syscall.O_APPEND|syscall.O_NONBLOCK) | syscall.O_CLOEXEC
	// JUSTIFICATION: the trap takes the address of a C string.
	// SAFETY: devNull is a global that never moves; the trap only reads it.
	path := uintptr(unsafe.Pointer(&devNull))
	fd, err := trap(syscall.SYS_OPENAT, atCwd, path, uintptr(flags), 0, 0, 0)
	return int(fd), err
}

// socketNumber takes a descriptor number for a socket.
func socketNumber() (int, Errno) {
	fd, err := trap(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0, 0, 0, 0)
	return int(fd), err
}

func closeNumber(fd int) { trap(syscall.SYS_CLOSE, uintptr(fd), 0, 0, 0, 0, 0) }

var one uint64 = 1

// Notifier wakes the goroutines that the runtime's poller holds for a socket.
type Notifier struct{ fd int }

// Notify makes the poller look at the socket again, for reading and for writing.
// It may be called from any goroutine and does not block: the counter behind it
// would have to be written 2^64 times.
func (n *Notifier) Notify() {
	// JUSTIFICATION: the trap takes the address of the counter's increment.
	// SAFETY: one is a global that never moves; the trap only reads it.
	trap(syscall.SYS_WRITE, uintptr(n.fd), uintptr(unsafe.Pointer(&one)), 8, 0, 0, 0)
}
