package balloon_test

import (
	"testing"

	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// FuzzChains throws chains of any shape at every queue.
func FuzzChains(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0x10, 8, 1, 0x10, 4, 2, 0x10, 20, 3, 0x90, 9})
	f.Add([]byte{4, 0xC0, 255, 2, 0x80, 10, 2, 0, 10})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t)
		r.Init(tell|stats|reporting, 5, 0)
		for i := uint32(0); len(script) >= 3 && i < 60; i++ {
			q, w, n := int(script[0]%5), script[1], uint32(script[2])
			script = script[3:]
			seg := vringtest.Seg{Addr: at + uint64(i)*1024, Len: n * 4, Write: w&0x80 != 0}
			if r.Mem.PutUint32(seg.Addr, uint32(w)<<4|n); w&0x40 != 0 {
				seg.Addr, seg.Len = uint64(n)<<16, uint32(w)<<17|n
			}
			r.Rings[q].Add(seg)
			r.Ring(q)
			if w&1 != 0 {
				r.dev.RequestStats()
			}
		}
		if err := r.dev.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.dev.SaveState(); err != nil {
			t.Fatal(err)
		}
		r.dev.Resume()
		r.Init(tell, 2, 0)
		r.pages(0, 600, 1)
		if n := r.dev.Status().Pages; n != 4096 {
			t.Fatalf("%d bytes in the balloon", n)
		}
	})
}

// FuzzLoadState loads rubbish; the device can be reset and works then.
func FuzzLoadState(f *testing.F) {
	r := newRig(f)
	f.Add(virtiotest.State(f, r.dev))
	r.dev.Resume()
	r.Init(tell|stats, 3, 0)
	r.pages(0, 2048, 512)
	r.pages(0, 3000, 3)
	f.Add(virtiotest.State(f, r.dev))
	f.Fuzz(func(t *testing.T, state []byte) {
		r := newRig(t)
		virtiotest.Load(t, r.dev, state)
		r.Init(tell, 2, 0)
		r.pages(0, 600, 1)
		if n := r.dev.Status().Pages; n != 4096 {
			t.Fatalf("%d bytes in the balloon", n)
		}
	})
}
