package main

import (
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct{ log, state, verdict, note string }{
		{"PASS: a\nSUMMARY: 1 tests\n--- DONE: 0 ---\n", "", pass, "1 checks"},
		{"SKIP: b\r\nSUMMARY: 1 tests, 1 skipped\r\n--- DONE: 77 ---\n", "", skip, "1 checks"},
		{"PASS: a\nFAIL: b\r\nSUMMARY: 2 tests, 1 unexpected failures\n--- DONE: 1 ---\n", "", fail, "1 of 2 checks, the first FAIL: b; exit code 1"},
		{"cpuid 1234\n--- DONE: 0 ---\n", "", pass, ""},
		{"FAIL: a\n--- DONE: 0 ---\n", "", fail, "exit code 0"},
		{"start\nhalf", "crashed triple fault", fail, `crashed triple fault; the last line is "half"`},
		{"", over + "3m0s", fail, "still running"},
	} {
		if r := judge([]byte(c.log), c.state); r.verdict != c.verdict || !strings.Contains(r.note, c.note) {
			t.Errorf("%q: %+v", c.log, r)
		}
	}
}

func TestJudgeKnown(t *testing.T) {
	row := test{known: []known{{engine: "amd-v", fails: []string{"a", "b"}, why: "the emulator's"}, {engine: "vt-x", why: "too slow"}}}
	for _, c := range []struct{ engine, log, state, verdict string }{
		{"amd-v", "FAIL: a\r\nPASS: c\r\n--- DONE: 1 ---\n", "", knows},
		{"amd-v", "FAIL: a\nFAIL: c\n--- DONE: 1 ---\n", "", fail},
		{"amd-v", "FAIL: a\n", "crashed", fail},
		{"amd-v", "FAIL: a\n", over + "3m0s", fail},
		{"amd-v", "PASS: c\n--- DONE: 1 ---\n", "", fail},
		{"vt-x", "FAIL: a\n--- DONE: 1 ---\n", "", fail},
		{"vt-x", "PASS: a\n", over + "3m0s", slow},
		{"vt-x", "FAIL: a\n", over + "3m0s", fail},
		{"vt-x", "PASS: a\n", "crashed", fail},
		{"vt-x", "PASS: a\n--- DONE: 0 ---\n", "", pass},
	} {
		if r := row.judge(c.engine, []byte(c.log), c.state); r.verdict != c.verdict {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

func TestTests(t *testing.T) {
	engines := map[string]bool{}
	for _, h := range hosts {
		engines[h.engine] = true
	}
	seen := map[string]bool{}
	for _, r := range tests {
		if r.name == "" || r.image == "" || seen[r.name] || (r.only != "") != (r.why != "") || r.only != "" && !engines[r.only] {
			t.Errorf("%+v", r)
		}
		for _, k := range r.known {
			if !engines[k.engine] || k.why == "" {
				t.Errorf("%s: %+v", r.name, k)
			}
		}
		seen[r.name] = true
	}
}

func TestTable(t *testing.T) {
	got := table([]row{
		{tests[1], "vt-x", result{slow, "why"}, 90 * time.Second},
		{tests[0], "amd-v", result{none, "no image"}, 0},
		{tests[1], "amd-v", result{pass, ""}, 1500 * time.Millisecond},
	})
	want := `
test                       engine verdict CPUs  seconds  checks
cmpxchg8b                  amd-v  -          1           no image
smptest                    amd-v  PASS       2      1.5
smptest                    vt-x   slow       2     90.0  why
amd-v: 1 PASS, 1 -
vt-x: 1 slow
`
	if got != want {
		t.Errorf("%s\nwant%s", got, want)
	}
}
