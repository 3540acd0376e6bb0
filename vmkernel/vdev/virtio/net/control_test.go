package net_test

import (
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/net"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vswitch"
)

// command sends one on the last queue and gives the answer.
func (v *vm) command(class, cmd byte, data []byte) bool {
	v.T.Helper()
	i := len(v.Rings) - 1
	b := append([]byte{class, cmd}, data...)
	v.Mem.Write(ctrlAt, b)
	v.Mem.PutUint8(ctrlAt+0x8000, 0xff)
	v.Rings[i].Add(vringtest.Seg{Addr: ctrlAt, Len: uint32(len(b))}, vringtest.Seg{Addr: ctrlAt + 0x8000, Len: 1, Write: true})
	v.Kick(i)
	v.Take(i)
	ack, _ := v.Mem.Uint8(ctrlAt + 0x8000)
	if ack > 1 {
		v.T.Fatalf("answer %#x", ack)
	}
	return ack == spec.NetCtrlOK
}

func table(unicast, multi []vswitch.MAC) (b []byte) {
	for _, l := range [][]vswitch.MAC{unicast, multi} {
		b = append(b, byte(len(l)), 0, 0, 0)
		for _, m := range l {
			b = append(b, m[:]...)
		}
	}
	return b
}

func Test5_1_6_5_Commands(t *testing.T) {
	group := vswitch.MAC{1, 0, 0x5e, 0, 0, 9}
	sw := newSwitch(t)
	a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
	b := newVM(t, sw, 2, net.Config{}, vswitch.PortConfig{VLAN: vswitch.VLAN{Trunk: vswitch.AllVLANs()}})
	a.Init(0, 2, 0)
	b.Init(merged|ctrl, 3, 0)
	where := b.offer(40, 2048)
	got := func(dst vswitch.MAC) bool {
		before := b.port.Stats().RxFrames
		a.transmit([spec.NetHeaderSize]byte{}, plain(dst, mac(1), 60))
		if b.port.Stats().RxFrames == before {
			return false
		}
		b.receive(where)
		return true
	}
	if !got(group) {
		t.Error("multicast before any command")
	}
	own := mac(2)
	other := mac(99)
	for i, c := range []struct {
		class, cmd byte
		data       []byte
		ok         bool
		group      bool // multicast comes afterwards
	}{
		{0, 0, []byte{0}, true, false},
		{0, 1, []byte{1}, true, true},
		{0, 1, []byte{0}, true, false},
		{1, 0, table(nil, []vswitch.MAC{group}), true, true},
		{1, 0, table(nil, nil), true, false},
		{1, 0, table(nil, make([]vswitch.MAC, 200)), true, true}, // too many: all
		{1, 0, table(nil, nil), true, false},
		{0, 0, []byte{1}, true, true},
		{0, 0, []byte{0}, true, false},
		{0, 0, []byte{2}, false, false},
		{0, 0, nil, false, false},
		{0, 1, []byte{1, 1}, false, false},
		{0, 5, []byte{1}, false, false}, // CTRL_RX_EXTRA
		{1, 0, []byte{255, 255, 255, 255, 0, 0, 0, 0}, false, false},
		{1, 0, []byte{1, 0, 0}, false, false},
		{1, 0, append(table(nil, nil), 1), false, false},
		{1, 1, other[:], false, false}, // the policy forbids it
		{1, 1, own[:], true, false},
		{1, 1, own[:5], false, false},
		{2, 0, []byte{5, 0}, true, false},
		{2, 1, []byte{5, 0}, true, false},
		{2, 0, []byte{0xff, 0x0f}, false, false},
		{2, 7, []byte{5, 0}, false, false},
		{4, 0, []byte{1, 0}, false, false}, // MQ was not negotiated
		{9, 9, nil, false, false},
		{0, 0, make([]byte, 17<<10), false, false},
	} {
		if ok := b.command(c.class, c.cmd, c.data); ok != c.ok {
			t.Errorf("command %d (%d.%d): %v", i, c.class, c.cmd, ok)
		}
		if g := got(group); g != c.group {
			t.Errorf("after command %d: multicast %v", i, g)
		}
		if i%8 == 7 {
			where = b.offer(10, 2048)
		}
	}
	if !got(own) || !got(vswitch.Broadcast) {
		t.Error("what always comes")
	}
}

// TestPairs: with MQ the control queue is the last, and frames come on the pairs
// that the driver asked for.
func TestPairs(t *testing.T) {
	sw := newSwitch(t)
	a := newVM(t, sw, 1, net.Config{}, vswitch.PortConfig{})
	b := newVM(t, sw, 2, net.Config{Pairs: 2}, vswitch.PortConfig{})
	a.Init(0, 2, 0)
	b.Init(merged|ctrl|1<<spec.NetFMQ, 5, 0)
	for _, q := range []int{0, 2} {
		for i := range 128 {
			b.Rings[q].Add(vringtest.Seg{Addr: uint64(recvAt + (q*100+i)*0x800), Len: 2048, Write: true})
		}
	}
	count := func() (n [2]int) {
		for i := range 64 {
			_, f := big(mac(2), mac(1), 10)
			f[34], f[35] = byte(i), byte(i*37)
			a.transmit([spec.NetHeaderSize]byte{}, f)
		}
		for p := range n {
			for {
				if _, _, ok := b.Rings[2*p].Used(); !ok {
					break
				}
				n[p]++
			}
		}
		return n
	}
	if n := count(); n != [2]int{64, 0} {
		t.Errorf("one pair: %v", n)
	}
	for _, c := range []struct {
		n  byte
		ok bool
	}{{0, false}, {3, false}, {2, true}} {
		if b.command(4, 0, []byte{c.n, 0}) != c.ok {
			t.Errorf("%d pairs", c.n)
		}
	}
	if n := count(); n[0]+n[1] != 64 || n[0] < 10 || n[1] < 10 {
		t.Errorf("two pairs: %v", n)
	}
	// What was sent on the second pair comes there (5.1.6.5.6), and then on the first.
	for _, pair := range []int{1, 0, 1} {
		for i := range 64 {
			_, f := big(mac(1), mac(2), 10)
			f[36], f[37] = byte(i), byte(i*37) // the ports of count's flows, turned round
			copy(f[26:34], []byte{10, 0, 0, 2, 10, 0, 0, 1})
			b.Mem.Write(ctrlAt, append(make([]byte, spec.NetHeaderSize), f...))
			b.Rings[2*pair+1].Add(vringtest.Seg{Addr: ctrlAt, Len: uint32(spec.NetHeaderSize + len(f))})
			b.Kick(2*pair + 1)
			b.Take(2*pair + 1)
		}
		for _, q := range []int{0, 2} {
			for i := range 64 {
				b.Rings[q].Add(vringtest.Seg{Addr: uint64(recvAt + (q*100+i)*0x800), Len: 2048, Write: true})
			}
		}
		if n := count(); n[pair] != 64 {
			t.Errorf("sent on pair %d, received %v", pair, n)
		}
	}
	// Without MQ the control queue is the third.
	b.Init(merged|ctrl, 3, 0)
	if !b.command(0, 0, []byte{1}) {
		t.Error("control queue without MQ")
	}
}
