package rng_test

import (
	"testing"

	"basalt/vmkernel/vdev/virtio/rng"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// FuzzBuffers offers chains of any shape.
func FuzzBuffers(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{8, 0x80, 1, 0, 4, 0x80, 3})
	f.Add([]byte{8, 0x00, 1, 0, 4, 0x80, 3})
	f.Add([]byte{0, 0xff, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, rng.Config{Source: &counter{}})
		for i := 0; len(script) >= 2 && i < 40; i++ {
			n, w := uint32(script[0]), script[1]
			script = script[2:]
			seg := vringtest.Seg{Addr: at + uint64(w&0x3f)<<8, Len: n, Write: w&0x80 != 0}
			if w&0x40 != 0 {
				seg.Addr, seg.Len = uint64(w)<<24|uint64(n), n<<24
			}
			r.Rings[0].Add(seg)
		}
		r.Ring(0)
		r.pass()
		r.Init(0, 1, 0)
		if n := r.get(buf(0, 8)); n != 8 {
			t.Fatalf("%d bytes", n)
		}
	})
}
