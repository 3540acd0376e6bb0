// Package host is the only door between management (mgmt) and the VMkernel:
// narrow interfaces over the machine, its memory and its virtual machines, and
// the small concrete types that both sides share (console ring, event log,
// sentinels). World W2.
//
// Place in the data path (DESIGN 3.3): face -> auth -> inventory/task -> host ->
// the virtual machine's owner goroutine. Nothing here knows HTTP, JSON or users;
// nothing here knows vCPUs or devices. The package fakehost beside it behaves
// like the real one without hardware, and all of mgmt is tested on it.
//
// Locking: every method of every interface may be called by any goroutine at
// any time. Methods without a context never block for longer than a lock held
// over memory operations. Methods with a context return when it ends; what they
// began is either undone or completes on its own.
//
// Disks: management opens what stands behind them (it has the file store) and gives
// them to Start and AttachDisk as it gives kernels; the machine closes them when it
// is off. An image is in use exactly as long as its disk is open.
//
// Not supported here yet: saved state, snapshots, migration, power of the host
// itself.
package host
