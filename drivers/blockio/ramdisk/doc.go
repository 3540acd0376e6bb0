// Package ramdisk is a sparse disk in memory.
//
// World W2. Place in the data path: in tests it stands where a host driver and
// its medium would; inside the host it backs scratch disks.
//
// Contract beyond blockio.Disk: memory is taken in chunks of ChunkSize at the
// first write to each, and a chunk that Discard or WriteZeroes covers whole is
// given back. What is not backed reads as zeroes, discarded ranges too. A write
// that would take more than the budget completes with blockio.ErrNoSpace and
// changes nothing. There is no write cache: what completed is as durable as
// memory is. Requests complete within Submit.
//
// Locking: one reader-writer lock, held for one request at a time, so that
// writes are atomic as a whole; no call is made while it is held.
package ramdisk
