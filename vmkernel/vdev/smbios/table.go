package smbios

import "encoding/binary"

var le = binary.LittleEndian

// Structure types.
const (
	typeBIOS        = 0
	typeSystem      = 1
	typeEnclosure   = 3
	typeProcessor   = 4
	typeMemoryArray = 16
	typeMemory      = 17
	typeMapped      = 19
	typeBoot        = 32
	typeEnd         = 127
)

// maxText is how much of a string is kept, in bytes.
const maxText = 64

// structure is one structure under construction; its header is filled in by table.
type structure struct {
	kind    byte
	body    []byte // behind the header
	strings []byte
	count   byte
}

// text adds a string and its number; 0 is none.
func (s *structure) text(t string) {
	t = printable(t)
	if t == "" {
		s.u8(0)
		return
	}
	s.strings = append(append(s.strings, t...), 0)
	s.count++
	s.u8(s.count)
}

func (s *structure) u8(v ...byte) { s.body = append(s.body, v...) }
func (s *structure) u16(v uint16) { s.body = le.AppendUint16(s.body, v) }
func (s *structure) u32(v uint32) { s.body = le.AppendUint32(s.body, v) }
func (s *structure) u64(v uint64) { s.body = le.AppendUint64(s.body, v) }

// printable keeps what a string may have, at most maxText bytes.
func printable(t string) string {
	var out []byte
	for i := 0; i < len(t) && len(out) < maxText; i++ {
		if c := t[i]; c >= ' ' && c < 0x7F {
			out = append(out, c)
		}
	}
	return string(out)
}

// handle of the only structure of a kind, for references.
func handle(kind byte) uint16 { return uint16(kind) << 8 }

// join puts the structures one after another, with a handle each (6.1.2).
func join(list []structure) []byte {
	var out []byte
	var seen [256]uint16
	for _, s := range list {
		out = append(out, s.kind, byte(4+len(s.body)))
		out = le.AppendUint16(out, handle(s.kind)+seen[s.kind])
		seen[s.kind]++
		out = append(out, s.body...)
		out = append(out, s.strings...)
		if s.count == 0 {
			out = append(out, 0)
		}
		out = append(out, 0)
	}
	return out
}

// EntrySize is the size of the entry point in bytes.
const EntrySize = 24

// entry is 5.2.2.
func entry(table uint64, size int) []byte {
	e := append([]byte("_SM3_"), 0, EntrySize, 3, 4, 0, 1, 0)
	e = le.AppendUint32(e, uint32(size))
	e = le.AppendUint64(e, table)
	sum := byte(0)
	for _, v := range e {
		sum += v
	}
	e[5] = -sum
	return e
}
