package vring_test

import (
	"errors"
	"strings"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

const (
	memSize  = 2 * gmem.FrameSize
	ringAt   = 0x10000
	tableAt  = 0x180000
	bufferAt = 0x200000

	split    = 0
	packed   = 1 << spec.FRingPacked
	events   = 1 << spec.FRingEventIdx
	indirect = 1 << spec.FRingIndirectDesc
)

// kinds are the combinations of features that change something.
var kinds = map[string]uint64{
	"split": split | indirect, "split events": split | indirect | events,
	"packed": packed | indirect, "packed events": packed | indirect | events,
}

type rig struct {
	t testing.TB
	m *gmem.Memory
	vringtest.Ring
	q vring.Queue
	c vring.Chain
}

func newRig(t testing.TB, size uint16, features uint64) *rig {
	t.Helper()
	r := &rig{t: t, m: gmemtest.New(memSize)}
	r.Ring = vringtest.New(r.m, ringAt, size, features)
	if err := r.q.Start(r.Config()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) split() *vringtest.Split   { return r.Ring.(*vringtest.Split) }
func (r *rig) packed() *vringtest.Packed { return r.Ring.(*vringtest.Packed) }

// desc writes descriptor i of the ring or table.
func (r *rig) desc(i int, addr uint64, n uint32, flags, last uint16) {
	c := r.Config()
	vringtest.WriteDesc(&c, c.Desc+spec.DescSize*uint64(i), addr, n, flags, last)
}

// entry writes entry i of the indirect table.
func (r *rig) entry(i int, addr uint64, n uint32, flags, last uint16) {
	c := r.Config()
	vringtest.WriteDesc(&c, tableAt+spec.DescSize*uint64(i), addr, n, flags, last)
}

func (r *rig) next() bool {
	r.t.Helper()
	more, err := r.q.Next(&r.c)
	if err != nil {
		r.t.Fatal(err)
	}
	return more
}

func (r *rig) push(c *vring.Chain, n uint32) {
	r.t.Helper()
	if err := r.q.Push(c, n); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) needInterrupt() bool {
	r.t.Helper()
	yes, err := r.q.NeedInterrupt()
	if err != nil {
		r.t.Fatal(err)
	}
	return yes
}

func (r *rig) enable() bool {
	r.t.Helper()
	pending, err := r.q.EnableNotify()
	if err != nil {
		r.t.Fatal(err)
	}
	return pending
}

// broken checks that Next fails with a message that has say in it, that the queue
// stays broken, and that Start makes it work again.
func (r *rig) broken(say string) {
	r.t.Helper()
	more, err := r.q.Next(&r.c)
	if more || !errors.Is(err, vring.ErrNeedsReset) || !strings.Contains(err.Error(), say) {
		r.t.Fatalf("Next: %v %v, want %q", more, err, say)
	}
	want(r.t, "segments after an error", len(r.c.Readable())+len(r.c.Writable()), 0)
	_, again := r.q.Next(&r.c)
	_, need := r.q.NeedInterrupt()
	_, enable := r.q.EnableNotify()
	for _, e := range []error{again, need, enable, r.q.DisableNotify(), r.q.Err()} {
		want(r.t, "it stays broken", e, err)
	}
	r.q.Reset()
	want(r.t, "after Reset", r.q.Err(), vring.ErrStopped)
	r.Ring = vringtest.New(gmemtest.New(memSize), ringAt, 4, r.Config().Features)
	if err := r.q.Start(r.Config()); err != nil {
		r.t.Fatal(err)
	}
	r.Add(vringtest.Seg{Addr: bufferAt, Len: 1})
	want(r.t, "works after Start", r.next(), true)
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func buf(i int, n uint32, write bool) vringtest.Seg {
	return vringtest.Seg{Addr: bufferAt + uint64(i)*0x1000, Len: n, Write: write}
}
