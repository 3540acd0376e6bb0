package main

import (
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want item
		bad  bool
	}{
		{line: ""},
		{line: "  # only words", want: item{}},
		{line: "sync", want: item{pkg: "sync"}},
		{line: "os skip=TestA|TestB mem=2048 # no processes", want: item{pkg: "os", skip: "TestA|TestB", memMiB: 2048, reason: "no processes"}},
		{line: "go/parser data=src/go/printer,src/go/ast", want: item{pkg: "go/parser", data: []string{"src/go/printer", "src/go/ast"}}},
		{line: "math/big short run=TestX # slow", want: item{pkg: "math/big", short: true, run: "TestX", reason: "slow"}},
		{line: "os skip=TestA", bad: true},
		{line: "os jump=TestA # why", bad: true},
		{line: "os mem=many", bad: true},
	} {
		got, err := parseLine(c.line)
		if c.want.pkg == "" {
			got.reason = ""
		}
		if (err != nil) != c.bad || !c.bad && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %v", c.line, got, err)
		}
	}
}

func TestTheListIsGood(t *testing.T) {
	items, err := readList(filepath.Join("..", "ktest.list"))
	if err != nil {
		t.Fatal(err)
	}
	if len(items) < 50 {
		t.Fatalf("%d packages", len(items))
	}
}
