// Package vring is the device's side of virtqueues, split and packed, for the
// virtual devices of the virtio family. World W2.
//
// # Place in the data path
//
// Guest driver -> doorbell -> the device's queue goroutine -> Next -> segments
// -> gmem -> the device's work -> Push -> NeedInterrupt -> interrupt. A device
// that has nothing left to do calls EnableNotify; if that says that there is
// something, it goes on, else it sleeps until the doorbell.
//
// # Specifications
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, sections
// 2.6 (virtqueues), 2.7 (split), 2.8 (packed) and 2.9 (data in notifications,
// which this package does not need). Layouts are in drivers/spec/virtio.
//
// # Decisions
//
//   - The driver is untrusted. Descriptors and indices are copied once and the
//     copy is checked; nothing is looked at that was not handed over. What the
//     specification forbids gives ErrNeedsReset, which says what and why, and the
//     queue gives it to everything until Reset or Start.
//   - The work of one call is bounded: a chain has at most as many buffers as the
//     queue has descriptors (2.7.5.3.1), with an indirect table too. The
//     descriptor that refers to a table is not counted.
//   - An indirect table with more entries than the queue is refused even if its
//     chain is shorter, and so is a buffer of no bytes, of which 1.2 says nothing.
//   - A split chain whose head is out already is refused. Two chains that share
//     later descriptors are not noticed; they harm only the driver.
//   - In a packed indirect table, flags other than WRITE are ignored (2.8.7).
//   - No request allocates once a Chain has grown to the longest it has held.
//   - A queue is saved only while no chain is out; the device drains it first.
//   - A network device takes buffers before it knows whether they are enough, and
//     must show those of one frame all at once: Untake and PushAll.
//
// # Locking
//
// None. A Queue and the chains from it belong to one goroutine at a time, Reset
// included. The driver works on the same memory at the same time; split.go says
// why the order of accesses is right, notify.go where a full barrier is needed.
//
// # Not supported
//
// Legacy layouts (before 1.0), VIRTIO_F_IN_ORDER, VIRTIO_F_ACCESS_PLATFORM: the
// device must not offer them. Chains are taken one by one.
package vring
