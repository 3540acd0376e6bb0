package screen

import (
	"sync/atomic"

	"basalt/boot/info"
)

// Memory is the screen's memory: exactly one store of that width each. off
// counts bytes from the framebuffer's address. drivers/bus.Registers fits.
type Memory interface {
	Write8(off uintptr, v uint8)
	Write16(off uintptr, v uint16)
	Write32(off uintptr, v uint32)
}

// Size of a character's cell in pixels, before scaling.
const (
	cellWidth  = 8
	cellHeight = 16
)

// The largest grid; a larger screen shows it in its middle.
const (
	MaxCols = 160
	MaxRows = 64
)

// Screen is a grid of cells. The zero value is a screen that shows nothing.
type Screen struct {
	mem        Memory
	kind       info.FramebufferKind
	cols, rows int
	scale      int
	left, top  int // of the grid, in pixels or cells
	fb         info.Framebuffer
	pixel      [numColours]uint32 // the palette in the framebuffer's format
	tuned      bool               // VGA shows our colours
	taken      atomic.Bool
}

// Take makes the purple screen the owner of the screen, for good.
func (s *Screen) Take() { s.taken.Store(true) }

// Taken says that everybody else has to leave the screen alone.
func (s *Screen) Taken() bool { return s.taken.Load() }

// Attach binds s to the memory of fb and reports whether anything can be
// shown. The memory must be as large as Size says. World W2.
func (s *Screen) Attach(mem Memory, fb info.Framebuffer) bool {
	*s = Screen{mem: mem, kind: fb.Kind, fb: fb, scale: 1}
	width, height := int(fb.Width), int(fb.Height)
	switch fb.Kind {
	case info.RGB:
		if fb.BPP <= 8 || fb.BPP > 32 {
			s.kind = info.NoFramebuffer
			return false
		}
		// Large screens have small pixels: at least about 30 rows a screen.
		s.scale = max(1, height/1000)
		s.cols, s.rows = min(width/(cellWidth*s.scale), MaxCols), min(height/(cellHeight*s.scale), MaxRows)
		s.left, s.top = (width-s.cols*cellWidth*s.scale)/2, (height-s.rows*cellHeight*s.scale)/2
		for c := range s.pixel {
			rgb := palette[c].rgb
			s.pixel[c] = channel(rgb>>16, fb.RedPos, fb.RedSize) | channel(rgb>>8, fb.GreenPos, fb.GreenSize) | channel(rgb, fb.BluePos, fb.BlueSize)
		}
	case info.Text:
		s.cols, s.rows = min(width, MaxCols), min(height, MaxRows)
	}
	if s.cols == 0 || s.rows == 0 {
		s.kind, s.cols, s.rows = info.NoFramebuffer, 0, 0
	}
	return s.kind != info.NoFramebuffer
}

// VGAText is the text mode that a BIOS leaves, for loaders that say nothing.
func VGAText() info.Framebuffer {
	return info.Framebuffer{Kind: info.Text, Addr: 0xb8000, Width: 80, Height: 25, Pitch: 160, BPP: 16}
}

// Size is the number of bytes of memory that fb describes.
func Size(fb info.Framebuffer) uint64 { return uint64(fb.Pitch) * uint64(fb.Height) }

// channel puts an 8-bit intensity (the low byte of v) into its place.
func channel(v uint32, pos, size uint8) uint32 {
	v &= 0xff
	if size < 8 {
		v >>= 8 - size
	} else {
		v <<= min(size-8, 8)
	}
	return v << pos
}

// Grid is the size in cells; 0, 0 if nothing can be shown.
func (s *Screen) Grid() (cols, rows int) { return s.cols, s.rows }

// Put shows character c. Cells outside of the grid are ignored.
func (s *Screen) Put(col, row int, c byte, text, back Colour) {
	if col < 0 || row < 0 || col >= s.cols || row >= s.rows || text >= numColours || back >= numColours {
		return
	}
	if c < ' ' || c > '~' {
		c = '?'
	}
	if s.kind == info.Text {
		ground := palette[back].back
		if s.tuned && back == Slate {
			ground = tunedSlate
		}
		attr := palette[text].text | ground<<4
		s.mem.Write16(uintptr(row)*uintptr(s.fb.Pitch)+uintptr(col)*2, uint16(c)|attr<<8)
		return
	}
	glyph := &font[c-' ']
	x, y := s.left+col*cellWidth*s.scale, s.top+row*cellHeight*s.scale
	for line := range cellHeight * s.scale {
		bits := glyph[line/s.scale]
		for i := range cellWidth * s.scale {
			p := s.pixel[back]
			if bits&(0x80>>(i/s.scale)) != 0 {
				p = s.pixel[text]
			}
			s.set(x+i, y+line, p)
		}
	}
}

// set stores one pixel, which lies inside the screen.
func (s *Screen) set(x, y int, p uint32) {
	size := (int(s.fb.BPP) + 7) / 8
	off := uintptr(y)*uintptr(s.fb.Pitch) + uintptr(x*size)
	switch size {
	case 4:
		s.mem.Write32(off, p)
	case 3:
		s.mem.Write16(off, uint16(p))
		s.mem.Write8(off+2, uint8(p>>16))
	case 2:
		s.mem.Write16(off, uint16(p))
	}
}

// Text shows s from a cell on, cut at the right border, and gives the column
// behind it.
func (s *Screen) Text(col, row int, text string, fore, back Colour) int {
	for i := 0; i < len(text); i++ {
		s.Put(col, row, text[i], fore, back)
		col++
	}
	return col
}

// Fill clears rows [from, to), with the borders that the grid leaves, in the
// colour back.
func (s *Screen) Fill(from, to int, back Colour) {
	from, to = max(from, 0), min(to, s.rows)
	if back >= numColours || from >= to {
		return
	}
	if s.kind != info.RGB {
		for row := from; row < to; row++ {
			for col := range s.cols {
				s.Put(col, row, ' ', back, back)
			}
		}
		return
	}
	y0, y1 := s.top+from*cellHeight*s.scale, s.top+to*cellHeight*s.scale
	if from == 0 {
		y0 = 0
	}
	if to == s.rows {
		y1 = int(s.fb.Height)
	}
	p := s.pixel[back]
	for y := y0; y < y1; y++ {
		for x := range int(s.fb.Width) {
			s.set(x, y, p)
		}
	}
}
