package console

import (
	"bytes"
	"sync"

	"basalt/vmkernel/screen"
)

const keepLines = 32 // of the log: more than any screen shows

// Console shows a page on a screen. Its methods may be called from any
// goroutine. It is an io.Writer for the log.
type Console struct {
	mu      sync.Mutex
	screen  *screen.Screen
	page    Page
	log     []string
	partial []byte // a log line without its end
	next    grid
	shown   grid
	cleared bool
}

// New makes a console on s. Nothing is drawn before the first Show.
func New(s *screen.Screen) *Console {
	c := &Console{screen: s}
	c.next.cols, c.next.rows = s.Grid()
	c.shown.cols, c.shown.rows = s.Grid()
	return c
}

// Show replaces the page.
func (c *Console) Show(p Page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Hardware = append([]string(nil), p.Hardware...)
	p.URLs = append([]string(nil), p.URLs...)
	c.page = p
	c.flush()
}

// Write adds log lines at the bottom of the page. It never fails.
func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(b)
	for {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if room := screen.MaxCols + 1 - len(c.partial); room > 0 {
			c.partial = append(c.partial, line[:min(len(line), room)]...)
		}
		if !ok {
			break
		}
		c.log = append(c.log, string(bytes.TrimRight(c.partial, "\r")))
		c.partial = c.partial[:0]
		b = rest
	}
	if len(c.log) > keepLines {
		c.log = append(c.log[:0], c.log[len(c.log)-keepLines:]...)
	}
	if c.cleared {
		c.flush()
	}
	return n, nil
}

// flush draws the page and sends what changed. The lock is held.
func (c *Console) flush() {
	if c.screen.Taken() || c.next.rows == 0 {
		return
	}
	draw(&c.next, &c.page, c.log)
	if !c.cleared {
		c.clear()
	}
	for row := range c.next.rows {
		if c.screen.Taken() {
			return
		}
		for col := range c.next.cols {
			if n := c.next.cells[row][col]; n != c.shown.cells[row][col] {
				c.screen.Put(col, row, n.c, n.text, n.back)
				c.shown.cells[row][col] = n
			}
		}
	}
}

// clear paints the grounds, and with them the borders around the grid.
func (c *Console) clear() {
	c.cleared = true
	for row := range c.next.rows {
		back := c.next.cells[row][0].back
		c.screen.Fill(row, row+1, back)
		for col := range c.next.cols {
			c.shown.cells[row][col] = cell{' ', back, back}
		}
	}
}
