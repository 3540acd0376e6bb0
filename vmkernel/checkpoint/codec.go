package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The errors of a section.
var (
	ErrShort   = errors.New("section too short")
	ErrLong    = errors.New("bytes after the last field")
	ErrVersion = errors.New("unknown version")
	ErrInvalid = errors.New("invalid value")
)

// Encoder writes one section.
type Encoder struct{ b []byte }

// NewEncoder starts a section of the given version.
func NewEncoder(version uint16) *Encoder {
	e := &Encoder{b: make([]byte, 0, 64)}
	e.U16(version)
	return e
}

// U8 adds a byte.
func (e *Encoder) U8(v uint8) { e.b = append(e.b, v) }

// U16 adds 2 bytes.
func (e *Encoder) U16(v uint16) { e.b = binary.LittleEndian.AppendUint16(e.b, v) }

// U32 adds 4 bytes.
func (e *Encoder) U32(v uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, v) }

// U64 adds 8 bytes.
func (e *Encoder) U64(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }

// I64 adds 8 bytes.
func (e *Encoder) I64(v int64) { e.U64(uint64(v)) }

// Bool adds a byte, 0 or 1.
func (e *Encoder) Bool(v bool) {
	if v {
		e.U8(1)
	} else {
		e.U8(0)
	}
}

// Fixed adds the bytes of v without a length: the reader knows it.
func (e *Encoder) Fixed(v []byte) { e.b = append(e.b, v...) }

// Var adds a 32-bit length and the bytes of v.
func (e *Encoder) Var(v []byte) {
	e.U32(uint32(len(v)))
	e.Fixed(v)
}

// Bytes is the finished section.
func (e *Encoder) Bytes() []byte { return e.b }

// Decoder reads one section. The first error sticks: later reads give zero, so
// a device reads everything, calls Done, and validates only then.
type Decoder struct {
	b       []byte
	version uint16
	err     error
}

// NewDecoder starts to read a section whose version must be 1 to newest.
func NewDecoder(b []byte, newest uint16) *Decoder {
	d := &Decoder{b: b}
	d.version = d.U16()
	if d.err == nil && (d.version == 0 || d.version > newest) {
		d.err = fmt.Errorf("version %d, newest known is %d: %w", d.version, newest, ErrVersion)
	}
	return d
}

// Version is the section's version.
func (d *Decoder) Version() uint16 { return d.version }

func (d *Decoder) take(n int) []byte {
	if d.err == nil && len(d.b) < n {
		d.err = ErrShort
	}
	if d.err != nil {
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// U8 reads a byte.
func (d *Decoder) U8() uint8 {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

// U16 reads 2 bytes.
func (d *Decoder) U16() uint16 {
	if v := d.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

// U32 reads 4 bytes.
func (d *Decoder) U32() uint32 {
	if v := d.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

// U64 reads 8 bytes.
func (d *Decoder) U64() uint64 {
	if v := d.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// I64 reads 8 bytes.
func (d *Decoder) I64() int64 { return int64(d.U64()) }

// Bool reads a byte that must be 0 or 1.
func (d *Decoder) Bool() bool {
	v := d.U8()
	if v > 1 {
		d.Fail("boolean")
	}
	return v == 1
}

// Fixed fills dst.
func (d *Decoder) Fixed(dst []byte) { copy(dst, d.take(len(dst))) }

// Var reads a length of at most limit and that many bytes, as a copy.
func (d *Decoder) Var(limit int) []byte {
	n := d.U32()
	if d.err == nil && uint64(n) > uint64(limit) {
		d.Fail("length")
	}
	if d.err != nil {
		return nil
	}
	return append([]byte(nil), d.take(int(n))...)
}

// Fail records that a field holds a value that the device cannot have.
func (d *Decoder) Fail(field string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %w", field, ErrInvalid)
	}
}

// Check is Fail unless ok.
func (d *Decoder) Check(ok bool, field string) {
	if !ok {
		d.Fail(field)
	}
}

// Done says whether the whole section was read and nothing was wrong. The
// device names itself, for the message.
func (d *Decoder) Done(device string) error {
	if d.err == nil && len(d.b) != 0 {
		d.err = ErrLong
	}
	if d.err != nil {
		return fmt.Errorf("%s: load state: %w", device, d.err)
	}
	return nil
}
