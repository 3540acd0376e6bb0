package console

import (
	"strings"

	"basalt/vmkernel/screen"
)

// Page is what the console shows. Empty fields leave their rows out.
type Page struct {
	Product  string   // "Basalt 0.1.0"
	Hostname string   // the host's own name
	Hardware []string // a line each: processor, memory, engine

	URLs        []string // where the host is managed
	Address     string   // "192.0.2.10/24 (DHCP)", or why there is none
	State       string   // "ready", or what the host is doing or lacks
	Trouble     bool     // the state needs attention
	Fingerprint string   // SHA-256 of the certificate, "AA:BB:..."
	Password    string   // the one made up at this boot
}

const (
	margin   = 3
	labelled = 17 // columns of a label
)

// draw lays the page out on g: the upper part dark with who the host is, the
// middle light with how to reach it, and the log at the bottom.
func draw(g *grid, p *Page, log []string) {
	logRows := 0
	if len(log) > 0 {
		logRows = min(max(g.rows/5, 4), 12)
	}
	lower := lowerRows(p, g.cols)
	split := min(max((g.rows-logRows)/2, 4+len(p.Hardware)), max(g.rows-logRows-lower, 4))
	end := g.rows - logRows
	g.fill(0, split, screen.Slate)
	g.fill(split, end, screen.Amber)
	g.fill(end, g.rows, screen.Black)

	right := g.cols - margin
	g.put(margin, 1, right, p.Product, screen.White)
	g.put(margin, 2, right, p.Hostname, screen.Amber)
	for i, line := range p.Hardware {
		if row := 4 + i; row < split {
			g.put(margin, row, right, line, screen.Silver)
		}
	}

	row := split + 1
	field := func(label, value string, colour screen.Colour) {
		if value == "" || row >= end {
			return
		}
		g.put(margin, row, right, label, screen.Ink)
		g.put(margin+labelled, row, right, value, colour)
		row++
	}
	label := "Manage it at"
	for _, u := range p.URLs {
		field(label, u, screen.Ink)
		label = ""
	}
	field("Address", p.Address, screen.Ink)
	if p.Trouble {
		field("State", "! "+p.State, screen.Ink)
	} else {
		field("State", p.State, screen.Ink)
	}
	field("root's password", p.Password, screen.Ink)
	label = "Certificate"
	for _, part := range fingerprint(p.Fingerprint, right-margin-labelled) {
		field(label, part, screen.Ink)
		label = ""
	}

	if len(log) > logRows {
		log = log[len(log)-logRows:]
	}
	for i, line := range log {
		g.put(1, end+i, g.cols-1, line, screen.Silver)
	}
}

// lowerRows counts the rows that the light part wants, with a blank one at
// either end.
func lowerRows(p *Page, cols int) int {
	n := 2 + len(p.URLs) + len(fingerprint(p.Fingerprint, cols-2*margin-labelled))
	for _, v := range []string{p.Address, p.State, p.Password} {
		if v != "" {
			n++
		}
	}
	return n
}

// fingerprint splits a fingerprint into two lines where one is too narrow.
func fingerprint(s string, width int) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ":")
	if len(s) <= width || len(parts) < 2 {
		return []string{s}
	}
	half := (len(parts) + 1) / 2
	return []string{strings.Join(parts[:half], ":") + ":", strings.Join(parts[half:], ":")}
}
