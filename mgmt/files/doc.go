// Package files is the host's file store: kernels, initial RAM disks and modules
// that were uploaded. World W2.
//
// For now everything is in memory: contents live in chunks of host memory outside
// of the Go heap (host.Memory), small files on the heap up to a fixed total. A
// file's whole size is taken before its first byte is read, so that an upload
// that does not fit is refused before it is stored and one that was accepted
// cannot fail for want of memory. Readers see either the old or the new content,
// never a part: the new content appears with one map write after its last byte
// and its SHA-256 are there. An open File keeps its content until Close, whatever
// happens to the name.
//
// Paths are flat names with slashes. A name cannot be both a file and a folder
// of others, so that the same tree fits a real file system later.
//
// Locking: Store.mu guards the map and the accounts; it is never held while a
// body is read.
package files
