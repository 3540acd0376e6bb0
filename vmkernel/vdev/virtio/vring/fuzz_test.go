package vring_test

import (
	"encoding/binary"
	"errors"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vdev/virtio/vring"
)

// FuzzGuest gives a queue memory of arbitrary content and does arbitrary things
// to it, while the guest writes arbitrary bytes. Nothing may panic, a chain is
// never longer than the queue, and its segments are guest memory.
func FuzzGuest(f *testing.F) {
	ops := []byte{0, 0, 1, 0, 2, 0, 3, 0, 4, 0}
	ring := make([]byte, 0x180)
	binary.LittleEndian.PutUint64(ring, 0x300)
	binary.LittleEndian.PutUint32(ring[8:], 0x20)
	binary.LittleEndian.PutUint16(ring[12:], spec.DescFIndirect)
	binary.LittleEndian.PutUint16(ring[14:], spec.DescFAvail)
	ring[0x102] = 3
	for features := range byte(8) {
		f.Add(features, byte(2), ring, ops)
		f.Add(features, byte(3), ring, append([]byte{5, 1, 6, 1, 0, 0, 0, 1, 1, 1}, ops...))
	}
	m := gmemtest.New(memSize) // only the first page is ever written
	f.Fuzz(func(t *testing.T, features, size byte, content, ops []byte) {
		var page [0x1000]byte
		copy(page[:], content)
		if m.Write(0, page[:]) != nil {
			t.Fatal("write")
		}
		cfg := vring.Config{Memory: m, Size: uint16(size), Desc: 0, Driver: 0x100, Device: 0x200}
		for i, bit := range []int{spec.FRingPacked, spec.FRingEventIdx, spec.FRingIndirectDesc} {
			cfg.Features |= uint64(features>>i&1) << bit
		}
		var q vring.Queue
		_ = q.Start(cfg)
		var c [4]vring.Chain
		for ; len(ops) >= 2; ops = ops[2:] {
			before := q.Err()
			k := &c[ops[1]%4]
			var err error
			switch ops[0] % 8 {
			case 0:
				var more bool
				if more, err = q.Next(k); more != (err == nil && len(k.Readable())+len(k.Writable()) > 0) {
					t.Fatalf("more %v with %v", more, err)
				}
				inside(t, &cfg, k)
			case 1:
				if err = q.Push(k, uint32(ops[1]>>2)); errors.Is(err, vring.ErrNotOut) || errors.Is(err, vring.ErrTooMuch) {
					err = nil
				}
			case 2:
				_, err = q.NeedInterrupt()
			case 3:
				_, err = q.EnableNotify()
			case 4:
				err = q.DisableNotify()
			case 5, 6: // the guest writes
				at := uint64(ops[0]>>3)<<4 | uint64(ops[1]>>4)
				m.PutUint8(at, ops[1]<<4|ops[0]>>4)
			case 7:
				if ops[1]&1 != 0 {
					q.Reset()
					before = q.Start(cfg)
				} else if s, e := q.Save(); e == nil {
					_ = q.Load(cfg, s)
					before = q.Err()
				}
			}
			if err != nil && !errors.Is(err, vring.ErrNeedsReset) {
				t.Fatalf("error %v", err)
			}
			if before != nil && q.Err() != before {
				t.Fatalf("broken by %v, then %v", before, q.Err())
			}
		}
	})
}

func inside(t *testing.T, cfg *vring.Config, c *vring.Chain) {
	t.Helper()
	if n := len(c.Readable()) + len(c.Writable()); n > int(cfg.Size) {
		t.Fatalf("%d segments in a queue of %d", n, cfg.Size)
	}
	var sum uint64
	for _, segs := range [][]vring.Segment{c.Readable(), c.Writable()} {
		for _, s := range segs {
			if s.Len == 0 || !cfg.Memory.Contains(s.Addr, uint64(s.Len)) {
				t.Fatalf("segment %#x size %#x", s.Addr, s.Len)
			}
			sum += uint64(s.Len)
		}
	}
	if sum != c.ReadableBytes()+c.WritableBytes() || sum > 1<<32 {
		t.Fatalf("%d bytes", sum)
	}
}
