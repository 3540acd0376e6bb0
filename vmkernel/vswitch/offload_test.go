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

// tcpFrame makes a big frame as a guest with TSO does: the checksum field holds the
// pseudo header's sum without the length of any segment being known.
func tcpFrame(v6 bool, options, tcpOptions int, payload []byte, flags byte) ([]byte, Offload) {
	f := append(append([]byte{}, mac(2).bytes()...), mac(1).bytes()...)
	tcp := make([]byte, 20+tcpOptions)
	binary.BigEndian.PutUint16(tcp, 1000)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	binary.BigEndian.PutUint32(tcp[4:], 0xffffff00)
	tcp[12], tcp[13] = byte(len(tcp)/4)<<4, flags
	for i := range tcpOptions {
		tcp[20+i] = 1
	}
	o := Offload{Partial: true, CSumOffset: 16}
	if v6 {
		ip := make([]byte, 40+options)
		ip[0], ip[6], ip[7] = 0x60, 6, 64
		binary.BigEndian.PutUint16(ip[4:], uint16(options+len(tcp)+len(payload)))
		ip[8], ip[23], ip[24], ip[39] = 0xfd, 1, 0xfd, 2
		if options > 0 {
			ip[6], ip[40], ip[41] = 60, 6, byte(options/8-1)
		}
		f = append(append(f, 0x86, 0xdd), ip...)
		o.GSO = GSOTCP6
	} else {
		ip := make([]byte, 20+options)
		ip[0], ip[8], ip[9] = 0x40|byte(len(ip)/4), 64, 6
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(tcp)+len(payload)))
		binary.BigEndian.PutUint16(ip[4:], 0xfffe)
		copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
		for i := range options {
			ip[20+i] = 1
		}
		f = append(append(f, 8, 0), ip...)
		o.GSO = GSOTCP4
	}
	o.CSumStart = uint16(len(f))
	f = append(f, tcp...)
	return append(f, payload...), o
}

func (m MAC) bytes() []byte { return m[:] }

// cut makes pieces of random sizes.
func cut(rnd *rand.Rand, f []byte) (data [][]byte) {
	for len(f) > 0 {
		n := min(1+rnd.IntN(3000), len(f))
		data = append(data, f[:n])
		f = f[n:]
	}
	return data
}

// checkSegments verifies segments with gVisor's parsers and gives the payload.
func checkSegments(t *testing.T, frames [][]byte, v6 bool, tag, mss int, flags byte, firstSeq uint32) []byte {
	t.Helper()
	var all []byte
	for i, f := range frames {
		ip := f[EthernetHeader+tag:]
		var tcp header.TCP
		var src, dst tcpip.Address
		if v6 {
			h := header.IPv6(ip)
			if int(h.PayloadLength())+40 != len(ip) {
				t.Fatalf("segment %d: IPv6 length %d of %d", i, h.PayloadLength(), len(ip))
			}
			src, dst = h.SourceAddress(), h.DestinationAddress()
			off := 40
			if h.NextHeader() == 60 {
				off += 8 + int(ip[41])*8
			}
			tcp = header.TCP(ip[off:])
		} else {
			h := header.IPv4(ip)
			if int(h.TotalLength()) != len(ip) || !h.IsChecksumValid() || h.ID() != 0xfffe+uint16(i) {
				t.Fatalf("segment %d: IPv4 length %d of %d, checksum %v, id %#x", i, h.TotalLength(), len(ip), h.IsChecksumValid(), h.ID())
			}
			src, dst = h.SourceAddress(), h.DestinationAddress()
			tcp = header.TCP(ip[h.HeaderLength():])
		}
		p := tcp[tcp.DataOffset():]
		if !tcp.IsChecksumValid(src, dst, checksum.Checksum(p, 0), uint16(len(p))) {
			t.Fatalf("segment %d of %d: TCP checksum", i, len(frames))
		}
		if tcp.SequenceNumber() != firstSeq+uint32(len(all)) {
			t.Fatalf("segment %d: sequence number %#x", i, tcp.SequenceNumber())
		}
		last := i == len(frames)-1
		want := flags
		if i > 0 {
			want &^= tcpCWR
		}
		if !last {
			want &^= tcpFIN | tcpPSH
		}
		if byte(tcp[13]) != want || len(p) > mss || !last && len(p) != mss {
			t.Fatalf("segment %d: flags %#x, want %#x; %d bytes of %d", i, tcp[13], want, len(p), mss)
		}
		all = append(all, p...)
	}
	return all
}

func TestSegmentation(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const flags = 0x18 | tcpFIN | tcpCWR
	for _, c := range []struct {
		name                string
		v6                  bool
		options, tcpOptions int
		payload, mss        int
		vid                 uint16
	}{
		{"full", false, 0, 12, 65000, 1448, 0},
		{"tagged", false, 0, 12, 65000, 1448, 9},
		{"IPv4 options", false, 40, 40, 40000, 1380, 0},
		{"smallest pieces", false, 0, 0, 20000, MinGSOSize, 0},
		{"exact multiple", false, 0, 0, 4344, 1448, 0},
		{"one segment", false, 0, 0, 100, 1448, 0},
		{"no payload", false, 0, 0, 0, 1448, 0},
		{"IPv6", true, 0, 12, 60000, 1428, 0},
		{"IPv6 tagged", true, 0, 12, 60000, 1428, 9},
		{"IPv6 destination options", true, 16, 20, 9999, 1000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			r.add(PortConfig{Name: "a", MAC: mac(1), VLAN: VLAN{ID: c.vid}})
			r.add(PortConfig{Name: "b", MAC: mac(2), VLAN: VLAN{Trunk: AllVLANs()}})
			payload := make([]byte, c.payload)
			for i := range payload {
				payload[i] = byte(rnd.Uint32())
			}
			f, o := tcpFrame(c.v6, c.options, c.tcpOptions, payload, flags)
			o.GSOSize, o.ECN = uint16(c.mss), true
			r.send["a"].Send([]Packet{{Data: cut(rnd, f), Offload: o}})
			got, offs := r.sinks["b"].take()
			if d := dropped(r.ports["a"]); d != "" {
				t.Fatal(d)
			}
			tag := 0
			if c.vid != 0 {
				tag = tagSize
				if tagOf(got[0]) != int(c.vid) {
					t.Fatalf("tag %d", tagOf(got[0]))
				}
			}
			if want := max(1, (c.payload+c.mss-1)/c.mss); len(got) != want || r.ports["b"].Stats().Segmented != uint64(want) {
				t.Fatalf("%d segments, want %d", len(got), want)
			}
			for _, o := range offs {
				if o != (Offload{}) {
					t.Fatalf("a finished segment asks for %+v", o)
				}
			}
			if p := checkSegments(t, got, c.v6, tag, c.mss, flags, 0xffffff00); !bytes.Equal(p, payload) {
				t.Error("the payload differs")
			}
			// The same frame passes whole to a port that takes it.
			if err := r.ports["b"].SetFeatures(Features{CSum: true, TSO4: true, TSO6: true, ECN: true}); err != nil {
				t.Fatal(err)
			}
			r.send["a"].Send([]Packet{{Data: cut(rnd, f), Offload: o}})
			got, offs = r.sinks["b"].take()
			if len(got) != 1 || !bytes.Equal(got[0][EthernetHeader+tag:], f[EthernetHeader:]) {
				t.Fatalf("%d frames instead of the whole one", len(got))
			}
			o.CSumStart += uint16(tag)
			o.HdrLen = uint16(len(f) - c.payload + tag)
			if offs[0] != o {
				t.Errorf("offload %+v, want %+v", offs[0], o)
			}
		})
	}
}
