// Package imagedisk is a sparse disk image in large pieces of host memory, and
// the disk over it.
//
// World W2. Place in the data path: the file store (mgmt/files) keeps its large
// files as Images and opens one as a Disk for a virtual machine; a scratch disk of
// a machine is an Image without a name. It lives beside ramdisk, below both the
// VMkernel and management: either may only import what is here. ramdisk is for
// tests (its memory is the Go heap); the memory of an Image comes from a function
// that its owner gives, in Chunks outside of the heap.
//
// Contract beyond blockio.Disk: a chunk is taken at the first write into it. Each
// one has a map of its 4 KiB pages that hold data: what has none reads as zeroes
// without a look at the memory, so that chunks need not be cleared when they come.
// Discard and WriteZeroes punch holes: whole pages leave the map, parts of pages
// are cleared, and a chunk without pages goes back to its owner. A write that needs
// more memory than there is completes with blockio.ErrNoSpace and changes nothing;
// every other request goes on. There is no write cache: what completed is as
// durable as memory is, and Flush completes at once.
//
// Requests of at most inline bytes complete within Submit: handing one to another
// goroutine costs more than the copy. Longer ones, and those that punch holes (to
// give a chunk back its owner clears it), go to two workers, as many as fit into
// their queue; when it is full the submitter does the work itself, so that Submit
// never waits for Done.
//
// Size: Resize grows or shrinks at any time. It refuses to cut data off unless
// told to.
//
// Append fills an image whose size is not known beforehand; CopyFrom copies what another
// one holds, hole for hole (fill.go).
//
// Locking: Image.mu guards the table of chunks and the size; a request that takes
// or gives chunks holds it exclusively, every other one shared, with the lock of
// one chunk at a time around its copy: a logical block, which is always within one
// chunk, is never mixed. Order: Image.mu, chunk.mu. No lock is held while Done, or
// the owner's Release, runs.
//
// Not supported: formats other than raw, snapshots, sharing of chunks between
// images, a disk of 4096-byte logical blocks.
package imagedisk
