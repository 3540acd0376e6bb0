package asm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrLabel is wrapped by Link when a label is missing or was set twice.
var ErrLabel = errors.New("asm: bad label")

// Code is a program being built. The zero value is not usable; see New.
type Code struct {
	base   uint64 // address of buf[0]
	mode   int    // 32 or 64
	buf    []byte
	labels map[string]int
	fixups []fixup
	lines  []Line
	err    error
}

// Line is one instruction or data item of the listing.
type Line struct {
	Off, Len int
	Mode     int // 32 or 64; 0 means data
	Label    string
	Comment  string
}

type fixKind uint8

const (
	fixRel32 fixKind = iota // from the end of the field plus after
	fixAbs32                // base + label, 4 bytes
	fixAbs64                // base + label, 8 bytes
)

type fixup struct {
	off   int // of the field
	kind  fixKind
	label string
	after int // bytes of the instruction behind the field
}

// New starts a program that will run at address base, in mode 32 or 64.
func New(base uint64, mode int) *Code {
	return &Code{base: base, mode: mode, labels: map[string]int{}}
}

// SetMode says in which mode (32 or 64) the processor runs what follows.
func (c *Code) SetMode(mode int) { c.mode = mode }

// Len is the number of bytes so far.
func (c *Code) Len() int { return len(c.buf) }

// Label names the current position.
func (c *Code) Label(name string) {
	if _, dup := c.labels[name]; dup {
		c.fail(fmt.Errorf("%w: %q set twice", ErrLabel, name))
	}
	c.labels[name] = len(c.buf)
	c.lines = append(c.lines, Line{Off: len(c.buf), Label: name})
}

// Offset gives a label's distance from the start of the program.
func (c *Code) Offset(name string) (int, bool) { o, ok := c.labels[name]; return o, ok }

// Align pads with zero bytes to a multiple of n.
func (c *Code) Align(n int) {
	for len(c.buf)%n != 0 {
		c.buf = append(c.buf, 0)
	}
}

// PadTo pads with zero bytes up to offset off; being past it is an error.
func (c *Code) PadTo(off int) {
	if len(c.buf) > off {
		c.fail(fmt.Errorf("asm: %#x bytes do not fit below offset %#x", len(c.buf), off))
		return
	}
	c.buf = append(c.buf, make([]byte, off-len(c.buf))...)
}

// Data places bytes that are not instructions.
func (c *Code) Data(comment string, b ...byte) {
	c.lines = append(c.lines, Line{Off: len(c.buf), Len: len(b), Comment: comment})
	c.buf = append(c.buf, b...)
}

// Data32 and Data64 place little-endian numbers.
func (c *Code) Data32(comment string, v ...uint32) {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	c.Data(comment, b...)
}

// Data64 is Data32 for 64-bit numbers.
func (c *Code) Data64(comment string, v ...uint64) {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	c.Data(comment, b...)
}

// Addr64 places the 64-bit address of a label.
func (c *Code) Addr64(comment, label string) {
	c.fix(fixAbs64, label, 0)
	c.Data(comment, make([]byte, 8)...)
}

// Addr32 places the 32-bit address of a label.
func (c *Code) Addr32(comment, label string) {
	c.fix(fixAbs32, label, 0)
	c.Data(comment, make([]byte, 4)...)
}

// Raw places one instruction given as bytes.
func (c *Code) Raw(comment string, b ...byte) {
	c.lines = append(c.lines, Line{Off: len(c.buf), Len: len(b), Mode: c.mode, Comment: comment})
	c.buf = append(c.buf, b...)
}

// fix notes that the field at the current position plus the bytes already
// passed to the caller's instruction refers to label.
func (c *Code) fix(k fixKind, label string, ahead int) {
	c.fixups = append(c.fixups, fixup{off: len(c.buf) + ahead, kind: k, label: label})
}

func (c *Code) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Link resolves the labels and gives the bytes.
func (c *Code) Link() ([]byte, error) {
	for _, f := range c.fixups {
		pos, ok := c.labels[f.label]
		if !ok {
			c.fail(fmt.Errorf("%w: %q is not set", ErrLabel, f.label))
			continue
		}
		at := c.buf[f.off:]
		switch f.kind {
		case fixRel32:
			binary.LittleEndian.PutUint32(at, uint32(int32(pos-(f.off+4+f.after))))
		case fixAbs32:
			a := c.base + uint64(pos)
			if a > 0xffffffff {
				c.fail(fmt.Errorf("%w: %q at %#x needs 64 bits", ErrLabel, f.label, a))
			}
			binary.LittleEndian.PutUint32(at, uint32(a))
		case fixAbs64:
			binary.LittleEndian.PutUint64(at, c.base+uint64(pos))
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return append([]byte(nil), c.buf...), nil
}

// Lines gives the listing's items in order.
func (c *Code) Lines() []Line { return append([]Line(nil), c.lines...) }
