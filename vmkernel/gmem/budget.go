package gmem

import (
	"errors"
	"fmt"
	"sync"
)

// ErrNoMemory says that the host cannot promise so much memory.
var ErrNoMemory = errors.New("not enough host memory")

// Budget is the host's memory in bytes that virtual machines, and files beside them,
// may have. What is promised of it is there: a machine is admitted only if its whole
// size fits, and nobody gets what a machine was promised and has not touched yet. Safe
// for several goroutines.
type Budget struct {
	mu     sync.Mutex
	limit  uint64
	used   uint64        // promised
	backed uint64        // of used: has its frames
	free   func() uint64 // frames that the host has left, in bytes; nil: as many as the limit says
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit uint64) *Budget { return &Budget{limit: limit} }

// NewHostBudget makes a budget of limit bytes over the frames of a host. free is how
// many bytes of frames there are now; the host itself may take some of them.
func NewHostBudget(limit uint64, free func() uint64) *Budget {
	return &Budget{limit: limit, free: free}
}

// Reserve promises n bytes or fails with ErrNoMemory.
func (b *Budget) Reserve(n uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if free := b.available(); n > free {
		return fmt.Errorf("gmem: %d MiB wanted, %d of %d MiB are free: %w", (n+1<<20-1)>>20, free>>20, b.limit>>20, ErrNoMemory)
	}
	b.used += n
	return nil
}

// Release gives back n bytes of an earlier Reserve.
func (b *Budget) Release(n uint64) {
	b.mu.Lock()
	b.used -= min(n, b.used)
	b.mu.Unlock()
}

// Back notes that n bytes of what is promised got their frames, and Unback that they
// are about to lose them. In between the frame counts twice, for a moment, and never
// not at all.
func (b *Budget) Back(n uint64) {
	b.mu.Lock()
	b.backed += n
	b.mu.Unlock()
}

// Unback is the way back from Back.
func (b *Budget) Unback(n uint64) {
	b.mu.Lock()
	b.backed -= min(n, b.backed)
	b.mu.Unlock()
}

// Available is what Reserve could promise now, in bytes.
func (b *Budget) Available() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.available()
}

// available is what neither is promised nor will be needed for what is: the limit and
// the host's frames both bound it.
func (b *Budget) available() uint64 {
	n := b.limit - min(b.used, b.limit)
	if b.free == nil {
		return n
	}
	owed, free := b.used-min(b.backed, b.used), b.free()
	return min(n, free-min(owed, free))
}

// Grow makes the budget n bytes larger: the host has memory to give that it did not
// have to give at first.
func (b *Budget) Grow(n uint64) {
	b.mu.Lock()
	b.limit += n
	b.mu.Unlock()
}

// Limit is the size of the budget, in bytes.
func (b *Budget) Limit() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limit
}

// Used is what is promised, in bytes.
func (b *Budget) Used() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
