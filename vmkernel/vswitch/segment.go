package vswitch

import "encoding/binary"

const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpCWR = 0x80
)

// segmenter cuts one big TCP frame (RFC 9293 segments with the headers of the
// original). It must be a frame that checkOffload accepted, tagged or not.
type segmenter struct {
	f      Frame
	net    int    // offset of the IP header
	start  int    // offset of the TCP header
	hdr    int    // length of all headers
	mss    int    // payload bytes of a segment
	left   int    // payload bytes to come
	seq    uint32 // of the next segment
	id     uint16 // IPv4 identification of the next segment
	first  bool
	payl   []byte // payload bytes in the head
	body   [][]byte
	bodyAt int // in body[0]
}

// begin starts on a frame; tag is the size of its tag.
func (s *segmenter) begin(f *Frame, tag int) {
	*s = segmenter{
		f: *f, net: EthernetHeader + tag, start: int(f.CSumStart), hdr: int(f.HdrLen), mss: int(f.GSOSize),
		left: f.Size - int(f.HdrLen), first: true, body: f.Body, payl: f.Head[f.HdrLen:],
	}
	s.seq = binary.BigEndian.Uint32(f.Head[s.start+4:])
	if f.GSO == GSOTCP4 {
		s.id = binary.BigEndian.Uint16(f.Head[s.net+4:])
	}
}

// more says whether there is another segment. A frame without payload is one.
func (s *segmenter) more() bool { return s.first || s.left > 0 }

// next makes the next segment: its headers in room, which must have hdr bytes, its
// payload as further pieces appended to pieces, which is returned too.
func (s *segmenter) next(room []byte, pieces [][]byte) (Frame, [][]byte) {
	n := min(s.mss, s.left)
	s.left -= n
	h := room[:s.hdr]
	copy(h, s.f.Head)
	at := len(pieces)
	pieces = s.take(n, pieces)
	seg := Frame{Head: h, Body: pieces[at:len(pieces):len(pieces)], Size: s.hdr + n}

	ip, tcp := h[s.net:s.start], h[s.start:]
	flags := tcp[13]
	if s.left > 0 {
		flags &^= tcpFIN | tcpPSH
	}
	if !s.first {
		flags &^= tcpCWR
	}
	tcp[13] = flags
	binary.BigEndian.PutUint32(tcp[4:], s.seq)
	binary.BigEndian.PutUint16(tcp[16:], 0)

	var c sum
	l4 := len(tcp) + n
	if s.f.GSO == GSOTCP4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+l4))
		binary.BigEndian.PutUint16(ip[4:], s.id)
		binary.BigEndian.PutUint16(ip[10:], 0)
		var i sum
		i.add(ip)
		binary.BigEndian.PutUint16(ip[10:], ^i.value())
		c.add(ip[12:20])
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipv6Header+l4))
		c.add(ip[8:40])
	}
	c.v += uint64(protoTCP) + uint64(l4)
	c.add(tcp)
	for _, b := range seg.Body {
		c.add(b)
	}
	binary.BigEndian.PutUint16(tcp[16:], ^c.value())

	s.seq += uint32(n)
	s.id++
	s.first = false
	return seg, pieces
}

// take appends the next n payload bytes as pieces.
func (s *segmenter) take(n int, pieces [][]byte) [][]byte {
	if k := min(n, len(s.payl)); k > 0 {
		pieces = append(pieces, s.payl[:k])
		s.payl = s.payl[k:]
		n -= k
	}
	for n > 0 && len(s.body) > 0 {
		b := s.body[0][s.bodyAt:]
		k := min(n, len(b))
		if k > 0 {
			pieces = append(pieces, b[:k])
		}
		n -= k
		s.bodyAt += k
		if s.bodyAt == len(s.body[0]) {
			s.body, s.bodyAt = s.body[1:], 0
		}
	}
	return pieces
}
