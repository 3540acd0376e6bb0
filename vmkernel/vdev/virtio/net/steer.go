package net

import (
	"encoding/binary"
	"sync/atomic"
)

// steering remembers on which pair of queues a flow was sent last, and 1; 0 is
// never (5.1.6.5.6: what answers is to come on the same pair). Flows share entries:
// that costs speed at worst.
type steering [256]atomic.Uint32

// sent notes that a flow was sent on pair i.
func (s *steering) sent(head []byte, i int) {
	if e := &s[flow(head)%len(s)]; e.Load() != uint32(i+1) {
		e.Store(uint32(i + 1))
	}
}

// queue is the pair, below pairs, on which a frame is to be received.
func (s *steering) queue(head []byte, pairs int) int {
	f := flow(head)
	if v := int(s[f%len(s)].Load()); v > 0 && v <= pairs {
		return v - 1
	}
	return f % pairs
}

func (s *steering) clear() {
	for i := range s {
		s[i].Store(0)
	}
}

// flow is a number that all frames of one flow have, both ways.
func flow(h []byte) int {
	if len(h) < 18 {
		return 0
	}
	at := 12
	if binary.BigEndian.Uint16(h[at:]) == 0x8100 {
		at += 4
	}
	ip := h[at+2:]
	var x uint32
	switch t := binary.BigEndian.Uint16(h[at:]); {
	case t == 0x0800 && len(ip) >= 20:
		x = binary.BigEndian.Uint32(ip[12:]) ^ binary.BigEndian.Uint32(ip[16:])
		fragment := binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
		if n := int(ip[0]&15) * 4; (ip[9] == 6 || ip[9] == 17) && !fragment && len(ip) >= n+4 {
			x ^= uint32(binary.BigEndian.Uint16(ip[n:]) ^ binary.BigEndian.Uint16(ip[n+2:]))
		}
	case t == 0x86dd && len(ip) >= 40:
		for i := 8; i < 40; i += 4 {
			x ^= binary.BigEndian.Uint32(ip[i:])
		}
		if (ip[6] == 6 || ip[6] == 17) && len(ip) >= 44 {
			x ^= uint32(binary.BigEndian.Uint16(ip[40:]) ^ binary.BigEndian.Uint16(ip[42:]))
		}
	}
	return int(x * 0x9e3779b1 >> 16)
}
