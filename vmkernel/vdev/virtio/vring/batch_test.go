package vring_test

import (
	"errors"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// TestUntakeAndPushAll goes round the ring several times, with chains of one to
// three descriptors, so that it wraps at every position.
func TestUntakeAndPushAll(t *testing.T) {
	for _, features := range []uint64{0, 1 << spec.FRingPacked, 1<<spec.FRingPacked | 1<<spec.FRingEventIdx} {
		const size = 8
		r := vringtest.New(virtiotest.NewMemory(t, 2<<20), 0x1000, size, features)
		var q vring.Queue
		if err := q.Start(r.Config()); err != nil {
			t.Fatal(err)
		}
		c := []*vring.Chain{new(vring.Chain), new(vring.Chain), new(vring.Chain)}
		for round := range 50 {
			var ids []uint16
			for i := range c {
				segs := make([]vringtest.Seg, 1+(round+i)%3)
				for k := range segs {
					segs[k] = vringtest.Seg{Addr: 0x100000 + uint64(i)*0x1000, Len: 64, Write: true}
				}
				if i == 2 && 1+(round+0)%3+1+(round+1)%3+len(segs) > size {
					segs = segs[:1]
				}
				ids = append(ids, r.Add(segs...))
			}
			take := func(n int) {
				for i := range n {
					if more, err := q.Next(c[i]); !more || err != nil || c[i].ID() != ids[i] {
						t.Fatalf("features %#x round %d: chain %d is %d, want %d; %v %v", features, round, i, c[i].ID(), ids[i], more, err)
					}
				}
			}
			for _, n := range []int{1, 2, 3} {
				take(n)
				for n--; n >= 0; n-- {
					if err := q.Untake(c[n]); err != nil {
						t.Fatal(err)
					}
				}
				if q.Out() {
					t.Fatal("something is out")
				}
			}
			take(3)
			if err := q.PushAll(c, []uint32{1, 65535, 3}); !errors.Is(err, vring.ErrTooMuch) {
				t.Fatal(err)
			}
			if _, _, ok := r.Used(); ok {
				t.Fatal("used in spite of the error")
			}
			if err := q.PushAll(c, []uint32{1, 2, 3}); err != nil {
				t.Fatal(err)
			}
			for i := range c {
				if id, n, ok := r.Used(); !ok || id != ids[i] || n != uint32(i+1) {
					t.Fatalf("features %#x round %d: used %d with %d bytes, %v; want %d", features, round, id, n, ok, ids[i])
				}
			}
			if err := q.Untake(c[0]); !errors.Is(err, vring.ErrNotOut) {
				t.Fatal(err)
			}
			if err := q.PushAll(c[:1], []uint32{1}); !errors.Is(err, vring.ErrNotOut) {
				t.Fatal(err)
			}
		}
	}
}
