package blk_test

import (
	"runtime"
	"testing"

	"basalt/drivers/blockio/nulldisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// The row of the bench table: 4 KiB reads of a disk that costs nothing, one at a
// time and 32 with one doorbell. The driver's work is in it.
func BenchmarkRead4K(b *testing.B) {
	for name, depth := range map[string]int{"depth1": 1, "depth32": 32} {
		b.Run(name, func(b *testing.B) {
			disk, err := nulldisk.New("null", size, 512)
			if err != nil {
				b.Fatal(err)
			}
			r := newRig(b, blk.Config{Disk: disk})
			r.Init(kinds["events"], 1, 0)
			r.header(headerAt, spec.BlkTIn, 8)
			ring := r.Rings[0]
			read := []vringtest.Seg{head, in(dataAt, 4096), tail}
			b.ReportAllocs()
			for b.Loop() {
				for range depth {
					ring.Add(read...)
				}
				r.Kick(0)
				for n := 0; n < depth; {
					if _, _, ok := ring.Used(); ok {
						n++
					} else {
						runtime.Gosched()
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*depth), "ns/request")
		})
	}
}
