package vfs

import (
	"sync/atomic"
	"syscall"

	"basalt/vmkernel/sys"
)

// nodeCost is what a node and its name are charged, in bytes.
const nodeCost = 512

// budget is how many bytes the file system may take.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int64) sys.Errno {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return syscall.ENOSPC
	}
	return 0
}

func (b *budget) give(n int64) { b.used.Add(-n) }
