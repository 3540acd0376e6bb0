package vsock_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vdev/virtio/vsock"
)

const (
	cid    = 42
	sendAt = virtiotest.DataAt
	recvAt = virtiotest.DataAt + 1<<20
	room   = 4096 // of a receive buffer
)

// packet is a header, and what the tests look at of it.
type packet struct {
	src, dst         uint64
	srcPort, dstPort uint32
	kind, op         uint16
	flags            uint32
	alloc, fwd       uint32
	data             string
}

// rig is a guest that serves and opens connections by hand.
type rig struct {
	*virtiotest.Driver
	dev   *vsock.Device
	where map[uint16]uint64
	next  uint64
}

func newRig(t testing.TB, services map[uint32]vsock.Service) *rig {
	t.Helper()
	mem := virtiotest.NewMemory(t, 8<<20)
	dev, err := vsock.New(vsock.Config{Name: "vsock", Memory: mem, CID: cid, Services: services})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r := &rig{Driver: virtiotest.Connect(t, dev, mem), dev: dev}
	r.begin()
	return r
}

func (r *rig) begin() {
	r.T.Helper()
	r.where = map[uint16]uint64{}
	r.Init(1<<spec.VsockFStream, 3, 0)
}

// offer gives n receive buffers.
func (r *rig) offer(n int) {
	for range n {
		at := recvAt + r.next%256*room
		r.next++
		r.where[r.Rings[0].Add(vringtest.Seg{Addr: at, Len: 30, Write: true}, vringtest.Seg{Addr: at + 30, Len: room - 30, Write: true})] = at
	}
	r.Kick(0)
}

// guest is a packet from the guest to the host.
func guest(op uint16, port, hostPort uint32, data string) packet {
	return packet{src: cid, dst: spec.VsockCIDHost, srcPort: port, dstPort: hostPort, kind: spec.VsockTypeStream, op: op, alloc: 1 << 20, data: data}
}

func (p packet) bytes(size uint32) []byte {
	le := binary.LittleEndian
	b := le.AppendUint64(nil, p.src)
	b = le.AppendUint64(b, p.dst)
	b = le.AppendUint32(b, p.srcPort)
	b = le.AppendUint32(b, p.dstPort)
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, p.kind)
	b = le.AppendUint16(b, p.op)
	b = le.AppendUint32(b, p.flags)
	b = le.AppendUint32(b, p.alloc)
	return append(le.AppendUint32(b, p.fwd), p.data...)
}

// add makes a packet available.
func (r *rig) add(p packet) {
	r.T.Helper()
	b := p.bytes(uint32(len(p.data)))
	if err := r.Mem.Write(sendAt, b); err != nil {
		r.T.Fatal(err)
	}
	segs := []vringtest.Seg{{Addr: sendAt, Len: 20}, {Addr: sendAt + 20, Len: uint32(len(b)) - 20}}
	r.Rings[1].Add(segs...)
	r.Kick(1)
}

// send sends a packet and waits until the device has it.
func (r *rig) send(p packet) {
	r.T.Helper()
	r.add(p)
	r.Take(1)
}

// recv takes the next packet for the guest; a buffer must be there.
func (r *rig) recv() (p packet) {
	r.T.Helper()
	id, n := r.Take(0)
	b := make([]byte, n)
	r.Mem.Read(r.where[id], b)
	delete(r.where, id)
	if n < spec.VsockHdrSize {
		r.T.Fatalf("a packet of %d bytes", n)
	}
	le := binary.LittleEndian
	if size := le.Uint32(b[24:]); int(size) != len(b)-spec.VsockHdrSize {
		r.T.Errorf("a packet says %d bytes and has %d", size, len(b)-spec.VsockHdrSize)
	}
	return packet{le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint16(b[28:]), le.Uint16(b[30:]), le.Uint32(b[32:]),
		le.Uint32(b[36:]), le.Uint32(b[40:]), string(b[44:])}
}

// expect takes the next packet and compares.
func (r *rig) expect(op uint16, port, hostPort uint32, data string) packet {
	r.T.Helper()
	p := r.recv()
	want := packet{src: spec.VsockCIDHost, dst: cid, srcPort: hostPort, dstPort: port, kind: spec.VsockTypeStream, op: op, data: data}
	got := p
	got.flags, got.alloc, got.fwd = 0, 0, 0
	if got != want {
		r.T.Fatalf("%s, want %s", got, want)
	}
	return p
}

func (p packet) String() string {
	return fmt.Sprintf("%d:%d to %d:%d type %d op %d, %d bytes %.20q", p.src, p.srcPort, p.dst, p.dstPort, p.kind, p.op, len(p.data), p.data)
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
