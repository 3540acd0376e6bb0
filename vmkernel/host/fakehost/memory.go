package fakehost

import (
	"sync"

	"basalt/vmkernel/host"
)

// Memory implements host.Host: chunks that are counted against the host's total.
func (h *Host) Memory() host.Memory { return memory{h} }

type memory struct{ h *Host }

func (m memory) Free() uint64 {
	return m.h.Info().MemoryFree
}

func (m memory) Alloc() (host.Chunk, error) {
	if err := m.h.take(host.ChunkSize); err != nil {
		return nil, err
	}
	return &chunk{h: m.h, b: make([]byte, host.ChunkSize)}, nil
}

type chunk struct {
	h    *Host
	once sync.Once
	b    []byte
}

func (c *chunk) Bytes() []byte { return c.b }

func (c *chunk) Release() {
	c.once.Do(func() {
		c.b = nil
		c.h.give(host.ChunkSize)
	})
}
