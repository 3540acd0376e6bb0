package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is the newest version of the container.
const Version = 1

const magic = "\x89Basalt\n"

// Kind is what a record carries.
type Kind uint8

// The kinds.
const (
	KindHeader  Kind = 1
	KindSection Kind = 2
	KindMemory  Kind = 3
	kindEnd     Kind = 255
)

// Limits of what a stream may hold, in bytes or pieces.
const (
	MaxHeader   = 128 << 10 // the header's payload
	MaxSection  = 17 << 20  // one section; the longest is that of a balloon (virtio)
	MaxSections = 4096      // sections of one stream
	MaxTotal    = 64 << 20  // all sections together
	MaxName     = 64
)

const (
	flagOptional = 1 << 0
	prefixSize   = len(magic) + 4
	recordSize   = 16 // of a record's fixed part
	endSize      = 20
)

// The errors of a stream; each comes in an *Error that says where.
var (
	ErrNotState  = errors.New("not a saved machine")
	ErrTruncated = errors.New("ends too early")
	ErrChecksum  = errors.New("checksum is wrong")
	ErrMalformed = errors.New("malformed")
	ErrTooLarge  = errors.New("too large")
	ErrUnknown   = errors.New("unknown and not optional")
	ErrMissing   = errors.New("missing")
)

// Error says which section of a stream is wrong and where.
type Error struct {
	Section string // its name; "stream" outside of one
	Offset  int64  // of the section's record, in bytes from the start
	Err     error
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("saved state: %s at offset %d: %v", e.Section, e.Offset, e.Err)
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// validName says whether a record may be called that.
func validName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' && c != '/' {
			return false
		}
	}
	return true
}
