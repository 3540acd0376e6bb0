package blk_test

import (
	"bytes"
	"errors"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/faulty"
	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

func Test_5_2_6_ReadGivesWhatWasWritten(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			s := &spy{Disk: ram(t, ramdisk.Config{})}
			r := newRig(t, blk.Config{Disk: s})
			r.Init(f, 1, 0)
			for i, n := range []int{512, 4096, 3 * 4096, 512} {
				p := pattern(n, byte(i))
				want(t, "write", r.write(0, uint64(100*i), p), uint8(spec.BlkSOK))
				got, st := r.read(0, uint64(100*i), n)
				want(t, "read", st, uint8(spec.BlkSOK))
				if !bytes.Equal(got, p) {
					t.Errorf("%d bytes differ", n)
				}
			}
			r.header(headerAt, spec.BlkTIn, 100)
			r.Rings[0].AddIndirect(tableAt, head, in(dataAt, 4096), tail)
			r.Kick(0)
			_, n := r.Take(0)
			want(t, "used length", n, 4097)
			// 12288 bytes across a frame border are two buffers.
			want(t, "buffers", s.take()[4].bufs, 2)
		})
	}
}

func Test_2_7_4_2_AnyLayout(t *testing.T) {
	r := newRig(t, blk.Config{Disk: ram(t, ramdisk.Config{})})
	r.Init(flush, 1, 0)
	p := pattern(1024, 9)
	if err := r.Mem.Write(dataAt, p); err != nil {
		t.Fatal(err)
	}
	r.header(headerAt, spec.BlkTOut, 8)
	_, st := r.run(0, out(headerAt, 1), out(headerAt+1, 8), out(headerAt+9, 7), out(dataAt, 1), out(dataAt+1, 1000), out(dataAt+1001, 23), tail)
	want(t, "write in pieces", st, uint8(spec.BlkSOK))
	// Header and data in one descriptor.
	r.header(dataAt-16, spec.BlkTOut, 10)
	_, st = r.run(0, out(dataAt-16, 16+1024), tail)
	want(t, "write in one piece", st, uint8(spec.BlkSOK))
	for _, sector := range []uint64{8, 10} {
		// Status behind the data in one descriptor, data in odd pieces.
		r.header(headerAt, spec.BlkTIn, sector)
		n, _ := r.run(0, head, in(dataAt+0x2000, 3), in(dataAt+0x2003, 1021+1))
		want(t, "used length", n, 1025)
		got := make([]byte, 1025)
		if err := r.Mem.Read(dataAt+0x2000, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, append(bytes.Clone(p), spec.BlkSOK)) {
			t.Errorf("sector %d differs", sector)
		}
	}
}

func Test_5_2_6_LongRequestsGoInRounds(t *testing.T) {
	s := &spy{Disk: ram(t, ramdisk.Config{LogicalBlock: 4096}), change: func(i *blockio.Info) { i.MaxTransfer, i.MaxSegments = 16384, 4 }}
	r := newRig(t, blk.Config{Disk: s})
	r.Init(flush, 1, 0)
	p := pattern(40960, 3)
	want(t, "write", r.write(0, 8, p), uint8(spec.BlkSOK))
	for _, o := range s.take() {
		if o.length > 16384 || o.bufs > 4 {
			t.Errorf("%+v", o)
		}
	}
	// Segments that are no whole blocks: rounds end at blocks all the same.
	r.header(headerAt, spec.BlkTIn, 8)
	segs := []vringtest.Seg{head}
	for at := uint64(0); at < 40960; at += 2560 {
		segs = append(segs, in(dataAt+at, 2560))
	}
	_, st := r.run(0, append(segs, tail)...)
	want(t, "read", st, uint8(spec.BlkSOK))
	got := make([]byte, len(p))
	if err := r.Mem.Read(dataAt, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, p) {
		t.Error("differs")
	}
	// Pieces so small that not even a block fits in what the disk takes.
	segs = []vringtest.Seg{head}
	for at := uint64(0); at < 4096; at += 128 {
		segs = append(segs, in(dataAt+at, 128))
	}
	_, st = r.run(0, append(segs, tail)...)
	want(t, "too many pieces", st, uint8(spec.BlkSIOErr))
}

func Test_5_2_6_WhatCannotBeIsAnError(t *testing.T) {
	s := &spy{Disk: ram(t, ramdisk.Config{LogicalBlock: 4096})}
	r := newRig(t, blk.Config{Disk: s, Serial: "0123456789abcdefghijklmn"})
	r.Init(flush|ranged, 1, 0)
	for name, c := range map[string]struct {
		kind   uint32
		sector uint64
		data   vringtest.Seg
		status uint8
	}{
		"beyond the disk":        {spec.BlkTIn, size / 512, in(dataAt, 4096), spec.BlkSIOErr},
		"across the end":         {spec.BlkTIn, size/512 - 8, in(dataAt, 8192), spec.BlkSIOErr},
		"sector 2^64-8":          {spec.BlkTIn, 1<<64 - 8, in(dataAt, 4096), spec.BlkSIOErr},
		"sector 2^55":            {spec.BlkTOut, 1 << 55, out(dataAt, 4096), spec.BlkSIOErr},
		"not a block":            {spec.BlkTIn, 0, in(dataAt, 512), spec.BlkSIOErr},
		"not at a block":         {spec.BlkTIn, 1, in(dataAt, 4096), spec.BlkSIOErr},
		"not a sector":           {spec.BlkTOut, 0, out(dataAt, 4097), spec.BlkSIOErr},
		"type 7":                 {7, 0, out(dataAt, 512), spec.BlkSUnsupp},
		"secure erase":           {14, 0, out(dataAt, 16), spec.BlkSUnsupp},
		"type 2^32-1":            {1<<32 - 1, 0, in(dataAt, 1), spec.BlkSUnsupp},
		"ID of 19 bytes":         {spec.BlkTGetID, 0, in(dataAt, 19), spec.BlkSIOErr},
		"range of 15 bytes":      {spec.BlkTDiscard, 0, out(dataAt, 15), spec.BlkSIOErr},
		"17 ranges":              {spec.BlkTDiscard, 0, out(dataAt, 17*16), spec.BlkSIOErr},
		"discard without ranges": {spec.BlkTDiscard, 0, in(dataAt, 16), spec.BlkSIOErr},
	} {
		n, st := r.request(0, c.kind, c.sector, c.data)
		if st != c.status || c.data.Write && n != 0 || !c.data.Write && n != 1 {
			t.Errorf("%s: status %d, %d bytes", name, st, n)
		}
	}
	want(t, "operations of the disk", len(s.take()), 0)
	n, st := r.request(0, spec.BlkTIn, 0)
	if st != spec.BlkSOK || n != 1 {
		t.Errorf("a read of nothing: status %d, %d bytes", st, n)
	}
	n, st = r.request(0, spec.BlkTGetID, 0, in(dataAt, 7), in(dataAt+7, 13))
	id := make([]byte, 20)
	if err := r.Mem.Read(dataAt, id); err != nil || st != spec.BlkSOK || n != 21 || string(id) != "0123456789abcdefghij" {
		t.Errorf("ID %q, status %d, %d bytes", id, st, n)
	}
	want(t, "needs reset", r.Status()&spec.StatusNeedsReset, 0)
}

func Test_5_2_6_NoPlaceForTheStatusNeedsAReset(t *testing.T) {
	for name, segs := range map[string][]vringtest.Seg{
		"no status":    {head, out(dataAt, 512)},
		"no header":    {in(dataAt, 512), tail},
		"short header": {out(headerAt, 15), tail},
	} {
		r := newRig(t, blk.Config{Disk: ram(t, ramdisk.Config{})})
		r.Init(flush, 1, 0)
		r.Rings[0].Add(segs...)
		r.Kick(0)
		r.UntilBroken()
		if _, _, ok := r.Rings[0].Used(); ok || !errors.Is(r.dev.Err(), virtio.ErrDriver) {
			t.Errorf("%s: used %v, %v", name, ok, r.dev.Err())
		}
		r.Init(flush, 1, 0)
		if _, st := r.read(0, 0, 512); st != spec.BlkSOK {
			t.Errorf("%s: status %d after a reset", name, st)
		}
	}
}

func Test_5_2_6_2_ReadOnly(t *testing.T) {
	s := &spy{Disk: ram(t, ramdisk.Config{})}
	r := newRig(t, blk.Config{Disk: s, ReadOnly: true})
	want(t, "RO", r.Offered()>>spec.BlkFRO&1, 1)
	want(t, "discard and write zeroes", r.Offered()&ranged, 0)
	r.Init(flush, 1, 0) // RO is not accepted: writes fail all the same
	want(t, "write", r.write(0, 0, pattern(512, 1)), uint8(spec.BlkSIOErr))
	want(t, "discard", r.ranges(spec.BlkTDiscard, [3]uint64{0, 8, 0}), uint8(spec.BlkSIOErr))
	want(t, "write zeroes", r.ranges(spec.BlkTWriteZeroes, [3]uint64{0, 8, 0}), uint8(spec.BlkSIOErr))
	want(t, "operations", len(s.take()), 0)
	_, st := r.read(0, 0, 512)
	want(t, "read", st, uint8(spec.BlkSOK))
}

func TestErrorsOfTheDisk(t *testing.T) {
	disk := faulty.New(ram(t, ramdisk.Config{}))
	r := newRig(t, blk.Config{Disk: disk})
	r.Init(flush, 1, 0)
	disk.Inject(faulty.Rule{Match: faulty.Only(blockio.Read), Count: 1})
	n, st := r.request(0, spec.BlkTIn, 0, in(dataAt, 512))
	if n != 0 || st != spec.BlkSIOErr { // nothing of the data can be relied on
		t.Errorf("read: %d bytes, status %d", n, st)
	}
	disk.Inject(faulty.Rule{Match: faulty.Only(blockio.Flush), Count: 1})
	_, st = r.request(0, spec.BlkTFlush, 0)
	want(t, "flush", st, uint8(spec.BlkSIOErr))
	_, st = r.read(0, 0, 512)
	want(t, "read", st, uint8(spec.BlkSOK))
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	_, st = r.read(0, 0, 512)
	want(t, "read of a closed disk", st, uint8(spec.BlkSIOErr))
}
