package vswitch

import (
	"encoding/binary"
	"math/bits"
)

// sum is a running Internet checksum (RFC 1071) over pieces of any length.
type sum struct {
	v   uint64
	odd bool // an odd number of bytes so far
}

// add sums b in. Eight bytes at a time: the one's complement sum does not depend
// on the width, nor, up to a byte swap, on the byte order.
func (s *sum) add(b []byte) {
	if len(b) == 0 {
		return
	}
	var v, c uint64
	n := len(b)
	for len(b) >= 8 {
		v, c = bits.Add64(v, binary.BigEndian.Uint64(b), c)
		b = b[8:]
	}
	v, c = bits.Add64(v, c, 0)
	v += c
	w := uint64(fold(v))
	for len(b) >= 2 {
		w += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		w += uint64(b[0]) << 8
	}
	f := fold(w)
	if s.odd {
		f = bits.ReverseBytes16(f)
	}
	s.v += uint64(f)
	s.odd = s.odd != (n%2 == 1)
}

// value is the folded sum, not complemented.
func (s *sum) value() uint16 { return fold(s.v) }

func fold(v uint64) uint16 {
	v = v>>32 + v&0xffffffff
	v = v>>32 + v&0xffffffff
	v = v>>16 + v&0xffff
	v = v>>16 + v&0xffff
	v = v>>16 + v&0xffff
	return uint16(v)
}

// finish sums the frame from start and stores the checksum in its head, where
// checkOffload has seen that the field is.
func finish(f *Frame) {
	var s sum
	s.add(f.Head[f.CSumStart:])
	for _, b := range f.Body {
		s.add(b)
	}
	v := ^s.value()
	if v == 0 { // no checksum, in UDP
		v = 0xffff
	}
	binary.BigEndian.PutUint16(f.Head[f.CSumStart+f.CSumOffset:], v)
	f.Offload = Offload{}
}
