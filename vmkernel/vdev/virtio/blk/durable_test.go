package blk_test

import (
	"bytes"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/faulty"
	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
)

func Test_5_2_6_2_WhenWritesAreStable(t *testing.T) {
	w := func(fua bool) op { return op{blockio.Write, fua, 0, 512, 1} }
	f := op{op: blockio.Flush}
	for name, c := range map[string]struct {
		features      uint64
		writeback     int // written to the configuration; -1: not
		cache, canFUA bool
		want          []op
	}{
		"1: neither FLUSH nor WCE":           {0, -1, true, true, []op{w(true)}},
		"1: neither FLUSH nor WCE, no FUA":   {0, -1, true, false, []op{w(false), f}},
		"1: neither FLUSH nor WCE, no cache": {0, -1, false, false, []op{w(false)}},
		"2: WCE and writeback 0":             {flush | wce, 0, true, true, []op{w(true)}},
		"2: WCE and writeback 0, no FUA":     {flush | wce, 0, true, false, []op{w(false), f}},
		"2: WCE without FLUSH":               {wce, -1, true, true, []op{w(true)}},
		"3: FLUSH":                           {flush, -1, true, true, []op{w(false)}},
		"3: WCE and writeback 1":             {flush | wce, 1, true, true, []op{w(false)}},
		"3: WCE as it starts":                {flush | wce, -1, true, true, []op{w(false)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spy{Disk: ram(t, ramdisk.Config{}), change: func(i *blockio.Info) { i.WriteCache, i.CanFUA = c.cache, c.canFUA }}
			r := newRig(t, blk.Config{Disk: s})
			r.Init(c.features, 1, 0)
			if c.writeback >= 0 {
				r.Write(r.Config+spec.BlkWriteback, 1, uint64(c.writeback))
				want(t, "writeback", r.Read(r.Config+spec.BlkWriteback, 1), uint64(c.writeback))
			}
			want(t, "write", r.write(0, 0, pattern(512, 1)), uint8(spec.BlkSOK))
			got := s.take()
			if len(got) != len(c.want) {
				t.Fatalf("%+v, want %+v", got, c.want)
			}
			for i := range got {
				want(t, "operation", got[i], c.want[i])
			}
			_, st := r.request(0, spec.BlkTFlush, 0)
			want(t, "flush", st, uint8(spec.BlkSOK))
			want(t, "operation", s.take()[0], f)
		})
	}
}

func Test_5_2_6_2_StableWritesSurviveAPowerCut(t *testing.T) {
	for name, features := range map[string]uint64{"written through": 0, "flushed": flush} {
		disk := faulty.New(ram(t, ramdisk.Config{}))
		r := newRig(t, blk.Config{Disk: disk})
		r.Init(features, 1, 0)
		p := pattern(8192, 5)
		want(t, "write", r.write(0, 0, p), uint8(spec.BlkSOK))
		if features != 0 {
			_, st := r.request(0, spec.BlkTFlush, 0)
			want(t, "flush", st, uint8(spec.BlkSOK))
		}
		disk.PowerCut(1)
		disk.PowerOn()
		if got, st := r.read(0, 0, len(p)); st != spec.BlkSOK || !bytes.Equal(got, p) {
			t.Errorf("%s: lost, status %d", name, st)
		}
	}
}

func Test_5_2_5_2_Writeback(t *testing.T) {
	r := newRig(t, blk.Config{Disk: ram(t, ramdisk.Config{})})
	if f := r.Offered(); f&flush == 0 || f&wce == 0 {
		t.Errorf("offered %#x", f)
	}
	r.Negotiate(wce) // without FLUSH it starts at 0
	want(t, "writeback", r.Read(r.Config+spec.BlkWriteback, 1), 0)
	r.Negotiate(wce | flush)
	want(t, "writeback", r.Read(r.Config+spec.BlkWriteback, 1), 1)
	r.Negotiate(flush)
	r.Write(r.Config+spec.BlkWriteback, 1, 0) // it was not negotiated
	want(t, "needs reset", r.Status()&spec.StatusNeedsReset, spec.StatusNeedsReset)
}
