package screen

import "basalt/boot/info"

// Colour is an entry of the palette.
type Colour uint8

// The palette.
const (
	Black Colour = iota
	White
	Silver // text that steps back on dark ground
	Slate  // the console page's dark half
	Amber  // the console page's light half
	Ink    // text on Amber
	Purple // the purple screen
	Red
	Green
	numColours
)

// palette gives each colour as 0xRRGGBB, and as VGA's number for characters
// and for the ground behind them (0 to 7: the eighth bit may mean blinking).
// The numbers are chosen to look right with VGA's own colours; TuneVGA changes
// those to ours.
var palette = [numColours]struct {
	rgb        uint32
	text, back uint16
}{
	Black:  {0x000000, 0x0, 0x0},
	White:  {0xffffff, 0xf, 0x7},
	Silver: {0xb8bcc2, 0x7, 0x7},
	Slate:  {0x3a3f47, 0x8, 0x0}, // its ground is tunedSlate after TuneVGA
	Amber:  {0xf2c14e, 0xe, 0x6},
	Ink:    {0x23262b, 0x0, 0x0},
	Purple: {0x5b1a7d, 0x5, 0x5},
	Red:    {0xff6b5e, 0xc, 0x4},
	Green:  {0x7ed491, 0xa, 0x2},
}

// tunedSlate is VGA's blue, which TuneVGA turns into Slate.
const tunedSlate = 0x1

// vgaColour is a colour of VGA's digital-to-analogue converter that TuneVGA
// loads: the entry that the BIOS's attribute palette leads the text colour to.
var vgaColours = [...]struct {
	entry uint8
	c     Colour
}{
	{0x01, Slate}, {0x05, Purple}, {0x07, Silver}, {0x14, Amber}, {0x3a, Green}, {0x3c, Red}, {0x3e, Amber}, {0x3f, White},
}

// TuneVGA gives VGA's text mode our colours and takes its cursor away. out
// writes a byte to an I/O port. On other screens it does nothing. World W2.
//
// IBM VGA: converter at ports 0x3c8 (entry) and 0x3c9 (red, green, blue of 6
// bits), CRT controller at 0x3d4 and 0x3d5, register 0x0a bit 5 "cursor off".
func (s *Screen) TuneVGA(out func(port uint16, v uint8)) {
	if s.kind != info.Text {
		return
	}
	for _, v := range vgaColours {
		rgb := palette[v.c].rgb
		out(0x3c8, v.entry)
		out(0x3c9, uint8(rgb>>18)&0x3f)
		out(0x3c9, uint8(rgb>>10)&0x3f)
		out(0x3c9, uint8(rgb>>2)&0x3f)
	}
	out(0x3d4, 0x0a)
	out(0x3d5, 0x20)
	s.tuned = true
}
