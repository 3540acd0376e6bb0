package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const sample = `package x

import "testing"

func FuzzOne(f *testing.F)             {}
func Fuzz(f *testing.F)                {}
func Fuzzy(f *testing.F)               {}
func FuzzTwo(f *testing.F, n int)      {}
func FuzzT(t *testing.T)               {}
func (x X) FuzzMethod(f *testing.F)    {}
`

// module makes a module with one package in sub, whose test file has the text.
func module(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	for name, s := range map[string]string{"go.mod": "module m\n\ngo 1.26\n", "sub/x_test.go": text, "testdata/y_test.go": sample, ".hidden/z_test.go": sample} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFind(t *testing.T) {
	all, err := find(module(t, sample))
	if err != nil || len(all) != 2 || all[0].String() != "sub FuzzOne" || all[1].String() != "sub Fuzz" {
		t.Errorf("%v, %v", all, err)
	}
}

func TestChoose(t *testing.T) {
	all := []target{{"a", "FuzzX"}, {"a/b", "FuzzX"}, {"ab", "FuzzY"}}
	for _, c := range []struct{ pkg, run, want string }{
		{"./...", "", "a FuzzX|a/b FuzzX|ab FuzzY"}, {"./a", "", "a FuzzX"}, {"./a/...", "", "a FuzzX|a/b FuzzX"},
		{"./...", "Y$", "ab FuzzY"}, {"./c/...", "", ""}, {"a/b/", "^a/b", "a/b FuzzX"},
	} {
		var got []string
		for _, x := range choose(all, c.pkg, regexp.MustCompile(c.run)) {
			got = append(got, x.String())
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s %s: %s", c.pkg, c.run, s)
		}
	}
}

// TestRun fuzzes a target that fails at once and one that does not.
func TestRun(t *testing.T) {
	root := module(t, `package x

import "testing"

func FuzzBad(f *testing.F) {
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 1 {
			t.Fatal("the length")
		}
	})
}

func FuzzGood(f *testing.F) { f.Fuzz(func(t *testing.T, b []byte) {}) }
`)
	l := limits{each: 2 * time.Second, workers: 2, memory: "256MiB"}
	bad := run(t.Context(), root, target{"sub", "FuzzBad"}, l)
	if bad.err == nil || !strings.HasPrefix(bad.input, "sub/testdata/fuzz/FuzzBad/") || !exists(filepath.Join(root, bad.input)) || !strings.Contains(strings.Join(bad.message, "\n"), "the length") {
		t.Errorf("%+v", bad)
	}
	good := run(t.Context(), root, target{"sub", "FuzzGood"}, l)
	if good.err != nil || good.execs == "" || good.execs == "0" || good.input != "" {
		t.Errorf("%+v", good)
	}
	if report([]result{good}, 1) != 0 || report([]result{good}, 2) != 1 || report([]result{bad}, 1) != 1 {
		t.Error("exit codes")
	}
}

func TestRead(t *testing.T) {
	r := result{target: target{"d", "FuzzX"}}
	r.read(bufio.NewScanner(strings.NewReader("fuzz: elapsed: 3s, execs: 12 (4/sec)\nfuzz: elapsed: 6s, execs: 99 (4/sec)\nPASS\n")))
	if r.execs != "99" || r.input != "" || r.message != nil {
		t.Errorf("%+v", r)
	}
}

// The go command's own deadline is no finding; everything else is.
func TestTimeIsUp(t *testing.T) {
	const end = "--- FAIL: FuzzX (60.10s)\n    context deadline exceeded\nFAIL\nexit status 1\nFAIL\tm/sub\t60.1s\n"
	for _, c := range []struct {
		out  string
		want bool
	}{
		{"fuzz: elapsed: 1m0s, execs: 12 (0/sec)\n" + end, true},
		{end, false}, // it never ran
		{"fuzz: elapsed: 1m0s, execs: 12 (0/sec)\n--- FAIL: FuzzX (60.10s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:7: context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzX/12\n" + end, false},
		{"fuzz: elapsed: 1m0s, execs: 12 (0/sec)\n--- FAIL: FuzzX (60.10s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n" + end, false},
		{"fuzz: elapsed: 1m0s, execs: 12 (0/sec)\n", false},
	} {
		r := result{target: target{"sub", "FuzzX"}}
		if r.read(bufio.NewScanner(strings.NewReader(c.out))); r.timeIsUp() != c.want {
			t.Errorf("%q: %v", c.out, !c.want)
		}
	}
}
