// Package files is the host's file store: kernels, initial RAM disks and modules
// that were uploaded, and the images of virtual disks. World W2.
//
// For now everything is in memory: contents live in chunks of host memory outside
// of the Go heap (host.Memory), small files on the heap up to a fixed total. A
// file's whole size is taken before its first byte is read, so that an upload
// that does not fit is refused before it is stored and one that was accepted
// cannot fail for want of memory; pages of zeroes give theirs back as they come.
// Readers see either the old or the new content, never a part: the new content
// appears with one map write after its last byte and its SHA-256 are there. An open
// File keeps its content until Close, whatever happens to the name.
//
// Images. Any file that is a whole number of 512-byte blocks can be opened as a
// disk for a virtual machine; one that is made for that (Create) is all holes. As a
// disk its memory comes with the first write to each 2 MiB, beyond what is free
// that write fails and nothing else, and what the guest discards comes back: see
// drivers/blockio/imagedisk. A file is open to any number of readers (downloads,
// starts of machines, read-only disks) or to one disk that writes. While a machine
// has it open as a disk, its name cannot be removed or given to other content. Its
// SHA-256 is not known any more once a disk could write.
//
// A saved state is written by a Writer: nobody knows its size beforehand, memory comes
// as it grows, and its name appears in one step at the end, without a SHA-256. A Hold
// keeps a suspended machine's state and images as they are: they can be read, and opened
// by the machine itself. Copy copies the pages that an image holds, for a clone;
// CopyFile makes a file of its own of any other that nobody may write to (copy.go).
//
// Paths are flat names with slashes. A name cannot be both a file and a folder
// of others, so that the same tree fits a real file system later.
//
// Locking: Store.mu guards the map and the accounts; it is never held while a
// body is read.
package files
