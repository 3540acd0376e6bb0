package ring0

import (
	"syscall"
	"unsafe"
)

// setAffinity limits the calling thread to the processors in mask. A failure is
// harmless: the engine follows its thread.
func setAffinity(mask uint64) {
	// JUSTIFICATION: std has no call for sched_setaffinity.
	// SAFETY: mask lives until the call returns; its size is given.
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
}
