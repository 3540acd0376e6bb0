package main

import (
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	r := run{engine: "vt-x", want: 4}
	for i, s := range []time.Duration{2, 10, 3} {
		r.done[i%2].add(s * time.Second)
	}
	const want = `vt-x, micro: 3 of 4 cycles
                             cycles   mean s longest s
suspended and resumed             2      2.5       3.0
restored as another machine       1     10.0      10.0
cloned                            0      0.0       0.0
`
	if got := r.table("micro"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
