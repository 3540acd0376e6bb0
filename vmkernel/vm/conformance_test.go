package vm

import (
	"io"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
	"basalt/vmkernel/host/hosttest"
)

// hostOf is a host whose table of machines is the real one.
type hostOf struct {
	host.Host
	mgr *Manager
}

func (h *hostOf) VMs() host.VMs { return h.mgr }

func TestConformance(t *testing.T) {
	k, err := io.ReadAll(kernelReader())
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Run(t, hosttest.Subject{MemoryMiB: 8, Kernel: k, New: func(t *testing.T) host.Host {
		return &hostOf{fakehost.New(fakehost.Options{}), newTable(t).mgr}
	}})
}

func (h *hostOf) Memory() host.Memory { return h }

// Free is what neither machines nor chunks hold.
func (h *hostOf) Free() uint64 { return h.mgr.p.Budget.Limit() - h.mgr.p.Budget.Used() }

func (h *hostOf) Alloc() (host.Chunk, error) {
	if h.mgr.p.Budget.Reserve(host.ChunkSize) != nil {
		return nil, host.ErrNoMemory
	}
	return &chunk{b: make([]byte, host.ChunkSize), give: h.mgr.p.Budget.Release}, nil
}

type chunk struct {
	b    []byte
	give func(uint64)
}

func (c *chunk) Bytes() []byte { return c.b }

func (c *chunk) Release() {
	if c.give != nil {
		clear(c.b)
		c.give(host.ChunkSize)
		c.give = nil
	}
}

func (h *hostOf) Info() host.Info {
	i := h.Host.Info()
	i.MemoryFree = h.Free()
	return i
}
