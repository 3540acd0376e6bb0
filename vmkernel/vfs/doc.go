// Package vfs is the in-kernel file system: a tree in memory that package os and
// what stands on it (bbolt, etcd, net/http file servers) use through vmkernel/sys.
// World W2.
//
// Data path: os.File -> syscall -> sys -> a handle of this package -> inode ->
// content. No disk is behind it; what must survive a restart belongs to the
// datastore.
//
// Content. A small file is a Go slice. A larger one, or one that was mapped, is a
// window: a contiguous range of addresses from the Allocator that gets memory when
// it is touched. mmap returns window + offset and read and write use the same
// memory, so both views agree by identity. A mapping may reach past the end of the
// file, where it reads zero instead of raising SIGBUS, and all mappings are
// readable and writable whatever protection was asked for.
//
// Holes. What was never written, or was punched out with fallocate, is a hole of
// whole pages in a window; lseek finds data and holes. All of a small file is data.
//
// Budget. Every page that a file may hold and every node is charged to one budget;
// beyond it the answer is ENOSPC. A hole costs nothing and reading it touches no
// memory; mapping a part of a file charges that part.
//
// Locking: FS.mu guards the shape of the tree (names, links, working directory);
// each inode has its own lock for attributes and content. Order: FS.mu, then
// inode.mu; never two inodes' locks together.
//
// The caller is root: permission bits are kept but only the execute bits are
// checked, as Linux does for root. The mode of new files is masked with 022.
//
// Imports: only what package testing imports, see vmkernel/sys.
//
// Not supported: FIFOs and sockets in the tree, device nodes other than the built-in
// ones, extended attributes, private writable mappings, O_TMPFILE, record locks
// (they always succeed: there is one process), inotify.
package vfs
