package vm

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/virtio/blk"
	vnet "basalt/vmkernel/vdev/virtio/net"
)

// TestOverhead: what a guest can make the host need is promised when the machine starts and
// when a device comes, and no longer than they are there.
func TestOverhead(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	var heap atomic.Int64
	b.mgr.p.Heap = func(n int64) { heap.Add(n) }
	check := func(when string, want uint64) {
		t.Helper()
		s := b.vm.Status()
		memory := uint64(8 << 20)
		if want == 0 {
			memory = 0
		}
		if used := b.mgr.p.Budget.Used(); s.MemoryOverhead != want || used != memory+want || heap.Load() != int64(want) {
			t.Errorf("%s: %d in the status, %d promised, %d of heap; want %d", when, s.MemoryOverhead, used, heap.Load(), want)
		}
	}
	check("before the start", 0)
	b.start()
	bare := overheadOf(host.Config{CPUs: 1, MemoryMiB: 8})
	check("bare", bare)
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one")); err != nil {
		t.Fatal(err)
	}
	disk := blk.HeapBytes(1, 0)
	check("with a disk", bare+disk)
	if err := b.vm.AttachNIC(ctx, host.NICConfig{Name: "nic", Network: host.NetworkNAT, MAC: "02:00:00:00:00:01"}); err != nil {
		t.Fatal(err)
	}
	check("with an adapter", bare+disk+vnet.HeapBytes(1, 0))
	if err := b.vm.DetachNIC(ctx, "nic", true); err != nil {
		t.Fatal(err)
	}
	check("without it", bare+disk)

	// Somebody else has the rest: no disk can come, and nothing is left of the attempt.
	rest := b.mgr.p.Budget.Available() - disk/2
	if err := b.mgr.p.Budget.Reserve(rest); err != nil {
		t.Fatal(err)
	}
	err := b.vm.AttachDisk(ctx, nullConfig("two"), newNull(t, "two"))
	if !errors.Is(err, host.ErrNoMemory) || !strings.Contains(err.Error(), `disk "two"`) || !strings.Contains(err.Error(), "of the host's own memory") {
		t.Errorf("no memory for a disk: %v", err)
	}
	b.mgr.p.Budget.Release(rest)
	check("after a disk that was refused", bare+disk)
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	check("off", 0)
}

// TestOverheadIsAskedFor: a machine whose memory fits but not what it needs besides is
// refused before it is there, and at its start.
func TestOverheadIsAskedFor(t *testing.T) {
	b := newTable(t)
	c := host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, Disks: []host.DiskConfig{nullConfig("one")}}
	b.mgr.p.Budget = gmem.NewBudget(8<<20 + overheadAll(c) - 1)
	if _, err := b.mgr.Check(c, kernel(&b.closed)); !errors.Is(err, host.ErrNoMemory) || !strings.Contains(err.Error(), "8 wanted and 6 of the host's own for it") {
		t.Errorf("too small a host: %v", err)
	}
	vm, err := b.mgr.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	boot := kernel(&b.closed)
	boot.Disks = []host.Disk{newNull(t, "one")}
	if err := vm.Start(context.Background(), boot); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("start: %v", err)
	}
	if used := b.mgr.p.Budget.Used(); used != 0 || b.frames.InUse() != 0 {
		t.Errorf("%d bytes are promised, %d frames are left", used, b.frames.InUse())
	}
	if err := b.mgr.Delete("vm-1"); err != nil {
		t.Error(err)
	}
}
