package panicscreen

import (
	"sync/atomic"

	"basalt/vmkernel/screen"
)

const (
	margin      = 2
	smallScreen = 40 // rows
)

// What Attach put in place. Written before the first failure can be shown.
var (
	display *screen.Screen
	serial  func(c byte)
)

var owned atomic.Bool

// The owner's position on the screen. Plain numbers: only the owner is here.
var (
	row, col   int
	lastRow    int // rows from here on are End's
	cols       int
	serialOnly bool
	ink        screen.Colour
)

// Attach says where to show a failure. Either may be nil. World W2, before the
// first failure; a later call replaces both.
func Attach(s *screen.Screen, sendByte func(c byte)) {
	display, serial = s, sendByte
}

// Begin takes the screen and shows the report. It gives false to everybody but
// the first: they stop and stay silent.
func Begin(r *Report) bool {
	if !owned.CompareAndSwap(false, true) {
		return false
	}
	rows := 0
	cols = 0
	if display != nil {
		display.Take()
		cols, rows = display.Grid()
		display.Fill(0, rows, screen.Purple)
	}
	row, col, lastRow = 1, margin, rows-2
	serialText("\r\n\r\n")

	ink = screen.White
	text("Basalt ")
	text(r.Version)
	text(" has stopped")
	newline()
	ink = screen.Amber
	text(r.Cause)
	newline()
	ink = screen.Silver
	text("Processor ")
	decimal(uint64(max(r.CPU, 0)))
	if r.Uptime > 0 {
		text(", ")
		decimal(uint64(r.Uptime) / 1e9)
		text(".")
		milli := uint64(r.Uptime) / 1e6 % 1000
		put(byte('0' + milli/100))
		put(byte('0' + milli/10%10))
		put(byte('0' + milli%10))
		text(" s after the start")
	}
	if r.Vector >= 0 {
		text(", ")
		text(exception(r.Vector))
		text(" (")
		decimal(uint64(r.Vector))
		text("), error 0x")
		hex(r.Error, 1)
	}
	newline()
	if r.Regs != nil {
		// On a small screen the traces matter more, unless an exception makes
		// the registers matter; the serial line always has them.
		serialOnly = r.Vector < 0 && rows < smallScreen
		at := row
		registers(r.Regs)
		if serialOnly {
			row = at
		}
		serialOnly = false
	}
	return true
}

// registers shows the table, as many columns as fit.
func registers(r *Registers) {
	const width = 3 + 1 + 16 + 2
	perRow := 3
	if cols > 0 {
		perRow = max(1, (cols-2*margin+2)/width)
	}
	gap()
	for i := range numRegisters {
		name, v := r.register(i)
		ink = screen.Silver
		text(name)
		put(' ')
		ink = screen.White
		hex(v, 16)
		if i%perRow == perRow-1 || i == numRegisters-1 {
			newline()
		} else {
			text("  ")
		}
	}
}

// Section begins a part with a title.
func Section(title string) {
	if col != margin {
		newline()
	}
	gap()
	ink = screen.Amber
	text(title)
	newline()
	ink = screen.White
}

// Frame shows one line of a kernel trace: symbol plus offset, and the address.
// An empty symbol shows the address alone.
func Frame(pc uint64, symbol string, offset uint64) {
	ink = screen.White
	hex(pc, 16)
	put(' ')
	text(symbol)
	if symbol != "" {
		text("+0x")
		hex(offset, 1)
	}
	newline()
}

// Value shows a named number.
func Value(name string, v uint64) {
	ink = screen.Silver
	text(name)
	put(' ')
	ink = screen.White
	hex(v, 16)
	newline()
}

// Write shows text as it comes, with line ends and tabs; other control
// characters are shown as '?'.
func Write(b []byte) {
	for _, c := range b {
		switch c {
		case '\n':
			newline()
		case '\r':
		case '\t':
			text("    ")
		default:
			put(c)
		}
	}
}

// WriteString is Write for a string.
func WriteString(s string) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\n' {
			newline()
		} else {
			put(s[i])
		}
	}
}

// End shows the last line, at the bottom, which says what happens now.
func End(s string) {
	if col != margin {
		newline()
	}
	row, col = lastRow+1, margin
	lastRow = row + 1
	ink = screen.Amber
	text(s)
	serialText("\r\n")
}

// gap leaves a row free before what follows.
func gap() {
	row++
	serialText("\r\n")
}

func newline() {
	row, col = row+1, margin
	serialText("\r\n")
}

func text(s string) {
	for i := 0; i < len(s); i++ {
		put(s[i])
	}
}

// put shows one character and goes to the next row where this one is full.
func put(c byte) {
	if c < ' ' || c > '~' {
		c = '?'
	}
	if serial != nil {
		serial(c)
	}
	if col >= cols-margin {
		row, col = row+1, margin
	}
	if display != nil && row < lastRow && !serialOnly {
		display.Put(col, row, c, ink, screen.Purple)
	}
	col++
}

func serialText(s string) {
	if serial == nil {
		return
	}
	for i := 0; i < len(s); i++ {
		serial(s[i])
	}
}

// hex shows v with at least digits digits.
func hex(v uint64, digits int) {
	for n := 15; n >= 0; n-- {
		d := v >> (4 * n)
		if d == 0 && n >= digits {
			continue
		}
		put("0123456789abcdef"[d&15])
	}
}

func decimal(v uint64) {
	div := uint64(1)
	for v/div >= 10 {
		div *= 10
	}
	for ; div > 0; div /= 10 {
		put(byte('0' + v/div%10))
	}
}
