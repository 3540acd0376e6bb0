package net_test

import (
	"runtime"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

// TestHeapBytes: what the greediest guest makes the host keep is promised, and not much
// more than that.
func TestHeapBytes(t *testing.T) {
	const size = 256
	sw := newSwitch(t)
	v := newVM(t, sw, 1, net.Config{QueueSize: size}, vswitch.PortConfig{})
	v.Init(fullOffload|merged|1<<spec.FRingIndirectDesc, 2, 0)
	other, err := sw.AddPort(vswitch.PortConfig{Name: "other", MAC: mac(9)}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	const border = virtiotest.DataAt&^(gmem.FrameSize-1) + gmem.FrameSize
	v.Mem.Write(border-100, make([]byte, 12))
	v.Mem.Write(border-100+12, plain(mac(9), mac(1), 188))
	sent := make([]vringtest.Seg, size) // the first has the header, all go over the border
	for i := range sent {
		sent[i] = vringtest.Seg{Addr: border - 100, Len: 200}
	}
	room := make([]vringtest.Seg, size)
	for i := range room {
		room[i] = vringtest.Seg{Addr: recvAt, Len: 1, Write: true}
	}
	_, f := big(mac(1), mac(9), size*size-spec.NetHeaderSize-54) // all the room there is
	s := other.Sender()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range size {
		v.Rings[0].AddIndirect(ctrlAt, room...)
	}
	s.Send([]vswitch.Packet{{Data: [][]byte{f}, Offload: vswitch.Offload{Partial: true, CSumStart: 34, CSumOffset: 16, GSO: vswitch.GSOTCP4, GSOSize: 1448}}})
	if st := v.port.Stats(); st.RxFrames != 1 || v.dev.Stats().Dropped != 0 {
		t.Fatalf("%+v, %+v", st, v.dev.Stats())
	}
	for range size {
		v.Rings[1].AddIndirect(ctrlAt+0x10000, sent...)
	}
	v.Kick(1)
	for range size {
		v.Take(1)
	}
	took, promised := heap()-before, net.HeapBytes(1, size)
	t.Logf("%d bytes are kept, %d were promised", took, promised)
	if took > promised || promised > 2*took {
		t.Errorf("%d bytes are kept, %d were promised", took, promised)
	}
}
