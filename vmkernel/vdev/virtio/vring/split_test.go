package vring_test

import (
	"testing"

	spec "basalt/drivers/spec/virtio"
)

const (
	fNext     = spec.DescFNext
	fWrite    = spec.DescFWrite
	fIndirect = spec.DescFIndirect
)

func TestDriver_2_7_SplitForbidden(t *testing.T) {
	for _, c := range []struct {
		clause, name, say string
		features          uint64
		do                func(r *rig)
	}{
		{"2.7.5.2", "loop of one", "has a loop", split, func(r *rig) {
			r.desc(0, bufferAt, 16, fNext, 0)
			r.split().Offer(0)
		}},
		{"2.7.5.2", "loop of two", "has a loop", split, func(r *rig) {
			r.desc(1, bufferAt, 16, fNext, 2)
			r.desc(2, bufferAt, 16, fNext, 1)
			r.split().Offer(1)
		}},
		{"2.7.5.2", "more than 2^32 bytes", "2^32 bytes", split, func(r *rig) {
			// Each buffer is guest memory and overlaps the others.
			r.Ring = nil
		}},
		{"2.7.5.2", "length that leaves memory", "is not guest memory", split, func(r *rig) {
			r.desc(0, bufferAt, 0xFFFFFFFF, 0, 0)
			r.split().Offer(0)
		}},
		{"2.7.5", "empty buffer", "has no length", split, func(r *rig) {
			r.desc(0, bufferAt, 0, 0, 0)
			r.split().Offer(0)
		}},
		{"2.7.5", "address outside", "is not guest memory", split, func(r *rig) {
			r.desc(0, memSize-1, 2, 0, 0)
			r.split().Offer(0)
		}},
		{"2.7.5", "address that overflows", "is not guest memory", split, func(r *rig) {
			r.desc(0, ^uint64(0), 2, 0, 0)
			r.split().Offer(0)
		}},
		{"2.7.5", "next out of range", "goes on at descriptor 8 of 8", split, func(r *rig) {
			r.desc(0, bufferAt, 1, fNext, 8)
			r.split().Offer(0)
		}},
		{"2.7.4.2", "readable after writable", "follows a writable", split, func(r *rig) {
			r.Add(buf(0, 1, true), buf(1, 1, false))
		}},
		{"2.7.6", "head out of range", "descriptor 8 of 8", split, func(r *rig) { r.split().Offer(8) }},
		{"2.7.6", "index ahead by more than the size", "available index", split, func(r *rig) {
			r.m.PutUint16(r.Config().Driver+spec.AvailIdx, 9)
		}},
		{"2.7.6.1", "index that goes back", "available index", split, func(r *rig) {
			r.Add(buf(0, 1, false))
			r.next()
			r.m.PutUint16(r.Config().Driver+spec.AvailIdx, 0)
		}},
		{"2.7.6", "more waiting than the ring has", "available index", split, func(r *rig) {
			for range 8 {
				r.Add(buf(0, 1, false))
			}
			r.next()
			r.m.PutUint16(r.Config().Driver+spec.AvailIdx, 9)
			for range 7 {
				r.next()
			}
		}},
		{"2.7.13.1", "head that is out", "while it is out", split, func(r *rig) {
			r.split().Offer(r.Add(buf(0, 1, false)))
			r.next()
		}},
		{"2.7.5.3.1", "indirect not negotiated", "not negotiated", split, func(r *rig) {
			r.AddIndirect(tableAt, buf(0, 1, false))
		}},
		{"2.7.5.3.1", "indirect in indirect", "is indirect", split | indirect, func(r *rig) {
			r.AddIndirect(tableAt, buf(0, 1, false))
			r.entry(0, tableAt, 16, fIndirect, 0)
		}},
		{"2.7.5.3.1", "INDIRECT and NEXT", "both INDIRECT and NEXT", split | indirect, func(r *rig) {
			r.desc(0, tableAt, 16, fIndirect|fNext, 1)
			r.split().Offer(0)
		}},
		{"2.7.5.3.1", "chain longer than the queue", "longer than the queue size", split | indirect, func(r *rig) {
			for i := range 8 {
				r.entry(i, bufferAt, 1, fNext, uint16(i+1))
			}
			r.entry(7, bufferAt, 1, 0, 0)
			r.desc(0, bufferAt, 1, fNext, 1)
			r.desc(1, tableAt, 8*16, fIndirect, 0)
			r.split().Offer(0)
		}},
		{"2.7.5.3", "table of no bytes", "not a multiple of 16", split | indirect, func(r *rig) {
			r.desc(0, tableAt, 0, fIndirect, 0)
			r.split().Offer(0)
		}},
		{"2.7.5.3", "table of 17 bytes", "not a multiple of 16", split | indirect, func(r *rig) {
			r.desc(0, tableAt, 17, fIndirect, 0)
			r.split().Offer(0)
		}},
		{"2.7.5.3", "table longer than the queue", "more than the queue size", split | indirect, func(r *rig) {
			r.desc(0, tableAt, 9*16, fIndirect, 0)
			r.split().Offer(0)
		}},
		{"2.7.5.3", "table outside", "is not guest memory", split | indirect, func(r *rig) {
			r.desc(0, memSize-16, 32, fIndirect, 0)
			r.split().Offer(0)
		}},
		{"2.7.5.3", "next outside the table", "goes on at descriptor 2 of 2", split | indirect, func(r *rig) {
			r.AddIndirect(tableAt, buf(0, 1, false), buf(1, 1, false))
			r.entry(1, bufferAt, 1, fNext, 2)
		}},
		{"2.7.5.3", "loop in the table", "has a loop", split | indirect, func(r *rig) {
			r.AddIndirect(tableAt, buf(0, 1, false))
			r.entry(0, bufferAt, 1, fNext, 0)
		}},
	} {
		t.Run(c.clause+" "+c.name, func(t *testing.T) {
			r := newRig(t, 8, c.features)
			c.do(r)
			if r.Ring == nil { // 2^32 bytes need more memory than others have
				r = hugeRig(t)
			}
			r.broken(c.say)
		})
	}
}

func TestDevice_2_7_5_1_ReadableAndWritable(t *testing.T) {
	r := newRig(t, 8, split)
	id := r.Add(buf(0, 16, false), buf(1, 512, true), buf(2, 1, true))
	want(t, "more", r.next(), true)
	want(t, "id", r.c.ID(), id)
	want(t, "readable", len(r.c.Readable()), 1)
	want(t, "writable", len(r.c.Writable()), 2)
	want(t, "address", r.c.Readable()[0].Addr, uint64(bufferAt))
	want(t, "length", r.c.Writable()[0].Len, uint32(512))
	want(t, "readable bytes", r.c.ReadableBytes(), uint64(16))
	want(t, "writable bytes", r.c.WritableBytes(), uint64(513))
	want(t, "no more", r.next(), false)
}

func TestDevice_2_7_5_3_2_IndirectAfterDirect(t *testing.T) {
	r := newRig(t, 8, split|indirect)
	r.entry(0, bufferAt+0x1000, 2, fNext|fWrite, 3) // not in order
	r.entry(3, bufferAt+0x2000, 3, fWrite, 0)
	r.desc(5, bufferAt, 1, fNext, 2)
	r.desc(2, tableAt, 4*16, fIndirect|fWrite, 0) // WRITE is ignored
	r.split().Offer(5)
	want(t, "more", r.next(), true)
	want(t, "id", r.c.ID(), uint16(5))
	want(t, "readable", r.c.ReadableBytes(), uint64(1))
	want(t, "writable", r.c.WritableBytes(), uint64(5))
}

func TestDevice_2_7_8_2_UsedRing(t *testing.T) {
	r := newRig(t, 4, split)
	r.Add(buf(0, 8, true))
	r.next()
	r.push(&r.c, 7)
	c := r.Config()
	v, _ := r.m.Uint64(c.Device + spec.UsedRing)
	want(t, "entry", v, uint64(7)<<32)
	idx, _ := r.m.Uint16(c.Device + spec.UsedIdx)
	want(t, "index", idx, uint16(1))
}

// 65536 entries lie between two equal indices, 2.7.6 and 2.7.8.
func TestDevice_2_7_8_IndexWraps(t *testing.T) {
	r := newRig(t, 4, split|events)
	for i := range 3 << 16 {
		id := r.Add(buf(0, 8, true))
		if !r.next() {
			t.Fatalf("chain %d is not there", i)
		}
		r.push(&r.c, uint32(i&7))
		if got, n, ok := r.Used(); !ok || got != id || n != uint32(i&7) {
			t.Fatalf("chain %d: %d %d %v", i, got, n, ok)
		}
	}
}
