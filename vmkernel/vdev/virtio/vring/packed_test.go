package vring_test

import (
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

func TestDriver_2_8_PackedForbidden(t *testing.T) {
	mark := func(flags uint16) uint16 { return vringtest.Mark(flags, true) }
	for _, c := range []struct {
		clause, name, say string
		features          uint64
		do                func(r *rig)
	}{
		{"2.8.17", "list longer than the queue", "a list of more than 5 descriptors", packed, func(r *rig) {
			for i := range 5 {
				r.desc(i, bufferAt, 1, mark(fNext), 1)
			}
		}},
		{"2.8.17", "list longer than what is free", "with 3 of 5 out", packed, func(r *rig) {
			r.Add(buf(0, 1, false), buf(0, 1, false), buf(0, 1, false))
			r.next()
			r.desc(3, bufferAt, 1, mark(fNext), 1)
			r.desc(4, bufferAt, 1, mark(fNext), 1)
		}},
		{"2.8.17", "list with a descriptor that is not available", "is not available", packed, func(r *rig) {
			r.desc(0, bufferAt, 1, mark(fNext), 1)
		}},
		{"2.8.1", "list with the wrong wrap counter", "is not available", packed, func(r *rig) {
			r.desc(0, bufferAt, 1, mark(fNext), 1)
			r.desc(1, bufferAt, 1, vringtest.Mark(0, false), 1)
		}},
		{"2.8.17", "readable after writable", "follows a writable", packed, func(r *rig) {
			r.Add(buf(0, 1, true), buf(1, 1, false))
		}},
		{"2.8.13", "empty buffer", "has no length", packed, func(r *rig) { r.Add(buf(0, 0, false)) }},
		{"2.8.13", "address outside", "is not guest memory", packed, func(r *rig) {
			r.Add(vringtest.Seg{Addr: memSize, Len: 1})
		}},
		{"2.8.19", "indirect not negotiated", "not negotiated", packed, func(r *rig) {
			r.AddIndirect(tableAt, buf(0, 1, false))
		}},
		{"2.8.19", "indirect in a list", "indirect inside a list", packed | indirect, func(r *rig) {
			r.desc(1, tableAt, 16, mark(fIndirect), 1)
			r.desc(0, bufferAt, 1, mark(fNext), 1)
		}},
		{"2.8.19", "INDIRECT and NEXT", "both INDIRECT and NEXT", packed | indirect, func(r *rig) {
			r.desc(0, tableAt, 16, mark(fIndirect|fNext), 1)
		}},
		{"2.8.7", "table of no bytes", "not a multiple of 16", packed | indirect, func(r *rig) {
			r.desc(0, tableAt, 0, mark(fIndirect), 1)
		}},
		{"2.8.7", "table of 24 bytes", "not a multiple of 16", packed | indirect, func(r *rig) {
			r.desc(0, tableAt, 24, mark(fIndirect), 1)
		}},
		{"2.8.17", "table longer than the queue", "more than the queue size", packed | indirect, func(r *rig) {
			r.desc(0, tableAt, 6*16, mark(fIndirect), 1)
		}},
		{"2.8.7", "table outside", "is not guest memory", packed | indirect, func(r *rig) {
			r.desc(0, memSize-16, 32, mark(fIndirect), 1)
		}},
	} {
		t.Run(c.clause+" "+c.name, func(t *testing.T) {
			r := newRig(t, 5, c.features)
			c.do(r)
			r.broken(c.say)
		})
	}
}

func TestDevice_2_8_15_OnlyWhatBecameAvailable(t *testing.T) {
	r := newRig(t, 2, packed)
	want(t, "zeroed ring", r.next(), false)
	r.desc(0, bufferAt, 1, spec.DescFAvail|spec.DescFUsed, 1)
	want(t, "a used descriptor", r.next(), false)
	r.desc(0, bufferAt, 1, vringtest.Mark(0, false), 1)
	want(t, "available in the other lap", r.next(), false)
	r.desc(0, bufferAt, 1, vringtest.Mark(0, true), 1)
	want(t, "available", r.next(), true)
}

func TestDevice_2_8_7_TableFlagsAreIgnored(t *testing.T) {
	r := newRig(t, 4, packed|indirect)
	r.AddIndirect(tableAt, buf(0, 3, false), buf(1, 4, true))
	r.entry(0, bufferAt, 3, fNext|fIndirect, 77)
	r.desc(0, tableAt, 32, vringtest.Mark(fIndirect|fWrite, true), 9)
	want(t, "more", r.next(), true)
	want(t, "id", r.c.ID(), uint16(9))
	want(t, "readable", r.c.ReadableBytes(), uint64(3))
	want(t, "writable", r.c.WritableBytes(), uint64(4))
}

func TestDevice_2_8_3_UsedDescriptor(t *testing.T) {
	r := newRig(t, 4, packed)
	for i, written := range []uint32{0, 5} {
		id := r.Add(buf(0, 8, true))
		r.next()
		r.push(&r.c, written)
		at := r.Config().Desc + spec.DescSize*uint64(i)
		flags, _ := r.m.Uint16(at + spec.PackedFlags)
		want(t, "WRITE", flags&fWrite != 0, written != 0)
		want(t, "used", flags&(spec.DescFAvail|spec.DescFUsed), uint16(spec.DescFAvail|spec.DescFUsed))
		got, n, ok := r.Used()
		want(t, "id", got, id)
		want(t, "length", n, written)
		want(t, "ok", ok, true)
	}
}

// Lists of 1 to 3 descriptors over several laps, pushed in another order than
// taken; 2.8.1, 2.8.6, 2.8.12. The driver's model looks where the device has to
// write.
func TestDevice_2_8_6_LapsAndOrder(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			size := uint16(8)
			if f&packed != 0 {
				size = 7
			}
			r := newRig(t, size, f)
			var c [2]vring.Chain
			for i := range 1000 {
				var ids [2]uint16
				for k := range c {
					segs := []vringtest.Seg{buf(0, 4, false), buf(1, 4, true), buf(2, 4, true)}[(i+k)%3:]
					if ids[k] = 0; (i+k)%5 == 0 {
						ids[k] = r.AddIndirect(tableAt+uint64(k)*0x1000, segs...)
					} else {
						ids[k] = r.Add(segs...)
					}
				}
				for k := range c {
					if more, err := r.q.Next(&c[k]); !more || err != nil || c[k].ID() != ids[k] {
						t.Fatalf("%d: %v %v, id %d of %d", i, more, err, c[k].ID(), ids[k])
					}
				}
				want(t, "no more", r.next(), false)
				for _, k := range []int{1, 0} {
					r.push(&c[k], uint32(i%4))
					if id, n, ok := r.Used(); !ok || id != ids[k] || n != uint32(i%4) {
						t.Fatalf("%d: used %d %d %v, want %d", i, id, n, ok, ids[k])
					}
				}
				want(t, "out", r.q.Out(), false)
			}
		})
	}
}
