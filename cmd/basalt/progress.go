package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// bar is a progress bar on a terminal; elsewhere it only counts.
type bar struct {
	w           io.Writer
	name        string
	n, total    int64
	shown       bool
	start, last time.Time
}

func (a *app) progress(name string, total int64) *bar {
	b := &bar{name: name, total: total, start: time.Now()}
	if _, tty := terminal(a.err); tty && !a.json && !a.quiet {
		b.w = a.err
	}
	return b
}

// Write counts what went by.
func (b *bar) Write(p []byte) (int, error) {
	b.n += int64(len(p))
	if now := time.Now(); b.w != nil && now.Sub(b.last) > 100*time.Millisecond {
		b.last = now
		b.draw()
	}
	return len(p), nil
}

// to says how much went by, and of how much.
func (b *bar) to(n, total int64) {
	b.n, b.total = min(n, total), total
	if b.w != nil && total > 0 {
		b.draw()
	}
}

func (b *bar) draw() {
	const width = 30
	b.shown = true
	full, percent := width, 100
	if b.total > 0 {
		full, percent = int(b.n*width/b.total), int(b.n*100/b.total)
	}
	rate := float64(b.n) / max(time.Since(b.start).Seconds(), 0.001)
	fmt.Fprintf(b.w, "\r%-24.24s [%s%s] %3d%% %s/s \x1b[K", b.name, strings.Repeat("=", full), strings.Repeat(" ", width-full), percent, size(uint64(rate)))
}

// done finishes the line; nothing is left on the terminal after a failure.
func (b *bar) done(err error) {
	switch {
	case b.w == nil || !b.shown:
	case err != nil:
		fmt.Fprint(b.w, "\r\x1b[K")
	default:
		b.draw()
		fmt.Fprintln(b.w)
	}
}
