package blk_test

import (
	"bytes"
	"testing"

	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// FuzzRequests makes chains of random descriptors available, and descriptors that
// are rubbish altogether. The device asks nothing of the disk that it refuses (the
// spy panics), touches only guest memory, and works again after a reset.
func FuzzRequests(f *testing.F) {
	f.Add(uint8(0), []byte{})
	for kind := range uint8(3) {
		// Four segments: header, data out, data in, status; types in the header.
		for _, t := range []byte{spec.BlkTIn, spec.BlkTOut, spec.BlkTFlush, spec.BlkTGetID, spec.BlkTDiscard, spec.BlkTWriteZeroes, 99} {
			f.Add(kind, []byte{t, 0, 3, 16, 0, 0x10, 0, 0, 0x20, 2, 0x80, 1, 1, 0x80})
			f.Add(kind, []byte{t, 1, 2, 16, 0, 0x10, 0, 2, 0x80, 0xff, 0xff, 0xff, t, 2, 3, 8, 0, 8, 0, 1, 0xC0})
		}
	}
	names := []string{"split", "events", "packed"}
	f.Fuzz(func(t *testing.T, kind uint8, script []byte) {
		s := &spy{Disk: ram(t, ramdisk.Config{Size: 1 << 20})}
		r := newRig(t, blk.Config{Disk: s, QueueSize: 16})
		features := kinds[names[int(kind)%len(names)]] | ranged
		r.Init(features, 1, 0)
		room := 16
		next := func() (v byte) {
			if len(script) > 0 {
				v, script = script[0], script[1:]
			}
			return v
		}
		for len(script) > 0 && room > 0 {
			r.header(headerAt, uint32(next()), uint64(next()))
			var segs []vringtest.Seg
			for range min(int(next()%8)+1, room) {
				n := uint32(next())
				where := next()
				seg := vringtest.Seg{Addr: dataAt + uint64(where&0x3f)*0x100, Len: n * 16, Write: where&0x80 != 0}
				switch {
				case where&0x40 != 0: // anywhere
					seg.Addr, seg.Len = uint64(n)<<uint(next()%64), uint32(next())<<24|n
				case len(segs) == 0:
					seg.Addr = headerAt
				case n&1 != 0:
					seg.Len = n
				}
				segs = append(segs, seg)
			}
			room -= len(segs)
			if next()&1 != 0 && len(segs) > 1 {
				r.Rings[0].AddIndirect(tableAt, segs...)
			} else {
				r.Rings[0].Add(segs...)
			}
		}
		r.Ring(0)
		if err := r.dev.Pause(t.Context()); err != nil { // the work is bounded
			t.Fatal(err)
		}
		r.dev.Resume()
		r.Init(flush, 1, 0)
		p := pattern(1024, kind)
		if st := r.write(0, 0, p); st != spec.BlkSOK {
			t.Fatalf("write: status %d", st)
		}
		if got, st := r.read(0, 0, 1024); st != spec.BlkSOK || !bytes.Equal(got, p) {
			t.Fatalf("read: status %d", st)
		}
	})
}

// FuzzLoadState loads rubbish; the device can be reset and works then.
func FuzzLoadState(f *testing.F) {
	for _, features := range kinds {
		r := newRig(f, blk.Config{Disk: ram(f, ramdisk.Config{Size: 1 << 20}), QueueSize: 16})
		f.Add(virtiotest.State(f, r.dev))
		r.dev.Resume()
		r.Init(features|wce, 1, 0)
		r.write(0, 0, pattern(512, 1))
		f.Add(virtiotest.State(f, r.dev))
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		r := newRig(t, blk.Config{Disk: ram(t, ramdisk.Config{Size: 1 << 20}), QueueSize: 16})
		virtiotest.Load(t, r.dev, state)
		r.Ring(0)
		r.Init(flush, 1, 0)
		if st := r.write(0, 0, pattern(512, 1)); st != spec.BlkSOK {
			t.Fatalf("status %d", st)
		}
	})
}
