package vmx

import "strconv"

// Field is the encoding of one VMCS component (SDM Vol. 3C, 25.11.2 and
// Appendix B): access type in bit 0, index in 9:1, kind in 11:10, width in 14:13.
type Field uint32

// Width is the size class of a field.
type Width uint8

// The widths, with the values of bits 14:13 of an encoding.
const (
	Width16      Width = 0
	Width64      Width = 1
	Width32      Width = 2
	WidthNatural Width = 3
)

// FieldKind is the area of the VMCS that holds a field.
type FieldKind uint8

// The kinds, with the values of bits 11:10 of an encoding.
const (
	ControlField  FieldKind = 0
	ReadOnlyField FieldKind = 1
	GuestField    FieldKind = 2
	HostField     FieldKind = 3
)

// Width says how wide the field is.
func (f Field) Width() Width { return Width(f >> 13 & 3) }

// Kind says which area holds the field.
func (f Field) Kind() FieldKind { return FieldKind(f >> 10 & 3) }

// Index is the field's number among those of its width and kind.
func (f Field) Index() int { return int(f >> 1 & 0x1ff) }

// Bits is the number of bits that a write to the field can keep.
func (f Field) Bits() int {
	switch f.Width() {
	case Width16:
		return 16
	case Width32:
		return 32
	}
	return 64
}

// String is the field's name in lower case with the manual's words, or its
// encoding when this package does not know it.
func (f Field) String() string {
	lo, hi := 0, len(fieldNames)
	for lo < hi {
		mid := (lo + hi) / 2
		if fieldNames[mid].field < f {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(fieldNames) && fieldNames[lo].field == f {
		return fieldNames[lo].name
	}
	return "field " + strconv.FormatUint(uint64(f), 16) + "h"
}

// SegmentFields are the four fields of one guest segment register.
type SegmentFields struct {
	Selector, Base, Limit, Access Field
}

// The guest's segment registers in the manual's order.
const (
	SegES = iota
	SegCS
	SegSS
	SegDS
	SegFS
	SegGS
	SegLDTR
	SegTR
	NumSegments
)

// GuestSegment gives the fields of guest segment i (SegES to SegTR): the
// encodings of each family are two apart (Appendix B).
func GuestSegment(i int) SegmentFields {
	d := Field(2 * i)
	return SegmentFields{
		Selector: GUEST_ES_SELECTOR + d,
		Base:     GUEST_ES_BASE + d,
		Limit:    GUEST_ES_LIMIT + d,
		Access:   GUEST_ES_ACCESS_RIGHTS + d,
	}
}

// SegmentNames are for messages, indexed by SegES to SegTR.
var SegmentNames = [NumSegments]string{"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"}

// Fields are all fields that this package knows, in rising order.
func Fields() []Field {
	out := make([]Field, len(fieldNames))
	for i := range fieldNames {
		out[i] = fieldNames[i].field
	}
	return out
}
