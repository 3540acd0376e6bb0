// Package pmem hands out the machine's physical memory in 4 KiB and 2 MiB frames.
//
// Memory is managed in blocks of 2 MiB. A block is whole (all 512 frames free),
// partial or full; whole and partial blocks are kept on two doubly linked lists
// of indices, so that taking and giving back a frame costs the same on a machine
// of any size. The block table itself is carved from the first region that is
// large enough: 96 bytes for 2 MiB, 0.005 %.
//
// Who wants 1 GiB in one piece finds one that is free (FreeHuge), and takes its blocks
// one by one when it needs them; single frames come from below at first.
//
// World W1: nothing here allocates from the Go heap, and one spin lock guards the
// lists for a few instructions; frames are zeroed outside of it. Init runs before
// the Go runtime. Callers in W2 reach it with interrupts on: the lock is then
// taken with interrupts off.
//
// Not supported: NUMA nodes, memory hot-plug.
package pmem
