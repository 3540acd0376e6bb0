package vm

import (
	"io"
	"testing"
	"time"

	"basalt/vmkernel/cpusched"
	"basalt/vmkernel/cpusched/groups"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
	"basalt/vmkernel/host/hosttest"
)

// hostOf is a host whose table of machines is the real one.
type hostOf struct {
	host.Host
	mgr   *Manager
	pools host.Pools
}

func (h *hostOf) Pools() host.Pools { return h.pools }

// desk is a CPUScheduler whose virtual CPUs run as threads do: only the books are real.
type desk struct{ *groups.Table }

func newDesk(t *testing.T) *desk {
	s, err := cpusched.New(cpusched.Config{CPUs: 4, Nodes: 100, Agent: cpusched.Spec{Reservation: 250}})
	if err != nil {
		t.Fatal(err)
	}
	return &desk{groups.New(groups.Config{Scheduler: s, CPUs: 4, Now: func() int64 { return int64(time.Since(hostStart)) },
		Duration: func(d int64) time.Duration { return time.Duration(d) }})}
}

func (d *desk) Check(machine string, cpus int, s host.CPUSpec) error {
	return d.Table.Check(machine, s)
}

func (d *desk) Admit(machine string, cpus int, s host.CPUSpec) (Entitlement, error) {
	m, err := d.Table.Admit(machine, cpus, s)
	if err != nil {
		return nil, err
	}
	return seat{m}, nil
}

type seat struct{ *groups.Machine }

func (seat) Bind(int, *uint32) func() { return func() {} }
func (seat) Hurry(int, bool)          {}

func (h *hostOf) VMs() host.VMs { return h.mgr }

func TestConformance(t *testing.T) {
	k, err := io.ReadAll(kernelReader())
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Run(t, hosttest.Subject{MemoryMiB: 8, Kernel: k, New: func(t *testing.T) host.Host {
		mgr, d := newTable(t).mgr, newDesk(t)
		mgr.p.CPUs, mgr.p.Budget = d, gmem.NewBudget(1<<30)
		return &hostOf{fakehost.New(fakehost.Options{}), mgr, d.Table}
	}})
}

func (h *hostOf) Memory() host.Memory { return h }

// Free is what neither machines nor chunks hold.
func (h *hostOf) Free() uint64 { return h.mgr.p.Budget.Available() }

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
