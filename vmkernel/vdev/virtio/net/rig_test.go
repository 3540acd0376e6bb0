package net_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

func mac(n byte) vswitch.MAC { return vswitch.MAC{2, 0xba, 0x5a, 0, 2, n} }

const (
	fullOffload = 1<<spec.NetFCSum | 1<<spec.NetFGuestCSum | 1<<spec.NetFHostTSO4 | 1<<spec.NetFHostTSO6 |
		1<<spec.NetFGuestTSO4 | 1<<spec.NetFGuestTSO6
	merged  = 1 << spec.NetFMrgRxBuf
	ctrl    = 1<<spec.NetFCtrlVQ | 1<<spec.NetFCtrlRx | 1<<spec.NetFCtrlVLAN | 1<<spec.NetFCtrlMACAddr
	packed  = 1 << spec.FRingPacked
	eventID = 1 << spec.FRingEventIdx
)

// vm is a guest with one device on a switch.
type vm struct {
	*virtiotest.Driver
	dev  *net.Device
	port *vswitch.Port
}

func newVM(t testing.TB, sw *vswitch.Switch, n byte, c net.Config, p vswitch.PortConfig) *vm {
	t.Helper()
	m := virtiotest.NewMemory(t, 16<<20)
	c.Name, c.MAC, c.Memory = fmt.Sprint("net", n), mac(n), m
	dev, err := net.New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.MAC = c.Name, mac(n)
	port, err := sw.AddPort(p, dev)
	if err != nil {
		t.Fatal(err)
	}
	dev.Plug(port)
	t.Cleanup(func() {
		port.Close()
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &vm{virtiotest.Connect(t, dev, m), dev, port}
}

func newSwitch(t testing.TB) *vswitch.Switch {
	sw, err := vswitch.New(vswitch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	return sw
}

// sendAt and recvAt are where packets lie in guest memory.
const (
	sendAt = virtiotest.DataAt
	recvAt = virtiotest.DataAt + 4<<20
	ctrlAt = virtiotest.DataAt + 8<<20
)

// transmit sends a header and a frame in pieces of a few sizes, over a border
// between frames of memory, and waits until the device has it.
func (v *vm) transmit(h [spec.NetHeaderSize]byte, frame []byte) {
	v.T.Helper()
	all := append(h[:], frame...)
	at := uint64(sendAt + gmem.FrameSize - 100)
	v.Mem.Write(at, all)
	var segs []vringtest.Seg
	for i, off := 0, 0; off < len(all); i++ {
		n := len(all) - off
		if i < 3 {
			n = min(n, 7+i*20)
		}
		segs = append(segs, vringtest.Seg{Addr: at + uint64(off), Len: uint32(n)})
		off += n
	}
	v.Rings[1].Add(segs...)
	v.Kick(1)
	v.Take(1)
}

// offer gives n receive buffers of a size.
func (v *vm) offer(n int, size uint32) map[uint16]uint64 {
	where := map[uint16]uint64{}
	for i := range n {
		at := uint64(recvAt + i*0x2000)
		if size > 0x2000 {
			at = uint64(recvAt + i*0x20000)
		}
		where[v.Rings[0].Add(vringtest.Seg{Addr: at, Len: size, Write: true})] = at
	}
	return where
}

// receive takes one frame, merged from its buffers.
func (v *vm) receive(where map[uint16]uint64) (h []byte, frame []byte, buffers int) {
	v.T.Helper()
	read := func() []byte {
		id, n := v.Take(0)
		b := make([]byte, n)
		v.Mem.Read(where[id], b)
		return b
	}
	b := read()
	if len(b) < spec.NetHeaderSize {
		v.T.Fatalf("buffer of %d bytes", len(b))
	}
	h, frame = b[:spec.NetHeaderSize], b[spec.NetHeaderSize:]
	buffers = int(binary.LittleEndian.Uint16(h[spec.NetHeaderNumBuffers:]))
	for range buffers - 1 {
		frame = append(frame, read()...)
	}
	return h, frame, buffers
}

func plain(dst, src vswitch.MAC, size int) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	return append(append(f, 0x88, 0xb5), bytes.Repeat([]byte{0x5a}, size-14)...)
}

// big is a TCP segment of IPv4 to be cut, and its header.
func big(dst, src vswitch.MAC, payload int) (h [spec.NetHeaderSize]byte, f []byte) {
	f = plain(dst, src, 54+payload)
	for i := 54; i < len(f); i++ {
		f[i] = byte(i * 7)
	}
	copy(f[12:], []byte{8, 0, 0x45, 0})
	binary.BigEndian.PutUint16(f[16:], uint16(40+payload))
	copy(f[18:], []byte{0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	clear(f[34:54])
	f[46], f[47] = 0x50, 0x10
	le := binary.LittleEndian
	h[spec.NetHeaderFlags], h[spec.NetHeaderGSOType] = spec.NetHdrFNeedsCSum, spec.NetHdrGSOTCPv4
	le.PutUint16(h[spec.NetHeaderHdrLen:], 54)
	le.PutUint16(h[spec.NetHeaderGSOSize:], 1448)
	le.PutUint16(h[spec.NetHeaderCSumStart:], 34)
	le.PutUint16(h[spec.NetHeaderCSumOffset:], 16)
	return h, f
}
