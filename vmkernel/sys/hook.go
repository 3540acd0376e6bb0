package sys

import "syscall"

// handler answers one system call number. ok false hands it to the trap.
type handler func(a args) (r uintptr, err Errno, ok bool)

type args [6]uintptr

const maxNumber = 512

var (
	handlers [maxNumber]handler
	files    FileSystem
	sockets  SocketFactory
)

// Install makes fs answer path names and s make sockets, and starts asking the
// table. Either may be nil and be given by a later call; both must be there before
// goroutines that use them start. It says false, and does nothing, in a binary
// built without the overlay.
func Install(fs FileSystem, s SocketFactory) bool {
	if !Overlaid() {
		return false
	}
	if fs != nil {
		files = fs
	}
	if s != nil {
		sockets = s
	}
	fileCalls(&handlers)
	pathCalls(&handlers)
	socketCalls(&handlers)
	basaltHook = hook
	return true
}

// hook is called by package syscall for each system call.
func hook(num, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno, ok bool) {
	if num >= maxNumber || handlers[num] == nil {
		return 0, 0, 0, false
	}
	a := args{a1, a2, a3, a4, a5, a6}
	r, err, ok := handlers[num](a)
	if !ok {
		return 0, 0, 0, false
	}
	if err != 0 {
		r = ^uintptr(0)
	}
	return r, 0, err, true
}

// onFD wraps a call whose first argument is a descriptor: not ours, not answered.
func onFD(f func(obj Object, a args) (uintptr, Errno)) handler {
	return func(a args) (uintptr, Errno, bool) {
		d := fds.get(a[0])
		if d == nil {
			return 0, 0, false
		}
		r, err := f(d.obj, a)
		return r, err, true
	}
}

// count turns a result in bytes into what a call returns.
func count(n int, err Errno) (uintptr, Errno) {
	if err != 0 {
		return 0, err
	}
	return uintptr(n), 0
}

// refuse answers err for a call that has one of our descriptors at position i or j.
func refuse(err Errno, i, j int) handler {
	return func(a args) (uintptr, Errno, bool) {
		if fds.get(a[i]) == nil && fds.get(a[j]) == nil {
			return 0, 0, false
		}
		return 0, err, true
	}
}

// noAttributes answers the extended attribute calls on a descriptor.
func noAttributes(Object, args) (uintptr, Errno) { return 0, syscall.ENOTSUP }
