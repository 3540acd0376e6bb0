package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	memoryHead = 8 + 64
	growth     = 64 << 10 // memory is taken in such steps, as bytes arrive
)

// Record is one record of a stream. Its bytes are valid until the next call of Next.
type Record struct {
	Kind     Kind
	Name     string
	Offset   int64 // of the record
	Optional bool
	Data     []byte // KindSection

	// KindMemory.
	GPA   uint64
	Pages Pages
}

// Reader reads a stream.
type Reader struct {
	r       io.Reader
	h       Header
	n       int64
	records uint64
	sum     uint32
	seen    map[string]bool
	total   int
	next    uint64 // lowest address that the next memory record may have
	rounds  bool
	buf     []byte
	rec     Record
	err     error
	fixed   [recordSize + MaxName]byte
}

// NewReader reads the magic and the header, and no byte more.
func NewReader(r io.Reader) (*Reader, error) {
	s := &Reader{r: r, seen: map[string]bool{}}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// Header is the machine that the stream claims to hold. The caller decides whether
// it may be so before it reads on.
func (s *Reader) Header() *Header { return &s.h }

// AllowRounds lets memory records come in any order and more than once, as a
// migration sends them. The caller then bounds their number.
func (s *Reader) AllowRounds() { s.rounds = true }

func (s *Reader) begin() error {
	p := s.fixed[:prefixSize]
	if err := s.read(p); err != nil {
		if errors.Is(err, ErrTruncated) {
			err = ErrNotState
		}
		return s.fail("stream", 0, err)
	}
	if string(p[:len(magic)]) != magic {
		return s.fail("stream", 0, ErrNotState)
	}
	v := binary.LittleEndian.Uint16(p[len(magic):])
	if v == 0 || v > Version || p[len(magic)+2]|p[len(magic)+3] != 0 {
		return s.fail("stream", 0, fmt.Errorf("format version %d, newest known is %d: %w", v, Version, ErrVersion))
	}
	rec, err := s.Next()
	if err != nil {
		if err == io.EOF {
			err = s.fail("header", int64(prefixSize), ErrMissing)
		}
		return err
	}
	if rec.Kind != KindHeader {
		return s.fail("header", rec.Offset, ErrMissing)
	}
	if err := s.h.decode(rec.Data); err != nil {
		return s.fail("header", rec.Offset, err)
	}
	return nil
}

func (s *Reader) fail(section string, at int64, err error) error {
	if s.err == nil {
		s.err = &Error{section, at, err}
	}
	return s.err
}

// read fills p with bytes that the checksum of the end covers.
func (s *Reader) read(p []byte) error {
	err := s.body(p)
	s.sum = crc32.Update(s.sum, castagnoli, p)
	return err
}

// body fills p with a payload, or a part of one.
func (s *Reader) body(p []byte) error {
	n, err := io.ReadFull(s.r, p)
	s.n += int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = ErrTruncated
	}
	return err
}

// Next reads one record and checks it. After the end record it returns io.EOF: the
// stream is whole. Any other error is an *Error and final.
func (s *Reader) Next() (*Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	at, sum := s.n, s.sum
	h := s.fixed[:recordSize]
	if err := s.read(h); err != nil {
		return nil, s.fail("stream", at, err)
	}
	nameLen := int(binary.LittleEndian.Uint16(h[2:]))
	if nameLen > MaxName {
		return nil, s.fail("stream", at, fmt.Errorf("name of %d bytes: %w", nameLen, ErrMalformed))
	}
	name := s.fixed[recordSize : recordSize+nameLen]
	if err := s.read(name); err != nil {
		return nil, s.fail("stream", at, err)
	}
	if crc32.Update(crc32.Checksum(h[:12], castagnoli), castagnoli, name) != binary.LittleEndian.Uint32(h[12:]) {
		return nil, s.fail("stream", at, fmt.Errorf("record: %w", ErrChecksum))
	}
	r := &s.rec
	*r = Record{Kind: Kind(h[0]), Offset: at, Optional: h[1]&flagOptional != 0}
	length := binary.LittleEndian.Uint64(h[4:])
	if h[1]&^flagOptional != 0 || !validName(string(name)) {
		return nil, s.fail("stream", at, fmt.Errorf("flags %#x, name %q: %w", h[1], name, ErrMalformed))
	}
	r.Name = string(name)
	if err := s.admit(r, length); err != nil {
		return nil, s.fail(r.Name, at, err)
	}
	if err := s.payload(int(length)); err != nil {
		return nil, s.fail(r.Name, at, err)
	}
	if r.Kind == kindEnd {
		return nil, s.finish(at, sum)
	}
	s.records++
	if r.Kind == KindMemory {
		if err := s.memory(r); err != nil {
			return nil, s.fail(r.Name, at, err)
		}
		return r, nil
	}
	r.Data = s.buf
	return r, nil
}

// admit checks a record by its kind before its payload is read.
func (s *Reader) admit(r *Record, length uint64) error {
	limit := uint64(MaxSection)
	switch r.Kind {
	case KindHeader:
		limit = MaxHeader
		if s.records != 0 || r.Name != "header" {
			return fmt.Errorf("a second header: %w", ErrMalformed)
		}
	case KindSection:
		if s.seen[r.Name] {
			return fmt.Errorf("twice in one stream: %w", ErrMalformed)
		}
		if len(s.seen) >= MaxSections {
			return fmt.Errorf("more than %d sections: %w", MaxSections, ErrTooLarge)
		}
		s.seen[r.Name] = true
	case KindMemory:
		limit = memoryHead + FrameSize
		if length < memoryHead+PageSize || (length-memoryHead)%PageSize != 0 {
			return fmt.Errorf("%d bytes: %w", length, ErrMalformed)
		}
	case kindEnd:
		if limit = endSize; length != endSize {
			return fmt.Errorf("%d bytes: %w", length, ErrMalformed)
		}
	default:
		return fmt.Errorf("kind %d: %w", r.Kind, ErrUnknown)
	}
	if length > limit {
		return fmt.Errorf("%d bytes, at most %d are allowed: %w", length, limit, ErrTooLarge)
	}
	if r.Kind == KindSection {
		if s.total += int(length); s.total > MaxTotal {
			return fmt.Errorf("all sections have more than %d bytes: %w", MaxTotal, ErrTooLarge)
		}
	}
	return nil
}

// payload reads n bytes into s.buf and checks them. The buffer grows with what
// arrives.
func (s *Reader) payload(n int) error {
	s.buf = s.buf[:0]
	for len(s.buf) < n {
		have := len(s.buf)
		step := min(n-have, growth)
		if cap(s.buf)-have < step {
			grown := make([]byte, have, min(max(2*cap(s.buf), have+step), max(n, have+step)))
			copy(grown, s.buf)
			s.buf = grown
		}
		s.buf = s.buf[:have+step]
		if err := s.body(s.buf[have:]); err != nil {
			return err
		}
	}
	var w [4]byte
	if err := s.read(w[:]); err != nil {
		return err
	}
	if crc32.Checksum(s.buf, castagnoli) != binary.LittleEndian.Uint32(w[:]) {
		return ErrChecksum
	}
	return nil
}

// memory checks and unpacks a memory record.
func (s *Reader) memory(r *Record) error {
	r.GPA = binary.LittleEndian.Uint64(s.buf)
	for i := range r.Pages {
		r.Pages[i] = binary.LittleEndian.Uint64(s.buf[8+8*i:])
	}
	switch {
	case r.GPA%FrameSize != 0:
		return fmt.Errorf("address %#x: %w", r.GPA, ErrMalformed)
	case !s.h.holds(r.GPA):
		return fmt.Errorf("address %#x is not memory of this machine: %w", r.GPA, ErrMalformed)
	case !s.rounds && r.GPA < s.next:
		return fmt.Errorf("address %#x does not ascend: %w", r.GPA, ErrMalformed)
	case r.Pages.Count() != (len(s.buf)-memoryHead)/PageSize:
		return fmt.Errorf("%d pages in the bitmap, %d in the record: %w", r.Pages.Count(), (len(s.buf)-memoryHead)/PageSize, ErrMalformed)
	}
	s.next = r.GPA + FrameSize
	r.Data = s.buf[memoryHead:]
	return nil
}

// Each calls f with the address and the 4096 bytes of every page of a memory record.
func (r *Record) Each(f func(gpa uint64, page []byte) error) error {
	p := r.Data
	for i := range FrameSize / PageSize {
		if !r.Pages.Has(i) {
			continue
		}
		if err := f(r.GPA+uint64(i)*PageSize, p[:PageSize]); err != nil {
			return &Error{r.Name, r.Offset, err}
		}
		p = p[PageSize:]
	}
	return nil
}

// Unknown is for a section that the caller does not know: nil when it may be
// skipped.
func (r *Record) Unknown() error {
	if r.Optional {
		return nil
	}
	return &Error{r.Name, r.Offset, ErrUnknown}
}

// finish checks the end record against what came before it.
func (s *Reader) finish(at int64, sum uint32) error {
	p := s.buf
	switch {
	case binary.LittleEndian.Uint64(p) != s.records, binary.LittleEndian.Uint64(p[8:]) != uint64(at):
		return s.fail("end", at, fmt.Errorf("%d records and %d bytes are announced, %d and %d came: %w",
			binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:]), s.records, at, ErrMalformed))
	case binary.LittleEndian.Uint32(p[16:]) != sum:
		return s.fail("end", at, fmt.Errorf("of the whole: %w", ErrChecksum))
	}
	s.err = io.EOF
	return io.EOF
}
