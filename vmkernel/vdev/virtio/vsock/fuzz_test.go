package vsock_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vdev/virtio/vsock"
)

// FuzzGuest throws packets and buffers at every queue, while the host has a
// connection of its own; after a reset everything works.
func FuzzGuest(f *testing.F) {
	step := func(b ...byte) []byte { return append(b, make([]byte, 8-len(b))...) }
	f.Add([]byte{})
	var life []byte
	for _, s := range [][]byte{step(0, 4), step(1, 1, 7, 0), step(1, 5, 7, 9), step(1, 6, 7, 0), step(1, 7, 7, 0), step(1, 4, 7, 0, 3), step(1, 3, 7)} {
		life = append(life, s...)
	}
	f.Add(life)
	f.Add(append(step(1, 2, 22, 0, 0, 255), append(step(1, 5, 22, 200), step(2, 1)...)...))
	f.Add(append(step(3, 1, 40, 0), step(4, 3, 0, 0)...))
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, map[uint32]vsock.Service{7: echo})
		ctx, cancel := context.WithCancel(t.Context())
		dialled := make(chan struct{})
		go func() {
			defer close(dialled)
			if c, err := r.dev.Dial(ctx, 22); err == nil {
				c.Write(make([]byte, 100))
				c.Close()
			}
		}()
		for i := 0; len(script) >= 8 && i < 60; i++ {
			s := script[:8]
			script = script[8:]
			switch s[0] % 5 {
			case 0:
				r.Rings[0].Add(vringtest.Seg{Addr: recvAt, Len: uint32(s[1])*64 + 1, Write: s[2]&1 == 0})
				r.Ring(0)
			case 1:
				p := guest(uint16(s[1]%9), uint32(s[2]), 7, string(make([]byte, int(s[3])*8)))
				if s[2] == 22 {
					p.dstPort = 1 << 20
				}
				p.flags, p.alloc, p.fwd = uint32(s[4]), uint32(s[5])<<24|uint32(s[5]), uint32(s[6])<<24
				b := p.bytes(uint32(len(p.data)) + uint32(s[7]&1))
				at := uint64(sendAt + i*0x2000)
				r.Mem.Write(at, b)
				r.Rings[1].Add(vringtest.Seg{Addr: at, Len: uint32(len(b))})
				r.Ring(1)
			case 2:
				r.Rings[2].Add(vringtest.Seg{Addr: recvAt, Len: uint32(s[1]), Write: s[2]&1 == 0})
				r.Ring(2)
			case 3:
				at := uint64(sendAt + i*0x2000)
				r.Mem.Write(at, s)
				r.Rings[1].Add(vringtest.Seg{Addr: at + uint64(binary.LittleEndian.Uint16(s[2:]))<<16, Len: uint32(s[1])})
				r.Ring(1)
			case 4:
				r.Ring(int(s[1] % 3))
			}
		}
		if err := r.dev.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := r.dev.Conns(); n > vsock.MaxConns {
			t.Errorf("%d connections", n)
		}
		r.dev.Resume()
		cancel()
		<-dialled
		r.begin()
		r.offer(4)
		r.send(guest(spec.VsockOpRequest, 1, 7, ""))
		for r.recv().op != spec.VsockOpResponse { // a reset of what was before may come first
		}
	})
}

// FuzzLoadState loads rubbish; the device can be reset and works then.
func FuzzLoadState(f *testing.F) {
	r := newRig(f, nil)
	f.Add(virtiotest.State(f, r.dev))
	r.dev.Resume()
	f.Fuzz(func(t *testing.T, state []byte) {
		r := newRig(t, map[uint32]vsock.Service{7: echo})
		virtiotest.Load(t, r.dev, state)
		r.begin()
		r.offer(1)
		r.send(guest(spec.VsockOpRequest, 1, 7, ""))
		r.expect(spec.VsockOpResponse, 1, 7, "")
	})
}

// TestNoAllocationForAPacket: an echo costs no allocation once the buffers are there.
func TestNoAllocationForAPacket(t *testing.T) {
	r := newRig(t, map[uint32]vsock.Service{7: func(c *vsock.Conn) {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			c.Write(b[:n])
		}
	}})
	r.offer(1)
	r.send(guest(spec.VsockOpRequest, 1, 7, ""))
	r.expect(spec.VsockOpResponse, 1, 7, "")
	sent := uint32(0)
	le := binary.LittleEndian
	var h [spec.VsockHdrSize + 100]byte
	copy(h[:], guest(spec.VsockOpRW, 1, 7, string(make([]byte, 100))).bytes(100))
	tx := []vringtest.Seg{{Addr: sendAt, Len: uint32(len(h))}}
	rx := []vringtest.Seg{{Addr: recvAt, Len: 4096, Write: true}}
	late := time.Now().Add(30 * time.Second)
	one := func() {
		le.PutUint32(h[spec.VsockFwdCnt:], sent)
		sent += 100
		r.Mem.Write(sendAt, h[:])
		r.Rings[0].Add(rx...)
		r.Rings[1].Add(tx...)
		r.Ring(1)
		for got := 0; got < 2; {
			for i := range 2 {
				if _, _, ok := r.Rings[i].Used(); ok {
					got++
				}
			}
			runtime.Gosched()
			if time.Now().After(late) {
				t.Fatal("no echo")
			}
		}
	}
	for range 300 {
		one()
	}
	want(t, "allocations", testing.AllocsPerRun(300, one), 0.0)
}
