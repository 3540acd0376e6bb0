package blk_test

import (
	"bytes"
	"errors"
	"testing"

	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
)

func Test_5_2_4_Configuration(t *testing.T) {
	r := newRig(t, blk.Config{Disk: ram(t, ramdisk.Config{LogicalBlock: 1024, PhysicalBlock: 8192}), Queues: 4, QueueSize: 64})
	for _, c := range []struct {
		off  uint64
		n    int
		want uint64
	}{
		{spec.BlkCapacity, 8, size / 512},
		{spec.BlkSegMax, 4, 62},
		{spec.BlkSize, 4, 1024},
		{spec.BlkPhysicalExp, 1, 3},
		{spec.BlkAlignmentOffset, 1, 0},
		{spec.BlkMinIO, 2, 8},
		{spec.BlkNumQueues, 2, 4},
		{spec.BlkDiscardAlignment, 4, 2},
		{spec.BlkMaxDiscard, 4, 1<<31 | (1<<31 - 1)},
		{spec.BlkMaxWriteZeroesSeg, 4, 16},
		{spec.BlkZeroesMayUnmap, 1, 1},
		{0x21, 1, 0}, {0x39, 1, 0}, {0x3a, 2, 0}, // 5.2.5.2: padding
	} {
		if got := r.Read(r.Config+c.off, c.n); got != c.want {
			t.Errorf("%#x: %#x, want %#x", c.off, got, c.want)
		}
	}
	want(t, "MQ", r.Offered()>>spec.BlkFMQ&1, 1)
	r.Init(flush|1<<spec.BlkFMQ, 4, 0)
	for i := range 4 {
		want(t, "write", r.write(i, uint64(16*i), pattern(1024, byte(i))), uint8(spec.BlkSOK))
	}
	for i := range 4 {
		if p, _ := r.read(3-i, uint64(16*i), 1024); !bytes.Equal(p, pattern(1024, byte(i))) {
			t.Errorf("what queue %d wrote differs", i)
		}
	}
}

func TestResize(t *testing.T) {
	disk := ram(t, ramdisk.Config{})
	r := newRig(t, blk.Config{Disk: disk})
	r.Init(flush, 1, 0)
	want(t, "capacity", r.Read(r.Config, 8), size/512)
	gen := r.Read(r.Common+spec.ConfigGeneration, 1)
	if err := disk.Resize(2 * size); err != nil {
		t.Fatal(err)
	}
	_, st := r.read(0, size/512, 512)
	want(t, "beyond what the guest was told", st, uint8(spec.BlkSIOErr))
	before := r.Slot.Signals(0)
	r.dev.CapacityChanged()
	want(t, "interrupts", r.Slot.Signals(0)-before, 1)
	want(t, "capacity", r.Read(r.Config, 8), 2*size/512)
	if r.Read(r.Common+spec.ConfigGeneration, 1) == gen {
		t.Error("the generation did not change")
	}
	_, st = r.read(0, size/512, 512)
	want(t, "read", st, uint8(spec.BlkSOK))
}

func TestImpossibleConfigurations(t *testing.T) {
	disk := ram(t, ramdisk.Config{})
	for _, c := range []blk.Config{{}, {Disk: disk, Queues: -1}, {Disk: disk, Queues: 65}, {Disk: disk, QueueSize: 2}, {Disk: disk, QueueSize: 100}, {Disk: disk, QueueSize: 65536}} {
		c.Memory = new(gmem.Memory)
		if _, err := blk.New(c); !errors.Is(err, virtio.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
