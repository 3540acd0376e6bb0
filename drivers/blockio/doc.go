// Package blockio is the seam between disks and whatever uses them: host
// drivers, the datastore, virtual disks, and decorators between them (tracing,
// rate limits, fault injection). World W2.
//
// Place in the data path: a virtual disk turns a guest's requests into Requests
// over pinned guest memory and submits a batch of them; a datastore maps them to
// extents of another Disk; a host driver puts them on its hardware queues and
// completes them from its interrupt goroutine.
//
// # Ownership
//
// The caller makes Request values once and reuses them, so that nothing is
// allocated for a request. From Submit until Done is called, the Request and its
// buffers belong to the disk; from then on, inside Done already, to the caller
// again, and the disk does not touch them any more. The batch slice belongs to
// the caller as soon as Submit returns. Done is called exactly once for every
// request submitted, refused and aborted ones too.
//
// # Ordering
//
// Requests in flight together have no order, in one batch as little as in two: a
// caller that needs one after the other waits for Done. Where requests in flight
// overlap, each logical block has the content of one of them, never a mixture
// within a block; which one is undefined, and so is what a read sees.
//
// # Durability
//
// A completed write is seen by every read submitted later. It survives a loss of
// power if the disk has no write cache (Info.WriteCache), or if it had FUA set,
// or if it had completed before a Flush was submitted that then completed without
// error. A Flush says nothing about writes that were still in flight when it was
// submitted. Anything else may be lost by a power cut: each logical block written
// since then, on its own, has its durable content or that of any later write.
// After a Flush that failed, nothing is known about the writes that it covered.
//
// A write that failed leaves in each logical block of its range the old or the
// new content, except when it was refused: what Check refuses touches nothing.
//
// # Locking
//
// A disk holds no lock while it calls Done, which may run inside Submit, on any
// goroutine, and for several requests at once. Done must not block and must not
// close the disk. It may submit, but since a disk may complete within Submit, a
// caller that does so must bound the depth itself.
//
// # What is not supported
//
// Cancelling one request, priorities (that is iosched's work), compare and write,
// reservations, integrity metadata, zones. A change of size is seen in Info; who
// resizes a disk tells its users. Flush, Discard and WriteZeroes are not emulated
// for a disk that cannot do them: the caller looks at Info.
package blockio
