package config

import (
	"bytes"
	"fmt"
	"strings"
)

// MaxFile is the largest basalt.conf, in bytes; more is cut off with a warning.
const MaxFile = 64 << 10

const (
	maxWarnings = 50
	maxShown    = 40 // characters of a foreign key in a warning
)

// Parse reads the settings file and then the command line. Both may be empty.
func Parse(file, cmdline []byte) *Settings {
	p := parser{s: Default()}
	p.file(file)
	p.cmdline(cmdline)
	return &p.s
}

type parser struct {
	s    Settings
	more int // warnings that were left out
}

func (p *parser) warn(format string, args ...any) {
	switch {
	case len(p.s.Warnings) < maxWarnings:
		p.s.Warnings = append(p.s.Warnings, fmt.Sprintf(format, args...))
	default:
		p.more++
		p.s.Warnings = append(p.s.Warnings[:maxWarnings], fmt.Sprintf("%d more warnings", p.more))
	}
}

// file reads lines of "key = value"; # begins a comment at the start of a line
// or after a blank.
func (p *parser) file(b []byte) {
	if len(b) > MaxFile {
		p.warn("basalt.conf: longer than %d bytes: the rest is ignored", MaxFile)
		b = b[:MaxFile]
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // what some editors put first
	n := 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		n++
		where := fmt.Sprintf("basalt.conf line %d", n)
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			p.warn("%s: no = in it: ignored", where)
			continue
		}
		value, tail, closed := word(strings.TrimSpace(rest), true)
		tail = strings.TrimSpace(tail)
		if !closed || tail != "" && tail[0] != '#' {
			p.warn("%s: %s: quotes do not fit: ignored", where, show(name))
			continue
		}
		p.set(where, strings.TrimSpace(name), value)
	}
}

// cmdline reads blank-separated words "key=value".
func (p *parser) cmdline(b []byte) {
	const where = "command line"
	rest := strings.TrimSpace(string(b))
	for rest != "" {
		i := strings.IndexAny(rest, "= \t\r\n")
		if i < 0 {
			i = len(rest)
		}
		name := rest[:i]
		if i == len(rest) || rest[i] != '=' {
			p.unknown(where, name)
			rest = strings.TrimSpace(rest[i:])
			continue
		}
		value, tail, closed := word(rest[i+1:], false)
		rest = strings.TrimSpace(tail)
		if !closed {
			p.warn("%s: %s: quote without end: ignored", where, show(name))
			continue
		}
		p.set(where, name, value)
	}
}

// word takes a value off the front of s: in double quotes, where \" and \\
// stand for " and \, or bare up to the next blank (in a file: up to the end or
// a comment).
func word(s string, file bool) (value, rest string, closed bool) {
	if !strings.HasPrefix(s, `"`) {
		end := len(s)
		for i := range len(s) {
			blank := s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n'
			if blank && (!file || i+1 < len(s) && s[i+1] == '#') {
				end = i
				break
			}
		}
		return strings.TrimSpace(s[:end]), s[end:], true
	}
	var v strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return v.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		v.WriteByte(s[i])
	}
	return "", "", false
}

// set applies one setting.
func (p *parser) set(where, name, value string) {
	for _, k := range keys {
		if k.name != name {
			continue
		}
		if err := k.set(&p.s, value); err != nil {
			p.warn("%s: %s: %v", where, name, err)
		}
		return
	}
	p.unknown(where, name)
}

func (p *parser) unknown(where, name string) {
	p.warn("%s: unknown setting %s: ignored", where, show(name))
}

// show makes foreign text fit for a log line.
func show(name string) string {
	name = strings.TrimSpace(name)
	if len(name) > maxShown {
		name = name[:maxShown] + "..."
	}
	return fmt.Sprintf("%q", name)
}
