package vm

import (
	"fmt"
	"sync/atomic"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/virtio/blk"
	vnet "basalt/vmkernel/vdev/virtio/net"
)

// A running machine needs memory of the host beside its own: nested tables, what makes its
// processors and devices, and the lists of requests that its guest has in flight. How much
// of that there is its guest decides. The most that it can make of it is promised when the
// machine starts and when a device comes, from the budget that its memory is from, so that
// no guest, and not all guests together, can bring a host down that has promised all.

// What is promised beside devices, in bytes.
const (
	overheadMachine = 1 << 20   // what every machine has
	overheadCPU     = 256 << 10 // for each processor: control structures, threads, registers
)

// overheadOf is what a machine of c needs at least, in bytes. Each 2 MiB of its memory may
// need a table of its own.
func overheadOf(c host.Config) uint64 {
	size := uint64(max(c.MemoryMiB, c.MaxMemoryMiB)) << 20
	return overheadMachine + overheadCPU*uint64(c.AllCPUs()) + size/gmem.FrameSize*4096
}

// overheadAll is overheadOf with the devices of c.
func overheadAll(c host.Config) uint64 {
	queues := min(c.CPUs, maxQueues)
	return overheadOf(c) + uint64(len(c.Disks))*blk.HeapBytes(queues, 0) + uint64(len(c.NICs))*vnet.HeapBytes(queues, 0)
}

// overhead is what was promised to one machine, or to one device of it. The owner's
// goroutine changes it, others read.
type overhead struct {
	p     *Platform
	bytes atomic.Uint64
}

// grow promises n bytes more. Errors wrap gmem.ErrNoMemory.
func (o *overhead) grow(p *Platform, n uint64) error {
	if p.Budget != nil {
		if err := p.Budget.Reserve(n); err != nil {
			return fmt.Errorf("of the host's own memory for it: %w", err)
		}
	}
	o.p = p
	o.bytes.Add(n)
	if p.Heap != nil {
		p.Heap(int64(n))
	}
	return nil
}

// release gives all of it back.
func (o *overhead) release() {
	n := o.bytes.Swap(0)
	if n == 0 {
		return
	}
	if o.p.Heap != nil {
		o.p.Heap(-int64(n))
	}
	if o.p.Budget != nil {
		o.p.Budget.Release(n)
	}
}

// promised is what is promised to the machine and its devices, in bytes. Any goroutine.
func (b *board) promised() uint64 {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	n := b.overhead.bytes.Load()
	for _, d := range b.devices {
		n += d.overhead.bytes.Load()
	}
	return n
}
