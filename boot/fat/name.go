package fat

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// checkName refuses what neither a short nor a long name can hold.
func checkName(n string) error {
	if n == "" || n == "." || n == ".." || len(n) > 255 || strings.HasSuffix(n, ".") || strings.HasSuffix(n, " ") {
		return fmt.Errorf("%w: %q", ErrName, n)
	}
	for _, c := range []byte(n) {
		if c < 0x20 || c > 0x7e || strings.IndexByte(`"*/:<>?\|`, c) >= 0 {
			return fmt.Errorf("%w: %q", ErrName, n)
		}
	}
	return nil
}

// pad11 is the field of a short name for text without an extension.
func pad11(s string) string { return (s + "           ")[:11] }

// nameEntries gives the directory entries of a name: the long name's pieces if
// the short name is not the same, then the short entry. used holds the short
// names of the directory.
func nameEntries(name string, used map[string]bool, attr byte, first, size int) []byte {
	short, exact := shortName(name, used)
	used[short] = true
	var out []byte
	if !exact {
		out = longEntries(name, short)
	}
	return append(out, shortEntry(short, attr, first, size)...)
}

// shortName makes the 8.3 form (11 bytes, no dot) and says if it is the name.
func shortName(name string, used map[string]bool) (short string, exact bool) {
	base, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		base, ext = name[:i], name[i+1:]
	}
	clean := func(s string, n int) string {
		var b strings.Builder
		for _, c := range []byte(strings.ToUpper(s)) {
			switch {
			case c == ' ' || c == '.':
				continue
			case strings.IndexByte("+,;=[]", c) >= 0:
				c = '_'
			}
			if b.Len() < n {
				b.WriteByte(c)
			}
		}
		return b.String()
	}
	b, e := clean(base, 8), clean(ext, 3)
	full := b
	if e != "" {
		full += "." + e
	}
	field := (b + "        ")[:8] + (e + "   ")[:3]
	if full == name && !used[field] {
		return field, true
	}
	for i := 1; ; i++ {
		tail := fmt.Sprintf("~%d", i)
		field = (clean(base, 8-len(tail)) + tail + "        ")[:8] + (e + "   ")[:3]
		if !used[field] {
			return field, false
		}
	}
}

// longEntries gives the pieces of a long name, the last piece first (section 7).
func longEntries(name, short string) []byte {
	var sum byte
	for _, c := range []byte(short) {
		sum = sum>>1 | sum<<7
		sum += c
	}
	pieces := (len(name) + 12) / 13
	var out []byte
	for p := pieces; p >= 1; p-- {
		e := make([]byte, entrySize)
		e[0] = byte(p)
		if p == pieces {
			e[0] |= 0x40
		}
		e[11], e[13] = 0x0f, sum
		for i := range 13 {
			at := 1 + 2*i
			switch {
			case i >= 11:
				at = 28 + 2*(i-11)
			case i >= 5:
				at = 14 + 2*(i-5)
			}
			c := uint16(0xffff)
			if pos := (p-1)*13 + i; pos < len(name) {
				c = uint16(name[pos])
			} else if pos == len(name) {
				c = 0
			}
			binary.LittleEndian.PutUint16(e[at:], c)
		}
		out = append(out, e...)
	}
	return out
}

// shortEntry encodes a directory entry (section 6).
func shortEntry(field string, attr byte, first, size int) []byte {
	e := make([]byte, entrySize)
	copy(e, field)
	e[11] = attr
	binary.LittleEndian.PutUint16(e[16:], dosDate)
	binary.LittleEndian.PutUint16(e[18:], dosDate)
	binary.LittleEndian.PutUint16(e[24:], dosDate)
	binary.LittleEndian.PutUint16(e[26:], uint16(first))
	binary.LittleEndian.PutUint32(e[28:], uint32(size))
	return e
}
