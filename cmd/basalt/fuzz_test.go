package main

import (
	"strings"
	"testing"
)

// FuzzTyped: whatever a person types is taken or refused.
func FuzzTyped(f *testing.F) {
	for _, s := range []string{"512", "2G", "1gib", "ɐ", "-1", "[2001:db8::1]", "https://h:1/", ""} {
		f.Add(s)
	}
	c := &config{Hosts: map[string]*hostConf{"one": {Address: "192.0.2.1:443"}}}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseMemory(s); err == nil && (n < 0 || n > 1<<40) {
			t.Errorf("--memory %q: %d", s, n)
		}
		if _, h, err := c.find(s); err == nil && h == nil {
			t.Errorf("--host %q: nothing", s)
		}
		if p := printable(s); strings.ContainsAny(p, "\x1b\n\x00\u009b") {
			t.Errorf("%q is printable", p)
		}
	})
}
