package main

import (
	"fmt"
	"strings"
	"time"
)

// row is what came of a test on an engine.
type row struct {
	test   test
	engine string
	result
	took time.Duration
}

// String is the row as a line of the table.
func (r row) String() string {
	seconds := ""
	if r.took > 0 {
		seconds = fmt.Sprintf("%.1f", r.took.Seconds())
	}
	return strings.TrimRight(fmt.Sprintf("%-26s %-6s %-7s %4d %8s  %s", r.test.name, r.engine, r.verdict, max(r.test.cpus, 1), seconds, r.note), " ")
}

// table is every row, in the order of tests and with a test's engines together, and
// how many there are of each verdict.
func table(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-26s %-6s %-7s %4s %8s  %s\n", "test", "engine", "verdict", "CPUs", "seconds", "checks")
	count := map[string]int{}
	for _, t := range tests {
		for _, h := range hosts {
			for _, r := range rows {
				if r.test.name == t.name && r.engine == h.engine {
					fmt.Fprintln(&b, r)
					count[r.engine+r.verdict]++
				}
			}
		}
	}
	for _, h := range hosts {
		var n []string
		for _, v := range []string{pass, skip, knows, slow, fail, none} {
			if c := count[h.engine+v]; c > 0 {
				n = append(n, fmt.Sprintf("%d %s", c, v))
			}
		}
		if len(n) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", h.engine, strings.Join(n, ", "))
		}
	}
	return b.String()
}
