package net_test

import (
	"runtime"
	"testing"

	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

type nobody struct{}

func (nobody) Deliver(b []vswitch.Frame) int { return len(b) }

// TestReceiveAllocatesNothing: a frame on its way from a port into merged buffers.
func TestReceiveAllocatesNothing(t *testing.T) {
	sw := newSwitch(t)
	v := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
	v.Init(fullOffload|merged, 2, 0)
	other, err := sw.AddPort(vswitch.PortConfig{Name: "other", MAC: mac(9)}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	v.offer(250, 2048)
	s := other.Sender()
	small := plain(mac(1), mac(9), 100)
	_, f := big(mac(1), mac(9), 8000)
	batch := []vswitch.Packet{{Data: [][]byte{small}}, {Data: [][]byte{f[:200], f[200:]}, Offload: vswitch.Offload{
		Partial: true, CSumStart: 34, CSumOffset: 16, GSO: vswitch.GSOTCP4, GSOSize: 1448,
	}}}
	s.Send(batch)
	if n := testing.AllocsPerRun(30, func() { s.Send(batch) }); n != 0 {
		t.Errorf("%v allocations for two frames", n)
	}
	if st := v.port.Stats(); st.RxFrames != 64 {
		t.Errorf("%+v", st)
	}
}

// TestTransmitAllocatesNothing: the same for what the guest sends.
func TestTransmitAllocatesNothing(t *testing.T) {
	sw := newSwitch(t)
	v := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
	v.Init(fullOffload, 2, 0)
	if _, err := sw.AddPort(vswitch.PortConfig{Name: "other", MAC: mac(9)}, nobody{}); err != nil {
		t.Fatal(err)
	}
	v.Mem.Write(sendAt+12, plain(mac(9), mac(1), 1000))
	// A chain of two descriptors: 100 of them fit the ring.
	const n = 100
	run := func() (mallocs uint64) {
		// Read first: the queue may still be awake and take them before it is rung.
		want := v.port.Stats().TxFrames + n
		for range n {
			v.Rings[1].Add(vringtest.Seg{Addr: sendAt, Len: 12}, vringtest.Seg{Addr: sendAt + 12, Len: 1000})
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v.Ring(1)
		for v.port.Stats().TxFrames < want {
			runtime.Gosched()
		}
		runtime.ReadMemStats(&after)
		for range n {
			v.Take(1)
		}
		return after.Mallocs - before.Mallocs
	}
	run()
	// The runtime may allocate something by itself meanwhile, and a longer burst than
	// any before makes room for itself once: a few runs, and the least counts.
	least := run()
	for range 4 {
		least = min(least, run())
	}
	if least > n/10 {
		t.Errorf("%d allocations for %d packets", least, n)
	}
}
