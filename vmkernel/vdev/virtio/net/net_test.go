package net_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

// Test5_1_6_PacketsPass sends between two guests with all layouts of the ring.
func Test5_1_6_PacketsPass(t *testing.T) {
	for _, features := range []uint64{0, merged, packed, packed | merged, eventID | merged, packed | eventID | merged} {
		t.Run(fmt.Sprintf("%#x", features), func(t *testing.T) {
			sw := newSwitch(t)
			a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
			b := newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{})
			a.Init(features, 2, 0)
			b.Init(features, 2, 0)
			where := b.offer(20, 2048)
			for i := range 20 {
				want := plain(mac(2), mac(1), 60+i*70)
				a.transmit([spec.NetHeaderSize]byte{}, want)
				h, f, n := b.receive(where)
				if !bytes.Equal(f, want) || n != 1 || h[0] != 0 || h[1] != 0 {
					t.Fatalf("packet %d: header %x, %d bytes in %d buffers", i, h, len(f), n)
				}
			}
			if st := b.port.Stats(); st.RxFrames != 20 || st.Drops[vswitch.DropFull] != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Test5_1_6_4_MergedBuffers sends 60 KB uncut into buffers of 2 KiB.
func Test5_1_6_4_MergedBuffers(t *testing.T) {
	for _, features := range []uint64{0, packed, packed | eventID} {
		sw := newSwitch(t)
		a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
		b := newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{})
		a.Init(features|fullOffload|merged, 2, 0)
		b.Init(features|fullOffload|merged, 2, 64)
		h, f := big(mac(2), mac(1), 60000)
		// Not enough buffers: the frame is lost, the buffers stay.
		where := b.offer(20, 2048)
		a.transmit(h, f)
		if st := b.port.Stats(); st.Drops[vswitch.DropFull] != 1 || st.RxFrames != 0 {
			t.Fatalf("%+v", st)
		}
		if _, _, ok := b.Rings[0].Used(); ok {
			t.Fatal("a buffer was used for a lost frame")
		}
		for i := 20; i < 40; i++ {
			at := uint64(recvAt + i*0x2000)
			where[b.Rings[0].Add(vringtest.Seg{Addr: at, Len: 2048, Write: true})] = at
		}
		a.transmit(h, f)
		got, data, n := b.receive(where)
		if want := (len(f) + 12 + 2047) / 2048; n != want || !bytes.Equal(data, f) {
			t.Fatalf("%d bytes in %d buffers, want %d", len(data), n, want)
		}
		h[spec.NetHeaderNumBuffers] = byte(n)
		if !bytes.Equal(got, h[:]) {
			t.Errorf("header %x, want %x", got, h)
		}
		small := plain(mac(2), mac(1), 100)
		a.transmit([spec.NetHeaderSize]byte{}, small)
		if _, data, n := b.receive(where); n != 1 || !bytes.Equal(data, small) {
			t.Errorf("after it: %d bytes in %d buffers", len(data), n)
		}
	}
}

// TestSegmentsForAGuestThatCannot: the receiver negotiated nothing.
func TestSegmentsForAGuestThatCannot(t *testing.T) {
	sw := newSwitch(t)
	a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
	b := newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{})
	a.Init(fullOffload, 2, 0)
	b.Init(0, 2, 0)
	where := b.offer(50, 2048)
	h, f := big(mac(2), mac(1), 14480)
	a.transmit(h, f)
	var all []byte
	for range 10 {
		h, data, n := b.receive(where)
		if n != 1 || h[0] != 0 || h[1] != 0 || len(data) != 54+1448 {
			t.Fatalf("header %x, %d bytes", h, len(data))
		}
		all = append(all, data[54:]...)
	}
	if !bytes.Equal(all, f[54:]) {
		t.Error("the payload differs")
	}
}

// Test5_1_3_1_Dependencies: what may not be accepted alone.
func Test5_1_3_1_Dependencies(t *testing.T) {
	v := newVM(t, newSwitch(t), 1, net.Config{Pairs: 2}, vswitch.PortConfig{})
	for _, c := range []struct {
		bits uint64
		ok   bool
	}{
		{0, true}, {fullOffload | merged | ctrl | 1<<spec.NetFMQ, true},
		{1 << spec.NetFGuestTSO4, false}, {1 << spec.NetFGuestTSO6, false}, {1<<spec.NetFGuestECN | 1<<spec.NetFGuestCSum, false},
		{1 << spec.NetFHostTSO4, false}, {1 << spec.NetFHostTSO6, false}, {1<<spec.NetFHostECN | 1<<spec.NetFCSum, false},
		{1 << spec.NetFCtrlRx, false}, {1 << spec.NetFCtrlVLAN, false}, {1 << spec.NetFMQ, false}, {1 << spec.NetFCtrlMACAddr, false},
		{1 << 10, false}, // HOST_UFO is not offered
	} {
		v.Reset()
		v.SetStatus(spec.StatusAcknowledge)
		v.SetStatus(spec.StatusDriver)
		if got := v.Accept(c.bits | 1<<spec.FVersion1); got != c.ok {
			t.Errorf("features %#x accepted: %v", c.bits, got)
		}
	}
}

// Test5_1_4_Configuration reads it, and sees a change of the link.
func Test5_1_4_Configuration(t *testing.T) {
	v := newVM(t, newSwitch(t), 1, net.Config{Pairs: 3, MTU: 1400}, vswitch.PortConfig{})
	v.Init(0, 2, 0)
	for i := range 6 {
		if got := byte(v.Read(v.Config+uint64(i), 1)); got != mac(1)[i] {
			t.Errorf("MAC byte %d is %#x", i, got)
		}
	}
	if s, p, m := v.Read(v.Config+6, 2), v.Read(v.Config+8, 2), v.Read(v.Config+10, 2); s != 1 || p != 3 || m != 1400 {
		t.Errorf("status %d, %d pairs, MTU %d", s, p, m)
	}
	v.dev.SetLink(false)
	v.dev.SetLink(false)
	if v.Read(v.Config+6, 2) != 0 || v.Slot.Signals(0) != 1 {
		t.Errorf("status %d, %d interrupts", v.Read(v.Config+6, 2), v.Slot.Signals(0))
	}
}

// TestBreach: what a driver must not give a queue.
func TestBreach(t *testing.T) {
	w := vringtest.Seg{Addr: recvAt, Len: 2048, Write: true}
	for name, c := range map[string]struct {
		queue int
		segs  []vringtest.Seg
	}{
		"transmit of 11 bytes":        {1, []vringtest.Seg{{Addr: sendAt, Len: 11}}},
		"transmit with a writable":    {1, []vringtest.Seg{{Addr: sendAt, Len: 100}, w}},
		"receive with a readable":     {0, []vringtest.Seg{{Addr: sendAt, Len: 100}, w}},
		"receive without header room": {0, []vringtest.Seg{{Addr: recvAt, Len: 11, Write: true}}},
		"command of one byte":         {2, []vringtest.Seg{{Addr: sendAt, Len: 1}, w}},
		"command without an answer":   {2, []vringtest.Seg{{Addr: sendAt, Len: 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			sw := newSwitch(t)
			a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
			b := newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{})
			a.Init(merged|ctrl, 3, 0)
			b.Init(0, 2, 0)
			a.Rings[c.queue].Add(c.segs...)
			if c.queue != 0 {
				a.Kick(c.queue)
			} else {
				b.transmit([spec.NetHeaderSize]byte{}, plain(mac(1), mac(2), 100))
			}
			a.UntilBroken()
			// The neighbour goes on, and so does this one after a reset.
			b.transmit([spec.NetHeaderSize]byte{}, plain(mac(1), mac(2), 100))
			a.Init(merged, 2, 0)
			where := a.offer(1, 2048)
			b.transmit([spec.NetHeaderSize]byte{}, plain(mac(1), mac(2), 100))
			if _, f, _ := a.receive(where); len(f) != 100 {
				t.Errorf("%d bytes", len(f))
			}
		})
	}
}

// TestHeaderWithoutNegotiation: the frame is dropped by the switch and counted.
func TestHeaderWithoutNegotiation(t *testing.T) {
	v := newVM(t, newSwitch(t), 1, net.Config{}, vswitch.PortConfig{})
	v.Init(0, 2, 0)
	h, f := big(mac(2), mac(1), 5000)
	v.transmit(h, f)
	h[1] = spec.NetHdrGSOUDP
	v.transmit(h, f)
	v.transmit([spec.NetHeaderSize]byte{0, spec.NetHdrGSOECN}, plain(mac(2), mac(1), 60))
	if st := v.port.Stats(); st.Drops[vswitch.DropOffload] != 3 {
		t.Errorf("%+v", st)
	}
}

func TestPauseAndState(t *testing.T) {
	sw := newSwitch(t)
	a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{Policy: vswitch.Policy{MACChanges: true}})
	b := newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{})
	a.Init(merged|ctrl, 3, 0)
	b.Init(0, 2, 0)
	where := a.offer(4, 2048)
	m := mac(77)
	if !a.command(1, 1, m[:]) {
		t.Fatal("address not set")
	}
	send := func() { b.transmit([spec.NetHeaderSize]byte{}, plain(mac(77), mac(2), 100)) }
	send()
	a.receive(where)
	if err := a.dev.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	send() // lost: a paused guest's memory is not touched
	if st := a.port.Stats(); st.Drops[vswitch.DropFull] != 1 || a.dev.Stats().Refused != 1 {
		t.Errorf("%+v %+v", st, a.dev.Stats())
	}
	saved, err := a.dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	a.dev.Reset()
	if a.port.MAC() != mac(1) {
		t.Errorf("address after a reset: %v", a.port.MAC())
	}
	if err := a.dev.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	a.dev.Resume()
	if a.port.MAC() != mac(77) {
		t.Errorf("address after a load: %v", a.port.MAC())
	}
	send()
	if _, f, _ := a.receive(where); len(f) != 100 {
		t.Errorf("%d bytes after the load", len(f))
	}
}

// TestCarrierIsSaved: the driver was told that there is no carrier, and so it is after a
// load. A state of version 1, which does not say, has one.
func TestCarrierIsSaved(t *testing.T) {
	for _, up := range []bool{true, false} {
		a := newVM(t, newSwitch(t), 1, net.Config{}, vswitch.PortConfig{})
		a.Init(0, 2, 16)
		a.dev.SetLink(up)
		if err := a.dev.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		saved, err := a.dev.SaveState()
		if err != nil {
			t.Fatal(err)
		}
		// The model's state is the last field: its length, version and fields.
		old := bytes.Clone(saved[:len(saved)-1])
		at := len(old) - modelSize
		binary.LittleEndian.PutUint32(old[at-4:], modelSize)
		binary.LittleEndian.PutUint16(old[at:], 1)
		for _, c := range []struct {
			state []byte
			want  bool
		}{{saved, up}, {old, true}} {
			a.dev.SetLink(!c.want)
			if err := a.dev.LoadState(c.state); err != nil {
				t.Fatal(err)
			}
			if a.dev.LinkUp() != c.want {
				t.Errorf("the carrier was %v, it is %v", c.want, a.dev.LinkUp())
			}
		}
		a.dev.Resume()
	}
}

// modelSize is the state of version 1 of a device whose driver has set no filter, in
// bytes: version, MAC, MTU, pairs, active pairs, address, three flags, two empty lists,
// no VLANs.
const modelSize = 2 + 6 + 2 + 2 + 2 + 6 + 3 + 2 + 1
