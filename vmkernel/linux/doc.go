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
// # Policy
//
// Without a Policy all threads take turns in one queue. With one (decide.go), a thread
// that runs a guest is a virtual CPU of the policy while its run loop's word says
// InGuest; everything else is the agent, which stays in the queue and is one name of
// the policy's for each processor. A handler tells the policy what changed and asks it
// when a slice is over, when the policy wants to be asked (Kicks), or when what ran is
// gone; turns among the agent's threads within a slice need no question.
//
// A guest's thread in ordinary Go that loses its processor, or waits, goes on as one
// of the agent's, and waits for the policy again before its guest runs (MustEnter):
// it may hold locks of the runtime's, or be what a stop of the world waits for, while
// the policy may hold a virtual CPU back for as long as a limit says.
//
// A virtual CPU that has to stop is one of the agent's at once, wherever it waits
// (Hurry). A guest that spins (Yield) ends its slice.
//
// Unpark uses no vector register and so cannot ask: ready leaves a virtual CPU in the
// list of those that woke, and a processor that looks tells the policy (admitWoken).
//
// The end of a slice gets a timer only if somebody waits or a limit says so; whoever
// begins to wait has the other processors look, so that theirs gets one, too.
//
// A virtual CPU that halts where nobody waits in the policy goes on being the one that
// runs there in the policy's books. Its processor is lent (lend.go) to whoever wants it
// until the slice is over: a thread of the agent's that does its request, a sibling
// that has its interrupt. Nobody is asked when they take turns; before the next
// decision on any processor the policy is told who had how much (Slept, Lent). A
// virtual CPU that a limit holds is not lent to and does not lend. So a guest that is
// alone costs no decisions, one that waits for its disk costs few, and a halted host has
// no timer.
//
// What wakes waits for what runs there to wait in its turn, a virtual CPU a millisecond
// at most. Behind a guest that computes (100 us are enough) the policy hears of it at
// once, of the agent as well, and is asked again in a millisecond if it lets that wait.
//
// Measured under QEMU's -icount, in instructions, with 1 processor and 1 machine, 4
// and 10 x 2 virtual CPUs, 64 and 200 x 2: Pick, with what ran put back, 2300, 3200 and
// 24000 (at worst 85000, on 64 processors with 400 virtual CPUs whose turns all begin
// at once); Wake 620, 750 and 9000; Block 1100, 930 and 4200. They need 420 bytes of the
// handler's stack of 32 KiB, by the frames of the object code.
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
// own counter: package vm/ring0 pins it to one unless all are in step.
//
// # Not supported
//
// Processes, signals from outside, priorities of the agent's threads, files and sockets
// (vmkernel/sys answers those in Go, before the trap).
package linux
