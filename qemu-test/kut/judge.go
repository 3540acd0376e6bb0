package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The verdicts: the suite's own (its scripts/runtime.bash), and what this table says
// of failures that are not Basalt's.
const (
	pass  = "PASS"
	fail  = "FAIL"
	skip  = "SKIP"
	knows = "known" // fails as table.go says, and for the reason that is there
	slow  = "slow"  // came to no end, as table.go says
	none  = "-"     // did not run
)

type result struct{ verdict, note string }

var (
	done    = regexp.MustCompile(`--- DONE: (-?\d+) ---`)
	failing = regexp.MustCompile(`(?m)^FAIL: ([^\r\n]*)`)
	checked = regexp.MustCompile(`(?m)^(?:PASS|FAIL|SKIP|XPASS|XFAIL): `)
)

// judge reads the verdict off the console. The exit code is the suite's: 0 for pass,
// 77 when nothing was tested.
func judge(log []byte, state string) result {
	f, note := failing.FindAll(log, -1), ""
	if n := len(checked.FindAll(log, -1)); n > 0 {
		note = fmt.Sprintf("%d checks", n)
		if len(f) > 0 {
			note = fmt.Sprintf("%d of %d checks, the first %s", len(f), n, f[0])
		}
	}
	m := done.FindSubmatch(log)
	switch {
	case m == nil:
		last := bytes.TrimSpace(log)
		if i := bytes.LastIndexByte(last, '\n'); i >= 0 {
			last = last[i+1:]
		}
		return result{fail, join(note, fmt.Sprintf("%s; the last line is %q", state, last))}
	case string(m[1]) == "77":
		return result{skip, note}
	case string(m[1]) != "0":
		return result{fail, join(note, "exit code "+string(m[1]))}
	case len(f) > 0:
		return result{fail, join(note, "exit code 0")}
	}
	return result{pass, note}
}

func join(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), "; ")
}

// judge gives the verdict on an engine with what is known of the test there: a failure
// is known when every check that failed is.
func (t test) judge(engine string, log []byte, state string) result {
	r := judge(log, state)
	if r.verdict != fail {
		return r
	}
	fails := failing.FindAllSubmatch(log, -1)
	for _, k := range t.known {
		switch {
		case k.engine != engine:
		case len(k.fails) == 0:
			if len(fails) == 0 && strings.HasPrefix(state, over) {
				return result{slow, join(r.note, k.why)}
			}
		case done.Match(log) && len(fails) > 0 && !slices.ContainsFunc(fails, func(m [][]byte) bool {
			return !slices.Contains(k.fails, string(m[1]))
		}):
			return result{knows, join(r.note, k.why)}
		}
	}
	return r
}
