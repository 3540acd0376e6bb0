package net_test

import (
	"bytes"
	"context"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

// FuzzQueues gives chains of any shape and content to any queue. The other guest
// must still be reached.
func FuzzQueues(f *testing.F) {
	h, frame := big(mac(2), mac(1), 3000)
	f.Add(append(h[:], frame...), uint8(1), uint16(100), uint8(0))
	f.Add([]byte{1, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6}, uint8(2), uint16(5), uint8(1))
	f.Add([]byte{0, 0, 1}, uint8(2), uint16(1), uint8(3))
	f.Add(make([]byte, 100), uint8(0), uint16(50), uint8(0xff))
	f.Fuzz(func(t *testing.T, data []byte, queue uint8, piece uint16, writable uint8) {
		sw := newSwitch(t)
		a := newVM(t, sw, 1, net.Config{QueueSize: 16}, vswitch.PortConfig{})
		b := newVM(t, sw, 2, net.Config{QueueSize: 16}, vswitch.PortConfig{})
		a.Init(fullOffload|merged|ctrl, 3, 16)
		b.Init(0, 2, 16)
		where := b.offer(16, 2048)
		data = data[:min(len(data), 1<<20)]
		a.Mem.Write(sendAt, data)
		var segs []vringtest.Seg
		for off := 0; off < len(data) && len(segs) < 8; off += int(piece) + 1 {
			n := min(int(piece)+1, len(data)-off)
			segs = append(segs, vringtest.Seg{Addr: uint64(sendAt + off), Len: uint32(n), Write: writable>>len(segs)&1 != 0})
		}
		i := int(queue) % 3
		if len(segs) > 0 {
			a.Rings[i].Add(segs...)
			a.Ring(i)
		}
		c := newVM(t, sw, 3, net.Config{QueueSize: 16}, vswitch.PortConfig{})
		c.Init(0, 2, 16)
		c.transmit([spec.NetHeaderSize]byte{}, plain(mac(1), mac(3), 200))
		for b.port.Stats().RxFrames < 16 {
			before := b.port.Stats().RxFrames
			c.transmit([spec.NetHeaderSize]byte{}, plain(mac(2), mac(3), 77))
			if b.port.Stats().RxFrames == before {
				t.Fatalf("the neighbour was not reached: %+v", b.port.Stats())
			}
		}
		b.receive(where)
	})
}

// FuzzLoadState loads any bytes; what is taken must save to the same again, or to what an
// old version of it is now.
func FuzzLoadState(f *testing.F) {
	save := func(v *vm) []byte {
		if err := v.dev.Pause(context.Background()); err != nil {
			v.T.Fatal(err)
		}
		b, err := v.dev.SaveState()
		if err != nil {
			v.T.Fatal(err)
		}
		return b
	}
	for _, features := range []uint64{0, ctrl} {
		v := newVM(f, newSwitch(f), 1, net.Config{}, vswitch.PortConfig{})
		v.Init(features, 2, 0)
		f.Add(save(v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := newVM(t, newSwitch(t), 1, net.Config{}, vswitch.PortConfig{})
		if err := v.dev.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		if v.dev.LoadState(b) != nil {
			return
		}
		again := save(v)
		if len(again) == len(b)+1 { // of version 1
			if err := v.dev.LoadState(again); err != nil {
				t.Fatal(err)
			}
			b, again = again, save(v)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("loaded\n%x, saved\n%x", b, again)
		}
	})
}
