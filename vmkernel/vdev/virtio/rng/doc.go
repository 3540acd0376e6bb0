// Package rng is the virtio entropy device. World W2.
//
// # Place in the data path
//
// Guest -> doorbell -> the queue's goroutine -> an io.Reader of random bytes ->
// guest memory -> interrupt.
//
// # Specification
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, section 5.4.
//
// # Decisions
//
//   - A request gets at least one byte (5.4.6.2) and at most 1024, however long
//     its buffer is; the driver looks at the used length.
//   - A guest gets so many bytes for each second of its own clock, and a burst at
//     once; requests above that wait in the ring. So a guest cannot make the host
//     work for nothing else.
//   - The source is asked before a chain is taken. If it fails, the chain stays in
//     the ring, and the source is asked again after 100 ms.
//   - Random bytes that are left over are forgotten when state is saved or loaded
//     and at a reset, and wiped once used: no two machines ever get the same ones.
//   - A readable buffer is a breach (5.4.6.1).
//
// # Locking
//
// The queue's goroutine has everything; Failures is an atomic. Reset, SaveState and
// LoadState are called while it has nothing to do.
//
// # Not supported
//
// Nothing of 5.4 is missing. The leak queues of later versions are.
package rng
