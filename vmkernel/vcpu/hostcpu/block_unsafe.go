package hostcpu

// JUSTIFICATION: a guest has to run inside what the runtime believes is a
// blocking system call (the P is handed on, a stop-the-world does not wait), and
// on the thread's system stack; std offers that only for real system calls. The
// import of unsafe is for linkname only.
// SAFETY: the three functions are called in the order of runtime.cgocall, from
// one nosplit frame that stays alive until exitsyscall.
import _ "unsafe"

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

//go:noescape
//go:linkname systemstack runtime.systemstack
func systemstack(fn func())

// Block runs fn on the thread's system stack while the goroutine counts as
// blocked in a system call. fn is world W1. A closure given to it stays on the
// caller's stack. The goroutine must be locked to its thread.
//
//go:nosplit
func Block(fn func()) {
	entersyscall()
	systemstack(fn)
	exitsyscall()
}
