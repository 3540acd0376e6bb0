package blk_test

import (
	"bytes"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
)

func Test_5_2_6_2_DiscardAndWriteZeroes(t *testing.T) {
	s := &spy{Disk: ram(t, ramdisk.Config{})}
	r := newRig(t, blk.Config{Disk: s})
	r.Init(flush, 1, 0)
	want(t, "discard that was not negotiated", r.ranges(spec.BlkTDiscard, [3]uint64{0, 8, 0}), uint8(spec.BlkSUnsupp))
	want(t, "write zeroes that was not negotiated", r.ranges(spec.BlkTWriteZeroes, [3]uint64{0, 8, 0}), uint8(spec.BlkSUnsupp))
	r.Init(flush|ranged, 1, 0)
	for _, kind := range []uint32{spec.BlkTDiscard, spec.BlkTWriteZeroes} {
		want(t, "unknown flag", r.ranges(kind, [3]uint64{0, 8, 0}, [3]uint64{8, 8, 2}), uint8(spec.BlkSUnsupp))
		want(t, "beyond", r.ranges(kind, [3]uint64{0, 8, 0}, [3]uint64{size / 512, 8, 0}), uint8(spec.BlkSIOErr))
		want(t, "beyond and unknown flag", r.ranges(kind, [3]uint64{size / 512, 8, 0}, [3]uint64{8, 8, 4}), uint8(spec.BlkSUnsupp))
		want(t, "2^32-1 sectors", r.ranges(kind, [3]uint64{0, 1<<32 - 1, 0}), uint8(spec.BlkSIOErr))
	}
	want(t, "discard with unmap", r.ranges(spec.BlkTDiscard, [3]uint64{0, 8, 1}), uint8(spec.BlkSUnsupp))
	want(t, "operations", len(s.take()), 0)

	r.write(0, 0, pattern(16384, 1))
	s.take()
	want(t, "discard", r.ranges(spec.BlkTDiscard, [3]uint64{0, 8, 0}, [3]uint64{9, 0, 0}, [3]uint64{16, 2, 0}), uint8(spec.BlkSOK))
	if l := s.take(); len(l) != 2 || l[0] != (op{blockio.Discard, false, 0, 4096, 0}) || l[1] != (op{blockio.Discard, false, 8192, 1024, 0}) {
		t.Errorf("%+v", l)
	}
	want(t, "write zeroes", r.ranges(spec.BlkTWriteZeroes, [3]uint64{1, 2, 0}, [3]uint64{24, 8, 1}), uint8(spec.BlkSOK))
	for _, at := range []uint64{1, 2, 24, 31} {
		if p, _ := r.read(0, at, 512); !bytes.Equal(p, make([]byte, 512)) {
			t.Errorf("sector %d is not zero", at)
		}
	}
	if p, _ := r.read(0, 23, 512); !bytes.Equal(p, pattern(16384, 1)[23*512:][:512]) {
		t.Error("sector 23 changed")
	}
}

func Test_5_2_6_1_RangesAreNotLongerThanTheDiskTakes(t *testing.T) {
	s := &spy{Disk: ram(t, ramdisk.Config{}), change: func(i *blockio.Info) { i.MaxDiscard, i.MaxWriteZeroes = 8192, 4096 }}
	r := newRig(t, blk.Config{Disk: s})
	want(t, "max_discard_sectors", r.Read(r.Config+spec.BlkMaxDiscard, 4), 16)
	want(t, "max_write_zeroes_sectors", r.Read(r.Config+spec.BlkMaxWriteZeroes, 4), 8)
	r.Init(flush|ranged, 1, 0)
	want(t, "discard", r.ranges(spec.BlkTDiscard, [3]uint64{0, 16, 0}), uint8(spec.BlkSOK))
	want(t, "discard of more", r.ranges(spec.BlkTDiscard, [3]uint64{0, 17, 0}), uint8(spec.BlkSIOErr))
	want(t, "write zeroes of more", r.ranges(spec.BlkTWriteZeroes, [3]uint64{0, 16, 0}), uint8(spec.BlkSIOErr))
}
