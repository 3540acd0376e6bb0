package main

import (
	"encoding/binary"

	"basalt/drivers/netio"
	"basalt/vmkernel/vswitch"
)

// peer is the address of the port that answers.
var peer = vswitch.MAC{0x52, 0x54, 0, 0, 0, 2}

// answer gives every ARP request and every ICMP echo request back to its sender as the
// reply, as a host's kernel does: what is behind the switch should cost little, for the
// benchmark is of the way there.
func answer(l netio.Link) {
	bufs, sizes := make([][]byte, l.BatchSize()), make([]int, l.BatchSize())
	for i := range bufs {
		bufs[i] = make([]byte, netio.MaxFrame)
	}
	out := make([][]byte, 0, len(bufs))
	for {
		n, err := l.Receive(bufs, sizes)
		if err != nil {
			return
		}
		out = out[:0]
		for i, b := range bufs[:n] {
			if b = b[:sizes[i]]; reply(b) {
				out = append(out, b)
			}
		}
		if _, err := l.Send(out); err != nil {
			return
		}
	}
}

// Offsets in an Ethernet frame (RFC 826, 791, 792).
const (
	frameType               = 12
	arpOp, arpFrom, arpTo   = 20, 22, 32
	ipHeader, ipFrom        = 14, 26
	icmpType, icmpSum, most = 34, 36, 42
)

// reply turns a request into its reply.
func reply(b []byte) bool {
	if len(b) < most {
		return false
	}
	be := binary.BigEndian
	switch {
	case be.Uint16(b[frameType:]) == 0x0806 && be.Uint16(b[arpOp:]) == 1:
		var target [4]byte
		copy(target[:], b[arpTo+6:])
		copy(b[arpTo:], b[arpFrom:arpFrom+10])
		copy(b[arpFrom:], peer[:])
		copy(b[arpFrom+6:], target[:])
		b[arpOp+1] = 2
	case be.Uint16(b[frameType:]) == 0x0800 && b[ipHeader] == 0x45 && b[ipHeader+9] == 1 && b[icmpType] == 8:
		a, c := be.Uint32(b[ipFrom:]), be.Uint32(b[ipFrom+4:])
		be.PutUint32(b[ipFrom:], c)
		be.PutUint32(b[ipFrom+4:], a)
		b[icmpType] = 0
		sum := uint32(be.Uint16(b[icmpSum:])) + 0x0800 // RFC 1624: type 8 is type 0
		be.PutUint16(b[icmpSum:], uint16(sum+sum>>16))
	default:
		return false
	}
	copy(b, b[6:12])
	copy(b[6:], peer[:])
	return true
}
