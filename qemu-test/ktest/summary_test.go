package main

import (
	"io"
	"testing"
)

func TestSummary(t *testing.T) {
	const out = "ok  \tsync\t1.4s\n--- FAIL: TestX (0.00s)\nFAIL\nFAIL\tos\t2.0s\n?   \tbasalt/x\t[no test files]\nok  \tembed\t0.4s [no tests to run]\nFAIL\tbad [build failed]\nFAIL\n"
	for _, step := range []int{1, 7, len(out)} { // however the pipe cuts it
		s := summary{to: io.Discard}
		for i := 0; i < len(out); i += step {
			if _, err := s.Write([]byte(out[i:min(i+step, len(out))])); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := s.String(), "ktest: 2 packages passed in ring 0, 2 failed: os bad"; got != want {
			t.Fatalf("cut by %d: %q, want %q", step, got, want)
		}
	}
}
