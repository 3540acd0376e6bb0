package acpitables

import "encoding/binary"

// aml is a piece of ACPI Machine Language (chapter 20). Pieces nest.
type aml []byte

// Opcodes.
const (
	opZero     = 0x00
	opOne      = 0x01
	opName     = 0x08
	opByte     = 0x0A
	opWord     = 0x0B
	opDWord    = 0x0C
	opString   = 0x0D
	opQWord    = 0x0E
	opScope    = 0x10
	opBuffer   = 0x11
	opPackage  = 0x12
	opExt      = 0x5B
	opDevice   = 0x82 // after opExt
	prefixDual = 0x2E
	prefixRoot = '\\'
)

func join(parts ...aml) aml {
	var out aml
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// pkgLength puts the length of body and of itself in front (20.2.4).
func pkgLength(body aml) aml {
	n := len(body)
	switch {
	case n+1 < 1<<6:
		return append(aml{byte(n + 1)}, body...)
	case n+2 < 1<<12:
		n += 2
		return append(aml{1<<6 | byte(n&15), byte(n >> 4)}, body...)
	case n+3 < 1<<20:
		n += 3
		return append(aml{2<<6 | byte(n&15), byte(n >> 4), byte(n >> 12)}, body...)
	}
	n += 4
	return append(aml{3<<6 | byte(n&15), byte(n >> 4), byte(n >> 12), byte(n >> 20)}, body...)
}

// segment is one name of up to four characters, padded with underscores (20.2.2).
func segment(s string) aml {
	out := aml("____")
	copy(out, s)
	return out
}

// path is a name with dots and an optional leading backslash; at most two segments.
func path(s string) aml {
	var out aml
	if s != "" && s[0] == prefixRoot {
		out, s = append(out, prefixRoot), s[1:]
	}
	for i := range s {
		if s[i] == '.' {
			return append(append(append(out, prefixDual), segment(s[:i])...), segment(s[i+1:])...)
		}
	}
	return append(out, segment(s)...)
}

// integer takes the shortest form (20.2.3).
func integer(v uint64) aml {
	switch {
	case v == 0:
		return aml{opZero}
	case v == 1:
		return aml{opOne}
	case v < 1<<8:
		return aml{opByte, byte(v)}
	case v < 1<<16:
		return binary.LittleEndian.AppendUint16(aml{opWord}, uint16(v))
	case v < 1<<32:
		return binary.LittleEndian.AppendUint32(aml{opDWord}, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(aml{opQWord}, v)
}

func str(s string) aml { return append(append(aml{opString}, s...), 0) }

func buffer(b []byte) aml {
	return append(aml{opBuffer}, pkgLength(append(integer(uint64(len(b))), b...))...)
}

func pkg(items ...aml) aml {
	return append(aml{opPackage}, pkgLength(append(aml{byte(len(items))}, join(items...)...))...)
}

// name is Name(n, value).
func name(n string, value aml) aml { return join(aml{opName}, path(n), value) }

// scope is Scope(n) { ... }.
func scope(n string, body ...aml) aml {
	return append(aml{opScope}, pkgLength(append(path(n), join(body...)...))...)
}

// device is Device(n) { ... }.
func device(n string, body ...aml) aml {
	return append(aml{opExt, opDevice}, pkgLength(append(path(n), join(body...)...))...)
}

// eisaID is the compressed form of an ID such as PNP0501 (19.3.4).
func eisaID(s string) aml {
	hex := func(c byte) uint32 {
		if c >= 'A' {
			return uint32(c-'A') + 10
		}
		return uint32(c - '0')
	}
	v := uint32(s[0]-0x40)&31<<26 | uint32(s[1]-0x40)&31<<21 | uint32(s[2]-0x40)&31<<16 |
		hex(s[3])<<12 | hex(s[4])<<8 | hex(s[5])<<4 | hex(s[6])
	return binary.BigEndian.AppendUint32(aml{opDWord}, v)
}
