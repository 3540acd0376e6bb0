package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

// Writer writes a stream: the header, sections and memory in any order, Close. The
// first error sticks and is returned by every later call.
type Writer struct {
	w       io.Writer
	n       int64 // bytes written
	records uint64
	sum     uint32
	err     error
	head    [recordSize + MaxName]byte
	word    [endSize]byte
}

// NewWriter writes the magic and the header.
func NewWriter(w io.Writer, h *Header) (*Writer, error) {
	s := &Writer{w: w}
	p := append([]byte(magic), Version, 0, 0, 0)
	s.write(p)
	b := h.encode()
	if err := new(Header).decode(b); err != nil {
		return nil, &Error{"header", s.n, err}
	}
	s.record(KindHeader, 0, "header", b)
	return s, s.err
}

// Bytes is how much was written so far.
func (s *Writer) Bytes() int64 { return s.n }

// write writes bytes that the checksum of the end covers. A payload is covered by its
// own, which is covered here: memory is summed once.
func (s *Writer) write(p []byte) {
	s.sum = crc32.Update(s.sum, castagnoli, p)
	s.body(p)
}

// body writes a payload, or a part of one.
func (s *Writer) body(p []byte) {
	if s.err != nil {
		return
	}
	n, err := s.w.Write(p)
	s.n += int64(n)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	s.err = err
}

func (s *Writer) begin(k Kind, flags uint8, name string, length uint64) {
	h := s.head[:recordSize+len(name)]
	h[0], h[1] = uint8(k), flags
	binary.LittleEndian.PutUint16(h[2:], uint16(len(name)))
	binary.LittleEndian.PutUint64(h[4:], length)
	copy(h[recordSize:], name)
	sum := crc32.Update(crc32.Checksum(h[:12], castagnoli), castagnoli, h[recordSize:])
	binary.LittleEndian.PutUint32(h[12:], sum)
	s.write(h)
}

func (s *Writer) end(sum uint32) {
	binary.LittleEndian.PutUint32(s.word[:], sum)
	s.write(s.word[:4])
	s.records++
}

func (s *Writer) record(k Kind, flags uint8, name string, p []byte) {
	s.begin(k, flags, name, uint64(len(p)))
	s.body(p)
	s.end(crc32.Checksum(p, castagnoli))
}

// Section writes a section. optional says that a reader that does not know it may
// go on without it. Names are unique in a stream.
func (s *Writer) Section(name string, optional bool, p []byte) error {
	switch {
	case s.err != nil:
		return s.err
	case !validName(name):
		return &Error{"stream", s.n, fmt.Errorf("name %q: %w", name, ErrMalformed)}
	case len(p) > MaxSection:
		return &Error{name, s.n, fmt.Errorf("%d bytes: %w", len(p), ErrTooLarge)}
	}
	flags := uint8(0)
	if optional {
		flags = flagOptional
	}
	s.record(KindSection, flags, name, p)
	return s.err
}

// Pages is a bitmap of the 4 KiB pages of one frame, the lowest address in bit 0 of
// word 0.
type Pages [FrameSize / PageSize / 64]uint64

// Count is the number of bits that are set.
func (p *Pages) Count() (n int) {
	for _, w := range p {
		n += bits.OnesCount64(w)
	}
	return n
}

// Has says whether page i is in it; Set puts it in.
func (p *Pages) Has(i int) bool { return p[i>>6]>>(i&63)&1 != 0 }

// Set puts page i in.
func (p *Pages) Set(i int) { p[i>>6] |= 1 << (i & 63) }

var zeroPage [PageSize]byte

// DropZero takes the pages of frame out that are all zero.
func (p *Pages) DropZero(frame []byte) {
	for i := range len(frame) / PageSize {
		if p.Has(i) && bytes.Equal(frame[i*PageSize:(i+1)*PageSize], zeroPage[:]) {
			p[i>>6] &^= 1 << (i & 63)
		}
	}
}

// Memory writes the given pages of the frame at gpa; frame has FrameSize bytes and
// does not change meanwhile. A frame without pages is not written at all.
func (s *Writer) Memory(gpa uint64, pages *Pages, frame []byte) error {
	n := pages.Count()
	if s.err != nil || n == 0 {
		return s.err
	}
	if gpa%FrameSize != 0 || len(frame) != FrameSize {
		return &Error{"memory", s.n, fmt.Errorf("frame at %#x of %d bytes: %w", gpa, len(frame), ErrMalformed)}
	}
	s.begin(KindMemory, 0, "memory", uint64(memoryHead+n*PageSize))
	var head [memoryHead]byte
	binary.LittleEndian.PutUint64(head[:], gpa)
	for i, w := range pages {
		binary.LittleEndian.PutUint64(head[8+8*i:], w)
	}
	s.body(head[:])
	sum := crc32.Checksum(head[:], castagnoli)
	for i := 0; i < FrameSize/PageSize; i++ {
		if !pages.Has(i) {
			continue
		}
		from := i
		for i+1 < FrameSize/PageSize && pages.Has(i+1) {
			i++
		}
		p := frame[from*PageSize : (i+1)*PageSize]
		s.body(p)
		sum = crc32.Update(sum, castagnoli, p)
	}
	s.end(sum)
	return s.err
}

// Close writes the end. The stream is good only if it returns nil.
func (s *Writer) Close() error {
	var p [endSize]byte
	binary.LittleEndian.PutUint64(p[0:], s.records)
	binary.LittleEndian.PutUint64(p[8:], uint64(s.n))
	binary.LittleEndian.PutUint32(p[16:], s.sum)
	s.record(kindEnd, 0, "end", p[:])
	return s.err
}
