package vswitch

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func TestPartialChecksum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for size := range 700 {
		r := newRig(t, Config{})
		r.add(PortConfig{Name: "a", MAC: mac(1)})
		r.add(PortConfig{Name: "b", MAC: mac(2), VLAN: VLAN{Trunk: AllVLANs()}})
		r.add(PortConfig{Name: "c", MAC: mac(3), Features: Features{CSum: true}, Policy: Policy{Promiscuous: true}})
		udp := make([]byte, 8+size)
		for i := range udp {
			udp[i] = byte(rnd.Uint32())
		}
		binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
		src, dst := tcpip.AddrFrom4([4]byte{10, 0, 0, 1}), tcpip.AddrFrom4([4]byte{10, 0, 0, 2})
		binary.BigEndian.PutUint16(udp[6:], header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, uint16(len(udp))))
		f := append(frame(mac(2), mac(1), -1)[:34], udp...)
		o := Offload{Partial: true, CSumStart: 34, CSumOffset: 6}
		r.send["a"].Send([]Packet{{Data: cut(rnd, f), Offload: o}})
		b, offs := r.sinks["b"].take()
		if len(b) != 1 || offs[0] != (Offload{}) || r.ports["b"].Stats().Summed != 1 {
			t.Fatalf("size %d: %d frames, %s", size, len(b), dropped(r.ports["a"]))
		}
		u := header.UDP(b[0][34:])
		if !u.IsChecksumValid(src, dst, checksum.Checksum(u.Payload(), 0)) || u.Checksum() == 0 {
			t.Fatalf("size %d: checksum %#x", size, u.Checksum())
		}
		// The receiver that takes the work sees the field untouched.
		c, offs := r.sinks["c"].take()
		if len(c) != 1 || !bytes.Equal(c[0], f) || offs[0] != o {
			t.Fatalf("size %d: passed on as %+v", size, offs)
		}
	}
}

func TestBadOffload(t *testing.T) {
	payload := make([]byte, 5000)
	for _, c := range []struct {
		name string
		v6   bool
		edit func(f []byte, o *Offload)
		want Drop
	}{
		{"segments without checksum", false, func(_ []byte, o *Offload) { o.Partial = false }, DropOffload},
		{"start in the Ethernet header", false, func(_ []byte, o *Offload) { o.CSumStart = 13 }, DropOffload},
		{"start beyond", false, func(_ []byte, o *Offload) { o.CSumStart = 65535 }, DropOffload},
		{"offset beyond", false, func(_ []byte, o *Offload) { o.CSumOffset = 65535 }, DropOffload},
		{"not TCP's field", false, func(_ []byte, o *Offload) { o.CSumOffset = 6 }, DropOffload},
		{"size 0", false, func(_ []byte, o *Offload) { o.GSOSize = 0 }, DropOffload},
		{"size below the bound", false, func(_ []byte, o *Offload) { o.GSOSize = MinGSOSize - 1 }, DropOffload},
		{"size above the MTU", false, func(_ []byte, o *Offload) { o.GSOSize = 1461 }, DropOversize},
		{"IPv4 said, IPv6 is", true, func(_ []byte, o *Offload) { o.GSO = GSOTCP4 }, DropOffload},
		{"unknown kind", false, func(_ []byte, o *Offload) { o.GSO = 9 }, DropOffload},
		{"UDP inside", false, func(f []byte, _ *Offload) { f[23] = 17 }, DropOffload},
		{"a fragment", false, func(f []byte, _ *Offload) { f[20] = 0x20 }, DropOffload},
		{"header length 0", false, func(f []byte, _ *Offload) { f[14] = 0x40 }, DropOffload},
		{"version", false, func(f []byte, _ *Offload) { f[14] = 0x65 }, DropOffload},
		{"TCP header length 0", false, func(f []byte, _ *Offload) { f[46] = 0 }, DropOffload},
		{"start is not TCP's", false, func(_ []byte, o *Offload) { o.CSumStart = 38 }, DropOffload},
		{"IPv6 UDP", true, func(f []byte, _ *Offload) { f[20] = 17 }, DropOffload},
		{"IPv6 endless options", true, func(f []byte, _ *Offload) { f[20], f[54], f[55] = 0, 0, 255 }, DropOffload},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			r.add(PortConfig{Name: "a", MAC: mac(1)})
			r.add(PortConfig{Name: "b", MAC: mac(2)})
			f, o := tcpFrame(c.v6, 0, 0, payload, 0x10)
			o.GSOSize = 1000
			c.edit(f, &o)
			r.send["a"].Send([]Packet{{Data: [][]byte{f}, Offload: o}})
			if got := r.got(); got != "" || r.ports["a"].Stats().Drops[c.want] != 1 {
				t.Errorf("went to %q, drops %q", got, dropped(r.ports["a"]))
			}
		})
	}
}

// TestGuestRewritesHeaders changes the sender's buffer from inside a delivery: the
// next receiver must still see the header that was checked.
func TestGuestRewritesHeaders(t *testing.T) {
	r := newRig(t, Config{})
	r.add(PortConfig{Name: "a", MAC: mac(1)})
	f := frame(Broadcast, mac(1), -1)
	evil := &rewriter{f}
	if _, err := r.sw.AddPort(PortConfig{Name: "evil", MAC: mac(4)}, evil); err != nil {
		t.Fatal(err)
	}
	r.add(PortConfig{Name: "b", MAC: mac(2)})
	want := append([]byte(nil), f...)
	r.from("a", f)
	if got, _ := r.sinks["b"].take(); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("%x", got)
	}
}

type rewriter struct{ f []byte }

func (w *rewriter) Deliver(b []Frame) int {
	for i := range w.f {
		w.f[i] = 0xee
	}
	return len(b)
}
