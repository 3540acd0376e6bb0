package main

import (
	"fmt"
	"strings"
	"time"
)

// kinds are the kinds of cycles, in turn.
var kinds = [3]string{"suspended and resumed", "restored as another machine", "cloned"}

// tally is what the cycles of one kind took.
type tally struct {
	n            int
	sum, longest time.Duration
}

func (t *tally) add(took time.Duration) {
	t.n, t.sum, t.longest = t.n+1, t.sum+took, max(t.longest, took)
}

// cycles is how many are done.
func (r *run) cycles() (n int) {
	for _, t := range r.done {
		n += t.n
	}
	return n
}

// table says what was done and how long it took, with a line for each kind.
func (r *run) table(load string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s: %d of %d cycles\n%-28s %6s %8s %9s\n", r.engine, load, r.cycles(), r.want, "", "cycles", "mean s", "longest s")
	for i, t := range r.done {
		mean := t.sum / time.Duration(max(t.n, 1))
		fmt.Fprintf(&b, "%-28s %6d %8.1f %9.1f\n", kinds[i], t.n, mean.Seconds(), t.longest.Seconds())
	}
	return b.String()
}
