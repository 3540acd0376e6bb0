package console

import "basalt/vmkernel/screen"

// cell is one character with its colours.
type cell struct {
	c          byte
	text, back screen.Colour
}

// grid is a page being drawn.
type grid struct {
	cols, rows int
	cells      [screen.MaxRows][screen.MaxCols]cell
}

// fill clears rows [from, to).
func (g *grid) fill(from, to int, back screen.Colour) {
	for row := max(from, 0); row < min(to, g.rows); row++ {
		for col := range g.cols {
			g.cells[row][col] = cell{' ', back, back}
		}
	}
}

// put writes s on the ground that is there already, cut at column end.
func (g *grid) put(col, row, end int, s string, text screen.Colour) {
	if row < 0 || row >= g.rows {
		return
	}
	end = min(end, g.cols)
	for i := 0; i < len(s) && col < end; i, col = i+1, col+1 {
		c := s[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		if col == end-1 && i < len(s)-1 {
			c = '>' // there was more
		}
		g.cells[row][col].c, g.cells[row][col].text = c, text
	}
}
