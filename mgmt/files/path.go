package files

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a path.
const (
	MaxPath  = 255 // bytes
	MaxDepth = 16  // segments
)

// ErrPath is what every refused path wraps.
var ErrPath = errors.New("not a valid path")

// CheckPath accepts relative paths whose segments consist of ASCII letters,
// digits and ". _ - + @ = ~", are not empty, and are neither "." nor "..".
func CheckPath(p string) error {
	if p == "" {
		return fmt.Errorf("%w: it is empty", ErrPath)
	}
	if len(p) > MaxPath {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrPath, len(p), MaxPath)
	}
	depth := 0
	for seg := range strings.SplitSeq(p, "/") {
		depth++
		if seg == "" {
			return fmt.Errorf("%w: %q begins or ends with '/' or has an empty part", ErrPath, p)
		}
		if seg == "." || seg == ".." {
			return fmt.Errorf("%w: %q has the part %q", ErrPath, p, seg)
		}
		for _, c := range []byte(seg) {
			if !pathByte(c) {
				return fmt.Errorf("%w: %q has the character %q; allowed are A-Z a-z 0-9 . _ - + @ = ~ and /", ErrPath, p, c)
			}
		}
	}
	if depth > MaxDepth {
		return fmt.Errorf("%w: %d levels, at most %d are allowed", ErrPath, depth, MaxDepth)
	}
	return nil
}

func pathByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("._-+@=~", c) >= 0
}
