package local

import (
	"fmt"
	"sync"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
)

// Memory gives frames that machines could have too.
func (h *Host) Memory() host.Memory { return memory{h.conf.Budget, h.conf.Frames} }

// memory takes its chunks out of the machines' budget: what was promised to a machine is
// not free, though no frame of it is taken yet.
type memory struct {
	budget *gmem.Budget
	frames gmem.Frames
}

// Free is what Alloc could still give.
func (m memory) Free() uint64 { return m.budget.Available() }

// Alloc gives one large frame.
func (m memory) Alloc() (host.Chunk, error) {
	if err := m.budget.Reserve(host.ChunkSize); err != nil {
		return nil, fmt.Errorf("%w: %w", host.ErrNoMemory, err)
	}
	hpa, ok := m.frames.Alloc2M()
	if !ok {
		m.budget.Release(host.ChunkSize)
		return nil, fmt.Errorf("%w: no frame is left", host.ErrNoMemory)
	}
	m.budget.Back(host.ChunkSize)
	return &chunk{m: m, hpa: hpa}, nil
}

type chunk struct {
	m    memory
	hpa  uint64
	once sync.Once
}

// Bytes is the chunk's memory.
func (c *chunk) Bytes() []byte { return c.m.frames.Bytes(c.hpa, host.ChunkSize) }

// Release zeroes the chunk and gives it back.
func (c *chunk) Release() {
	c.once.Do(func() {
		clear(c.Bytes())
		c.m.budget.Unback(host.ChunkSize)
		c.m.frames.Free2M(c.hpa)
		c.m.budget.Release(host.ChunkSize)
	})
}

// A chunk is a frame.
const _ = uint(host.ChunkSize-gmem.FrameSize) + uint(gmem.FrameSize-host.ChunkSize)
