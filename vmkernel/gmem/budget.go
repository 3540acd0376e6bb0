package gmem

import (
	"errors"
	"fmt"
	"sync"
)

// ErrNoMemory says that the host cannot promise so much memory.
var ErrNoMemory = errors.New("not enough host memory")

// Budget is the memory in bytes that the host gives to virtual machines. A
// machine is admitted only if its whole size fits. Safe for several goroutines.
type Budget struct {
	mu    sync.Mutex
	limit uint64
	used  uint64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit uint64) *Budget { return &Budget{limit: limit} }

// Reserve promises n bytes or fails with ErrNoMemory.
func (b *Budget) Reserve(n uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.limit-b.used {
		return fmt.Errorf("gmem: %d MiB wanted, %d of %d MiB are free: %w",
			n>>20, (b.limit-b.used)>>20, b.limit>>20, ErrNoMemory)
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

// Limit is the size of the budget and Used what is promised of it, in bytes.
func (b *Budget) Limit() uint64 { return b.limit }

// Used is what is promised, in bytes.
func (b *Budget) Used() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
