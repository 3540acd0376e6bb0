// Package blk is the virtio block device: a blockio.Disk for a guest. World W2.
//
// # Place in the data path
//
// Guest -> doorbell -> the queue's goroutine -> request header -> windows of guest
// memory pinned by gmem -> blockio.Disk.Submit -> Done, on any goroutine -> list of
// what is done -> the queue's goroutine -> status byte, used ring, one interrupt.
//
// # Specification
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, section 5.2.
//
// # Decisions
//
//   - No copies: the disk works on the guest's memory. A request is cut at the
//     borders of 2 MiB frames and into rounds of what the disk takes at once
//     (MaxTransfer, MaxSegments); the rounds of one request follow each other and
//     only one has windows pinned, so that its size bounds nothing. When the device
//     or the queue ends, the rounds, ranges and flush that are still to come are left
//     out: how long an end takes is not the guest's to say.
//   - Only the queue's goroutine touches the ring. Done puts the request on a list
//     without a lock and rings the bell if the goroutine is not just working.
//   - A request object is made when more are in flight than ever before and used
//     again; there are at most as many as the queue has descriptors.
//   - FLUSH and CONFIG_WCE are offered always, the cache starts as write-back if
//     the driver has accepted FLUSH. Write-through (5.2.6.2) uses FUA, or a flush
//     after the write if the disk has none; a disk without a cache needs neither.
//   - Header and status may be anywhere in a chain (2.7.4.2): the first 16 readable
//     bytes and the last writable one. A chain without them is a breach: there is
//     no status byte to say so. All else that is wrong ends with IOERR.
//   - Discard and write zeroes that were not negotiated, unknown flags, and unknown
//     types give UNSUPP. WRITE_ZEROES may give space back with and without unmap,
//     as blockio's does; write_zeroes_may_unmap says 1.
//   - A request that failed reports as written only what was.
//   - A capacity that is no multiple of 512 cannot be (blockio). CapacityChanged
//     takes over a new size of the disk.
//   - A queue counts its requests with atomics of its own (Stats), before the guest
//     sees that they ended.
//
// # Locking
//
// Each queue's state belongs to its goroutine, but for the list of what is done.
// Configuration is in atomics.
//
// # Not supported
//
// SIZE_MAX is not offered: a segment may have any length. GEOMETRY, LIFETIME, SECURE_ERASE, ZONED and the legacy features. A read or write
// longer than MaxTransfer is not atomic against others that overlap it, as
// blockio's are not either.
package blk
