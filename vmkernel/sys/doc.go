// Package sys answers system calls in Go: the table behind package syscall when
// the kernel is built with the overlay of cmd/mkoverlay. World W2.
//
// A call of syscall.Syscall and its siblings arrives here first. What names one
// of our descriptors, or a path or socket family that was registered, is answered
// by Go code in this process; everything else falls through to the trap
// (vmkernel/linux in ring 0, Linux itself when the same code runs as a process in
// tests). What package runtime asks for on its own (memory, threads, futexes,
// epoll, clocks) never comes here.
//
// Place in the data path: net/http -> net -> internal/poll -> syscall -> sys ->
// netstack or vfs.
//
// Descriptor numbers always come from the trap, so that they can never collide
// with the trap's own: a socket's number is an eventfd (the runtime's poller waits
// on it, Notifier writes to it), a file's number is an open /dev/null (epoll
// refuses it with EPERM, which is what it must say about a file).
//
// Calls run without entersyscall: a handler may allocate and park the goroutine,
// and must not hold a lock while it prints. Handlers may be entered again from
// inside a handler.
//
// Locking: the descriptor table has one mutex for changes; lookups take none. No
// object method is called under it.
//
// Imports: only what package testing imports too, so that the package can be
// linked into every test binary (cmd/mkoverlay -ktest).
//
// Not supported: fork and exec with our descriptors, passing descriptors over
// sockets, dup2 onto a number of the trap, and mappings that are private copies
// of a file and written to.
package sys
