package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// summary passes the go command's output on and keeps what it says of packages.
type summary struct {
	to             io.Writer
	line           []byte
	passed, failed []string
}

// Write implements io.Writer.
func (s *summary) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			s.line = append(s.line, rest...)
			break
		}
		s.note(string(append(s.line, rest[:i]...)))
		s.line, rest = s.line[:0], rest[i+1:]
	}
	return s.to.Write(b)
}

// note looks at a line: "ok", a tab, the package; or "FAIL" in the same way.
func (s *summary) note(line string) {
	word, rest, found := strings.Cut(line, "\t")
	pkg, _, _ := strings.Cut(rest, "\t")
	pkg, _, _ = strings.Cut(pkg, " ")
	switch {
	case !found:
	case strings.TrimSpace(word) == "ok":
		s.passed = append(s.passed, pkg)
	case word == "FAIL":
		s.failed = append(s.failed, pkg)
	}
}

// String is the last line of a run.
func (s *summary) String() string {
	text := fmt.Sprintf("ktest: %d packages passed in ring 0, %d failed", len(s.passed), len(s.failed))
	if len(s.failed) > 0 {
		text += ": " + strings.Join(s.failed, " ")
	}
	return text
}
