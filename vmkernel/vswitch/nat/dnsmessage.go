package nat

import (
	"encoding/binary"
	"errors"
)

// The DNS header and its flags, RFC 1035 section 4.1.1.
const (
	dnsHeader = 12
	dnsQR     = 0x8000
	dnsRD     = 0x0100
	dnsOpcode = 0x7800
	servFail  = 2

	maxDatagramQuery = 4096 // bytes of a query by UDP
)

var errDNS = errors.New("nat: malformed DNS message")

// question checks that a message is a query with one question and gives the bytes
// of the question.
func question(q []byte) ([]byte, error) {
	if len(q) < dnsHeader || binary.BigEndian.Uint16(q[2:])&dnsQR != 0 || binary.BigEndian.Uint16(q[4:]) != 1 {
		return nil, errDNS
	}
	return firstQuestion(q)
}

// firstQuestion is the name, type and class after the header. A name in a question
// is not compressed.
func firstQuestion(m []byte) ([]byte, error) {
	p, size := dnsHeader, 0
	for {
		if p >= len(m) {
			return nil, errDNS
		}
		l := int(m[p])
		p++
		if l == 0 {
			break
		}
		p += l
		if size += l + 1; l > 63 || size > 254 {
			return nil, errDNS
		}
	}
	if p+4 > len(m) {
		return nil, errDNS
	}
	return m[dnsHeader : p+4], nil
}

// answers says whether r is a reply to the query q: same identifier and, but for a
// refusal that leaves it out, same question.
func answers(q, r []byte) bool {
	if len(r) < dnsHeader || binary.BigEndian.Uint16(r) != binary.BigEndian.Uint16(q) {
		return false
	}
	flags := binary.BigEndian.Uint16(r[2:])
	if flags&dnsQR == 0 || flags&dnsOpcode != binary.BigEndian.Uint16(q[2:])&dnsOpcode {
		return false
	}
	switch binary.BigEndian.Uint16(r[4:]) {
	case 0:
		return flags&15 != 0
	case 1:
	default:
		return false
	}
	want, err := question(q)
	if err != nil {
		return false
	}
	have, err := firstQuestion(r)
	return err == nil && sameQuestion(want, have)
}

// sameQuestion compares without regard to the case of letters (RFC 4343). Length
// bytes are below 64 and are not touched by that.
func sameQuestion(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	n := len(a) - 4
	for i := range a {
		x, y := a[i], b[i]
		if i < n {
			x, y = lower(x), lower(y)
		}
		if x != y {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// failure is the reply that says that no server could answer.
func failure(q []byte) []byte {
	n := dnsHeader
	if qs, err := question(q); err == nil {
		n += len(qs)
	}
	r := append([]byte(nil), q[:n]...)
	flags := binary.BigEndian.Uint16(q[2:])
	binary.BigEndian.PutUint16(r[2:], dnsQR|flags&(dnsOpcode|dnsRD)|servFail)
	if n == dnsHeader {
		binary.BigEndian.PutUint16(r[4:], 0)
	}
	clear(r[6:12])
	return r
}
