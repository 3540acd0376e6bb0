package blk_test

import (
	"runtime"
	"testing"

	"basalt/drivers/blockio/faulty"
	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// TestHeapBytes: what the greediest guest makes the host keep is promised, and not much
// more than that.
func TestHeapBytes(t *testing.T) {
	const size = 128
	disk := faulty.New(ram(t, ramdisk.Config{}))
	r := newRig(t, blk.Config{Disk: disk, QueueSize: size})
	t.Cleanup(disk.ReleaseAll)
	r.Init(flush|1<<spec.FRingIndirectDesc, 1, 0)
	r.header(headerAt, spec.BlkTOut, 0)
	segs := []vringtest.Seg{head}
	for len(segs) < size-1 {
		segs = append(segs, out(gmem.FrameSize-256, 512)) // over the border
	}
	segs = append(segs, tail)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	disk.Hold()
	for range size {
		r.Rings[0].AddIndirect(tableAt, segs...)
	}
	r.Kick(0)
	for disk.Held() != size {
		runtime.Gosched()
	}
	took, promised := heap()-before, blk.HeapBytes(1, size)
	t.Logf("%d bytes are kept, %d were promised", took, promised)
	if took > promised || promised > 2*took {
		t.Errorf("%d bytes are kept, %d were promised", took, promised)
	}
}
