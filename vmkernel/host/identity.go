package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// errUUID says what a UUID looks like.
var errUUID = errors.New("a UUID is 32 hexadecimal digits with dashes, such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8")

// ParseUUID reads the text form of RFC 9562, 4; the bytes are in the order in which
// they are written. All zeros and all ones, which SMBIOS gives a meaning of their own
// (DSP0134 3.4.0, 7.2.1), are refused.
func ParseUUID(s string) (u [16]byte, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, errUUID
	}
	b, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil {
		return u, errUUID
	}
	copy(u[:], b)
	ones := u
	for i := range ones {
		ones[i] ^= 0xFF
	}
	if u == ([16]byte{}) || ones == ([16]byte{}) {
		return [16]byte{}, errUUID
	}
	return u, nil
}

// FormatUUID is the way back.
func FormatUUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// SystemUUID is the UUID that the guest sees in SMBIOS: Config.UUID, or, if that is
// empty, one that follows from ID (a version 8 UUID of RFC 9562), so that it is the
// same at every start.
func (c *Config) SystemUUID() [16]byte {
	if u, err := ParseUUID(c.UUID); err == nil {
		return u
	}
	h := sha256.Sum256([]byte("basalt virtual machine\x00" + c.ID))
	u := [16]byte(h[:16])
	u[6] = u[6]&0x0F | 0x80
	u[8] = u[8]&0x3F | 0x80
	return u
}
