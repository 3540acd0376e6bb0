package blk_test

import (
	"testing"

	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// TestStats: each request is counted once, by what became of it.
func TestStats(t *testing.T) {
	r := newRig(t, blk.Config{Disk: &spy{Disk: ram(t, ramdisk.Config{})}, Queues: 2})
	r.Init(flush|ranged|1<<spec.BlkFMQ, 2, 0)
	r.write(0, 0, make([]byte, 8192))
	r.write(1, 8, make([]byte, 512))
	r.read(0, 0, 4096)
	r.read(0, size/512, 512) // behind the end
	r.request(0, spec.BlkTFlush, 0)
	r.ranges(spec.BlkTDiscard, [3]uint64{0, 8, 0}, [3]uint64{16, 8, 0})
	r.ranges(spec.BlkTWriteZeroes, [3]uint64{0, 8, 0})
	r.request(0, 99, 0)
	r.request(0, spec.BlkTGetID, 0, in(dataAt, spec.BlkIDSize))
	want(t, "counters", r.dev.Stats(), blk.Stats{Reads: 1, Writes: 2, ReadBytes: 4096, WrittenBytes: 8704, Flushes: 1, Discards: 2, Errors: 2})
	// No place for the status: a breach, and nothing stays in flight.
	r.Rings[0].Add(vringtest.Seg{Addr: headerAt, Len: spec.BlkReqSize})
	r.Kick(0)
	r.Until("the device needs a reset", func() bool { return r.dev.Stats().Errors == 3 })
	want(t, "in flight", r.dev.Stats().InFlight, 0)
}
