package vring_test

import (
	"errors"
	"strings"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// hugeRig has memory enough for a chain of more than 2^32 bytes; nothing of it
// but the ring is touched.
func hugeRig(t *testing.T) *rig {
	m, err := gmem.New(gmem.Config{Frames: &gmemtest.Frames{}, Regions: []gmem.Range{{Size: 3 << 30}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, m: m, Ring: vringtest.New(m, ringAt, 8, split)}
	if err := r.q.Start(r.Config()); err != nil {
		t.Fatal(err)
	}
	half := vringtest.Seg{Addr: bufferAt, Len: 1 << 31}
	r.Add(half, half)
	want(t, "2^32 bytes are allowed", r.next(), true)
	r.Add(half, half, vringtest.Seg{Addr: bufferAt, Len: 1})
	return r
}

func TestDriver_2_7_1_2_8_11_Areas(t *testing.T) {
	m := gmemtest.New(memSize)
	good := vring.Config{Memory: m, Size: 8, Desc: 0x1000, Driver: 0x2000, Device: 0x3000}
	for _, c := range []struct {
		clause, say string
		change      func(c *vring.Config)
	}{
		{"2.7", "", func(c *vring.Config) {}},
		{"2.7", "", func(c *vring.Config) { c.Driver, c.Device = 0x2002, 0x3004 }},
		{"2.6", "", func(c *vring.Config) { c.Size, c.Device = 32768, 0x100000 }},
		{"2.8", "", func(c *vring.Config) { c.Size, c.Features = 7, packed }},
		{"2.7", "there is no memory", func(c *vring.Config) { c.Memory = nil }},
		{"2.7", "size 0", func(c *vring.Config) { c.Size = 0 }},
		{"2.7", "power of two", func(c *vring.Config) { c.Size = 7 }},
		{"2.7", "size 32769", func(c *vring.Config) { c.Size = 32769 }},
		{"2.8", "size 32769", func(c *vring.Config) { c.Size, c.Features = 32769, packed }},
		{"2.7.1", "descriptor table at 0x1008", func(c *vring.Config) { c.Desc = 0x1008 }},
		{"2.7.1", "available ring at 0x2001", func(c *vring.Config) { c.Driver = 0x2001 }},
		{"2.7.1", "used ring at 0x3002", func(c *vring.Config) { c.Device = 0x3002 }},
		{"2.8.11", "descriptor ring at 0x1008", func(c *vring.Config) { c.Desc, c.Features = 0x1008, packed }},
		{"2.8.11", "driver event suppression at 0x2002", func(c *vring.Config) { c.Driver, c.Features = 0x2002, packed }},
		{"2.8.11", "device event suppression at 0x3002", func(c *vring.Config) { c.Device, c.Features = 0x3002, packed }},
		{"2.7", "is not guest memory", func(c *vring.Config) { c.Desc = memSize - 16 }},
		{"2.7", "is not guest memory", func(c *vring.Config) { c.Desc = ^uint64(15) }},
		{"2.7", "is not guest memory", func(c *vring.Config) { c.Driver = memSize - 18 }},
		{"2.7", "", func(c *vring.Config) { c.Driver = memSize - 20 }},
		{"2.7", "is not guest memory", func(c *vring.Config) { c.Driver, c.Features = memSize-20, events }},
		{"2.7", "is not guest memory", func(c *vring.Config) { c.Device = memSize }},
	} {
		cfg := good
		c.change(&cfg)
		var q vring.Queue
		err := q.Start(cfg)
		if c.say == "" {
			if err != nil {
				t.Errorf("%s: %v", c.clause, err)
			}
			continue
		}
		if !errors.Is(err, vring.ErrNeedsReset) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", c.clause, err, c.say)
		}
		want(t, "stays broken", q.Err(), err)
	}
}

func TestPushWhatIsNotOut(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, f)
			want(t, "empty", r.q.Push(&r.c, 0), vring.ErrNotOut)
			r.Add(buf(0, 8, false), buf(1, 8, true))
			r.next()
			if err := r.q.Push(&r.c, 9); !errors.Is(err, vring.ErrTooMuch) {
				t.Errorf("9 bytes into 8: %v", err)
			}
			r.push(&r.c, 8)
			want(t, "twice", r.q.Push(&r.c, 8), vring.ErrNotOut)
			r.Used()
			r.Add(buf(0, 8, true))
			r.next()
			want(t, "out", r.q.Out(), true)
			r.q.Reset()
			want(t, "of before the reset", r.q.Push(&r.c, 0), vring.ErrNotOut)
			_, err := r.q.Next(&r.c)
			want(t, "stopped", err, vring.ErrStopped)
		})
	}
}
