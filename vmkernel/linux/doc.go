// Package linux is the personality: it gives an unmodified linux/amd64 Go binary
// what its runtime expects of a kernel, inside the same binary, in ring 0.
//
// # How it works
//
// The SYSCALL instruction enters ·syscall, interrupts and exceptions enter
// ·interrupt. Both leave the whole register frame in the running thread's own
// structure (the interrupt stack table points there), switch to the processor's
// handler stack and call a handler in Go with a g of its own. A handler never
// blocks: it runs to its end with interrupts off, then leave picks the thread to
// run and ·resume loads that thread's frame. So there is one handler stack for a
// processor and no kernel stack for a thread.
//
// # World
//
// W0 (entry_amd64.s) and W1 (everything else): no allocation, no pointer stores
// into memory that the collector knows, no maps, defer or panic. Threads and
// processors are named by address (uintptr) in memory outside the Go heap. The
// package imports only unsafe, sync/atomic, math/bits and its own layer below, so
// that it can be linked under the test binary of any package.
//
// # Locks
//
// sched.lock (threads, run queue, futexes, timers, descriptors) and mm.lock (areas
// and page tables) are spin locks taken with interrupts off, never both at once.
// Unpark and Ring take sched.lock outside any handler, from run loops and ordinary Go:
// what they call is nosplit and uses no vector register (a test looks at the object code).
// Nothing slow happens under them: frames are zeroed and other processors'
// translations flushed outside.
//
// # Memory
//
//	0                      nothing: nil dereferences fault
//	16 MiB                 the image, at its link address; text is read-only
//	0xc0_0000_0000         Go's heap arenas, where Go asks for them
//	0x7f00_0000_0000 down  other mappings
//	0xffff_8000_0000_0000  all physical memory, writable, never executable
//	0xffff_c000_0000_0000  device windows, uncached
//	0xffff_e000_0000_0000  the kernel's own stacks, with unmapped addresses below each
//
// # Time
//
// Everything is in ticks of the first processor's time-stamp counter; tsc.go says what
// happens where the others do not agree with it. A virtual CPU reads its processor's
// own counter, and is pinned there.
//
// # Not supported
//
// Processes, signals from outside, priorities of threads, files and sockets
// (vmkernel/sys answers those in Go, before the trap).
package linux
