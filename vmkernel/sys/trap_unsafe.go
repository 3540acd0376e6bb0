package sys

import (
	"slices"
	"sync"
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

// Notifier wakes the goroutines that the runtime's poller holds for a socket or a
// pipe's end.
type Notifier struct {
	mu  sync.Mutex
	fds []int // the numbers of one description
}

// Notify makes the poller look at the socket again, for reading and for writing.
// It may be called from any goroutine and does not block: the counter behind it
// would have to be written 2^64 times.
func (n *Notifier) Notify() {
	n.mu.Lock()
	for _, fd := range n.fds {
		// JUSTIFICATION: the trap takes the address of the counter's increment.
		// SAFETY: one is a global that never moves; the trap only reads it.
		trap(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8, 0, 0, 0)
	}
	n.mu.Unlock()
}

// add and remove change the numbers; a number is removed before it is given back.
func (n *Notifier) add(fd int) {
	n.mu.Lock()
	n.fds = append(n.fds, fd)
	n.mu.Unlock()
}

func (n *Notifier) remove(fd int) {
	n.mu.Lock()
	n.fds = slices.DeleteFunc(n.fds, func(f int) bool { return f == fd })
	n.mu.Unlock()
}

// Address is where p's first byte is.
func Address(p []byte) uintptr {
	// JUSTIFICATION: mmap answers with a number.
	// SAFETY: p is memory of ReserveMemory, outside the Go heap; it never moves.
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))
}

// mapNoReserve asks for memory that is there only when touched.
const mapNoReserve = 0x4000

// ReserveMemory gives n bytes of addresses that read zero and get memory, page by
// page, when they are touched. n is a multiple of 4096.
func ReserveMemory(n int) ([]byte, Errno) {
	addr, err := trap(syscall.SYS_MMAP, 0, uintptr(n), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|mapNoReserve, ^uintptr(0), 0)
	if err != 0 {
		return nil, err
	}
	// JUSTIFICATION: the mapping is outside the Go heap.
	// SAFETY: the trap gave [addr, addr+n) to us alone until ReleaseMemory; the
	// memory holds no Go pointers.
	return unsafe.Slice((*byte)(pointer(addr)), n), 0
}

// ReleaseMemory gives all of what ReserveMemory gave back. Nobody may use it any
// more.
func ReleaseMemory(p []byte) { trap(syscall.SYS_MUNMAP, Address(p), uintptr(len(p)), 0, 0, 0, 0) }

// DiscardMemory makes whole pages of p read zero and gives their memory back.
func DiscardMemory(p []byte) {
	trap(syscall.SYS_MADVISE, Address(p), uintptr(len(p)), syscall.MADV_DONTNEED, 0, 0, 0)
}

// randomBuffers are on the heap, so that their addresses stay what they are while
// the call is made.
var randomBuffers = sync.Pool{New: func() any { return new([256]byte) }}

// Random fills p from the trap's random numbers.
func Random(p []byte) {
	buf := randomBuffers.Get().(*[256]byte)
	defer randomBuffers.Put(buf)
	for len(p) > 0 {
		n := min(len(p), len(buf)) // so few are never given in parts
		// JUSTIFICATION: the trap takes an address.
		// SAFETY: buf is on the heap and in use until the deferred Put.
		if _, err := trap(sysGetrandom, uintptr(unsafe.Pointer(buf)), uintptr(n), 0, 0, 0, 0); err != 0 {
			panic("sys: getrandom: " + err.Error())
		}
		p = p[copy(p, buf[:n]):]
	}
	clear(buf[:])
}
