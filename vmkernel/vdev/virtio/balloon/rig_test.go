package balloon_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/balloon"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

func (k *taker) Reclaim(gpa uint64) bool {
	if k.during != nil {
		k.during()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.took = append(k.took, gpa/gmem.FrameSize)
	return !k.refuse
}

func (k *taker) frames() []uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.took
}

func newRig(t testing.TB) *rig {
	t.Helper()
	mem := virtiotest.NewMemory(t, 16<<20)
	k := &taker{}
	dev, err := balloon.New(balloon.Config{Name: "balloon0", Memory: mem, Reclaimer: k})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &rig{virtiotest.Connect(t, dev, mem), dev, k}
}

// pages gives pages [first, first+n) to a queue, in odd pieces.
func (r *rig) pages(q int, first, n uint32) {
	r.T.Helper()
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, first+i)
	}
	if err := r.Mem.Write(at, b); err != nil {
		r.T.Fatal(err)
	}
	segs := []vringtest.Seg{{Addr: at, Len: 3}, {Addr: at + 3, Len: uint32(len(b)) - 3}}
	r.Rings[q].Add(segs...)
	r.Kick(q)
	if _, written := r.Take(q); written != 0 {
		r.T.Errorf("%d bytes written", written)
	}
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (r *rig) stat(off uint64, list ...uint64) vringtest.Seg {
	var b []byte
	for i := 0; i < len(list); i += 2 {
		b = binary.LittleEndian.AppendUint16(b, uint16(list[i]))
		b = binary.LittleEndian.AppendUint64(b, list[i+1])
	}
	if err := r.Mem.Write(at+off, b); err != nil {
		r.T.Fatal(err)
	}
	return vringtest.Seg{Addr: at + off, Len: uint32(len(b))}
}

func (r *rig) until(count uint64) balloon.Stats {
	for r.dev.Stats().Count < count {
		runtime.Gosched()
	}
	return r.dev.Stats()
}
