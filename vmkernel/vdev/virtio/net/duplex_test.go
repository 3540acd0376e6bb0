package net_test

import (
	"encoding/binary"
	"sync"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

// TestBothWaysAtOnce: two guests send to each other at the same time and take what
// comes in between. Nothing locks up, frames stay in order, and every frame is
// either received or counted as dropped.
func TestBothWaysAtOnce(t *testing.T) {
	sw := newSwitch(t)
	vms := []*vm{
		newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{}),
		newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{}),
	}
	const total = 4000
	var wg sync.WaitGroup
	var got [2]int
	var collect [2]func()
	for i, v := range vms {
		v.Init([]uint64{merged, packed | merged | eventID}[i], 2, 0)
		where := v.offer(128, 2048)
		last := uint32(0)
		collect[i] = func() {
			for {
				id, n, ok := v.Rings[0].Used()
				if !ok {
					return
				}
				var b [4]byte
				v.Mem.Read(where[id]+spec.NetHeaderSize+14, b[:])
				if s := binary.BigEndian.Uint32(b[:]); n != spec.NetHeaderSize+64 || s <= last {
					t.Errorf("guest %d: %d bytes, frame %d after %d", i, n, s, last)
					return
				} else {
					last = s
				}
				got[i]++
				at := where[id]
				delete(where, id)
				where[v.Rings[0].Add(vringtest.Seg{Addr: at, Len: 2048, Write: true})] = at
			}
		}
	}
	for i, v := range vms {
		wg.Go(func() {
			f := plain(mac(byte(2-i)), mac(byte(i+1)), 64)
			for s := range uint32(total) {
				at := uint64(sendAt + s%64*256)
				binary.BigEndian.PutUint32(f[14:], s+1)
				v.Mem.Write(at+spec.NetHeaderSize, f)
				v.Rings[1].Add(vringtest.Seg{Addr: at, Len: uint32(spec.NetHeaderSize + len(f))})
				v.Kick(1)
				if s%32 == 31 {
					for range 32 {
						v.Take(1)
					}
				}
				collect[i]()
			}
		})
	}
	wg.Wait()
	for i, v := range vms {
		collect[i]()
		st := v.port.Stats()
		if st.TxFrames != total || st.RxFrames+st.Drops[vswitch.DropFull] != total || got[i] != int(st.RxFrames) || got[i] < 128 {
			t.Errorf("guest %d: %d taken, %+v", i, got[i], st)
		}
	}
}
