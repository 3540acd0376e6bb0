package main

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct{ log, state, verdict, note string }{
		{"PASS: a\nSUMMARY: 1 tests\n--- DONE: 0 ---\n", "", pass, "SUMMARY: 1 tests"},
		{"SKIP: b\nSUMMARY: 1 tests, 1 skipped\r\n--- DONE: 77 ---\n", "", skip, "1 skipped"},
		{"PASS: a\nFAIL: b\r\nSUMMARY: 2 tests, 1 unexpected failures\n--- DONE: 1 ---\n", "", fail, "FAIL: b exit code 1"},
		{"cpuid 1234\n--- DONE: 0 ---\n", "", pass, ""},
		{"start\nhalf", "crashed triple fault", fail, `crashed triple fault; the last line is "half"`},
		{"", "still running after 3m0s", fail, "still running"},
	} {
		if r := judge([]byte(c.log), c.state); r.verdict != c.verdict || !strings.Contains(r.note, c.note) {
			t.Errorf("%q: %+v", c.log, r)
		}
	}
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range tests {
		if r.name == "" || r.image == "" || seen[r.name] || (r.only != "") != (r.why != "") {
			t.Errorf("%+v", r)
		}
		seen[r.name] = true
	}
}
