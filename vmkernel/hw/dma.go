package hw

import (
	"fmt"
	"sync/atomic"

	"basalt/drivers/bus"
	"basalt/vmkernel/pmem"
)

// maxDMA bounds one allocation; rings and their buffers are far below it.
const maxDMA = 16 << 20

// memory is DMA memory, seen through the direct map.
type memory struct {
	window
	pa    uint64
	freed atomic.Bool
}

var _ bus.DMA = (*memory)(nil)

// AllocDMA gives zeroed, physically contiguous memory; below 4 GiB if low32.
func (m *Machine) AllocDMA(size int, low32 bool) (bus.DMA, error) {
	if size <= 0 || size > maxDMA {
		return nil, fmt.Errorf("hw: DMA memory of %d bytes", size)
	}
	n := (size + pmem.Frame - 1) / pmem.Frame
	var limit uint64
	if low32 {
		limit = 1 << 32
	}
	pa, ok := pmem.Alloc(n, pmem.Frame, limit)
	if !ok {
		return nil, fmt.Errorf("hw: no %d contiguous frames for DMA", n)
	}
	return &memory{window: window{pmem.Virt(pa), uintptr(n) * pmem.Frame}, pa: pa}, nil
}

// Bytes implements bus.DMA.
func (m *memory) Bytes() []byte { return pmem.Bytes(m.pa, int(m.size)) }

// Addr implements bus.DMA.
func (m *memory) Addr() uint64 { return m.pa }

// Free implements bus.DMA.
func (m *memory) Free() {
	if m.freed.Swap(true) {
		panic("hw: DMA memory freed twice")
	}
	pmem.Free(m.pa, int(m.size/pmem.Frame))
}
