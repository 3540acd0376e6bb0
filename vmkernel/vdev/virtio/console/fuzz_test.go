package console_test

import (
	spec "basalt/drivers/spec/virtio"
	"testing"

	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// FuzzPorts throws control messages and buffers at every queue.
func FuzzPorts(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 0, 0, 1, 3, 1, 3, 1, 3, 1, 6, 1, 2, 0, 64, 0, 4, 1, 60, 0, 5, 0, 60, 0})
	f.Add([]byte{0, 1, 8, 0, 1, 2, 8, 0, 3, 9, 9, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, two())
		r.Init(multi, 6, 0)
		for i := 0; len(script) >= 4 && i < 40; i++ {
			q, a, b, c := int(script[0]%6), script[1], script[2], script[3]
			script = script[4:]
			switch {
			case q == 3:
				where := at + uint64(i)*16
				r.Mem.PutUint64(where, uint64(a%4)|uint64(b)<<32|uint64(c)<<48)
				r.Rings[3].Add(vringtest.Seg{Addr: where, Len: 8})
			case a&1 != 0:
				r.wires[q/3].set(func(w *wire) { w.in, w.room = append(w.in, make([]byte, b)...), int(c)*1000 })
				r.dev.InputReady(q / 3)
				r.dev.OutputReady(q / 3)
				fallthrough
			default:
				r.Rings[q].Add(vringtest.Seg{Addr: at + uint64(b)<<8, Len: uint32(b)<<uint(c&7) + 1, Write: q%2 == 0 != (c&0x80 != 0)})
			}
			r.Ring(q)
		}
		for _, w := range r.wires {
			w.set(func(w *wire) { w.room = -1 })
		}
		r.dev.OutputReady(0)
		r.dev.OutputReady(1)
		r.pass()
		r.Init(multi, 6, 0)
		r.send(1, []byte("works"))
	})
}

// FuzzLoadState loads rubbish; the device can be reset and works then.
func FuzzLoadState(f *testing.F) {
	r := newRig(f, two())
	f.Add(virtiotest.State(f, r.dev))
	r.dev.Resume()
	r.Init(multi, 6, 0)
	r.tell(0, spec.ConsoleDeviceReady, 1)
	r.tell(1, spec.ConsolePortOpen, 1)
	r.wires[1].set(func(w *wire) { w.room, w.in = 2, []byte("input") })
	r.send(5, []byte("output"))
	f.Add(virtiotest.State(f, r.dev))
	f.Fuzz(func(t *testing.T, state []byte) {
		r := newRig(t, two())
		virtiotest.Load(t, r.dev, state)
		r.Init(multi, 6, 0)
		r.tell(0, spec.ConsoleDeviceReady, 1)
		want(t, "message", r.heard(), `0 1 0 ""`)
	})
}
