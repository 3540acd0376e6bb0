package vring_test

import (
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// round uses n chains of one descriptor each.
func (r *rig) round(n int) {
	r.t.Helper()
	for range n {
		r.Add(buf(0, 1, true))
	}
	for range n {
		if !r.next() {
			r.t.Fatal("no chain")
		}
		r.push(&r.c, 1)
		r.Used()
	}
}

func TestDevice_2_7_7_2_Flags(t *testing.T) {
	r := newRig(t, 8, split)
	want(t, "nothing pushed", r.needInterrupt(), false)
	r.split().EventAt(0x55) // must be ignored
	r.round(1)
	want(t, "flags 0", r.needInterrupt(), true)
	want(t, "only once", r.needInterrupt(), false)
	r.Disarm()
	r.round(1)
	want(t, "flags 1", r.needInterrupt(), false)
}

func TestDevice_2_7_7_2_EventIndex(t *testing.T) {
	r := newRig(t, 8, split|events)
	r.m.PutUint16(r.Config().Driver+spec.AvailFlags, 1) // must be ignored
	var used uint16
	for i := range 1 << 15 { // over the end of the 16 bits
		n := i%8 + 1
		event := used + uint16(i*7%12) - 2
		r.split().EventAt(event)
		yes := event-used < uint16(n) // one of the entries used to used+n-1
		r.round(n)
		used += uint16(n)
		if got := r.needInterrupt(); got != yes {
			t.Fatalf("event %d, used to %d: %v", event, used, got)
		}
	}
	r.split().EventAt(used) // the oldest of them
	for range 1 << 13 {
		r.round(8)
	}
	want(t, "65536 entries reach every event", r.needInterrupt(), true)
}

func TestDevice_2_8_14_EventFlags(t *testing.T) {
	r := newRig(t, 5, packed)
	for _, c := range []struct {
		flags uint16
		yes   bool
	}{{spec.EventFEnable, true}, {spec.EventFDisable, false}, {spec.EventFDesc, true}, {3, true}, {0xFFFC, true}, {0xFFFD, false}} {
		r.packed().Event(4, c.flags)
		r.round(1)
		want(t, "flags", r.needInterrupt(), c.yes)
	}
}

func TestDevice_2_8_10_EventDescriptor(t *testing.T) {
	r := newRig(t, 5, packed|events)
	pos, wrap := 0, true // the next used descriptor
	for i := range 2000 {
		n := i%5 + 1
		off, lap := i*3%5, i/7%2 == 0
		where := uint16(off)
		if lap {
			where |= spec.EventDescWrap
		}
		r.packed().Event(where, spec.EventFDesc)
		yes := false
		for range n {
			yes = yes || pos == off && wrap == lap
			if pos++; pos == 5 {
				pos, wrap = 0, !wrap
			}
		}
		r.round(n)
		if got := r.needInterrupt(); got != yes {
			t.Fatalf("%d: event %d %v, %d used to %d %v: %v", i, off, lap, n, pos, wrap, got)
		}
	}
	for i := range 20 { // at every position and in both laps
		r.packed().Event(5|uint16(i/10)<<15, spec.EventFDesc)
		r.round(1)
		want(t, "a descriptor that is not there", r.needInterrupt(), true)
	}
}

// Whenever the driver adds a chain, the device learns of it: by a notification, by
// Next, or by what EnableNotify says; 2.7.10.2, 2.8.10, 2.8.21.
func TestDevice_2_7_10_NoKickIsLost(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, f)
			for i := range 500 {
				if err := r.q.DisableNotify(); err != nil {
					t.Fatal(err)
				}
				want(t, "nothing to do", r.next(), false)
				known := false
				add := func() {
					r.Add(buf(0, 1, true))
					known = r.Kick() || known
				}
				if i%2 == 0 { // between the last look and EnableNotify
					add()
				}
				known = r.enable() || known
				if i%2 == 1 { // after it
					add()
				}
				if !known {
					t.Fatalf("%d: the device would sleep", i)
				}
				want(t, "there it is", r.next(), true)
				r.push(&r.c, 0)
				r.Used()
			}
		})
	}
}

func TestDevice_2_7_10_2_DisableNotify(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 8, f)
			r.enable()
			r.Add(buf(0, 1, true))
			want(t, "asked for", r.Kick(), true)
			if err := r.q.DisableNotify(); err != nil {
				t.Fatal(err)
			}
			r.Add(buf(0, 1, true))
			want(t, "not asked for", r.Kick(), false)
			flags, _ := r.m.Uint16(r.Config().Device + spec.UsedFlags)
			if f&packed == 0 && f&events != 0 {
				want(t, "flags with event indices", flags, uint16(0))
			}
			want(t, "one waits", r.enable(), true)
			r.next()
			want(t, "one is left that Next knows of", r.enable(), true)
			r.next()
			want(t, "none", r.enable(), false)
		})
	}
}

// The driver's events may lie anywhere when every descriptor is out.
func TestDevice_2_8_2_AllOut(t *testing.T) {
	r := newRig(t, 2, packed)
	r.Add(buf(0, 1, true), buf(1, 1, true))
	r.next()
	r.desc(0, bufferAt, 1, spec.DescFUsed, 3) // what the next lap would look like
	var c vring.Chain
	more, err := r.q.Next(&c)
	want(t, "more", more, false)
	want(t, "error", err, error(nil))
	want(t, "pending", r.enable(), false)
}
