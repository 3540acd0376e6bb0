package screen

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
var palette = [numColours]struct {
	rgb        uint32
	text, back uint16
}{
	Black:  {0x000000, 0x0, 0x0},
	White:  {0xffffff, 0xf, 0x7},
	Silver: {0xb8bcc2, 0x7, 0x7},
	Slate:  {0x3a3f47, 0x8, 0x0},
	Amber:  {0xf2c14e, 0xe, 0x6},
	Ink:    {0x23262b, 0x0, 0x0},
	Purple: {0x5b1a7d, 0x5, 0x5},
	Red:    {0xff6b5e, 0xc, 0x4},
	Green:  {0x7ed491, 0xa, 0x2},
}
