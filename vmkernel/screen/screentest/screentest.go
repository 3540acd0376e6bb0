// Package screentest has doubles for a screen's memory: a framebuffer that
// becomes a PNG file, and VGA text memory that becomes lines of text. World W2,
// tests only.
package screentest

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"strings"

	"basalt/boot/info"
)

// Memory is a double of screen.Memory. Stores outside of it are counted in
// Outside instead of being done.
type Memory struct {
	FB      info.Framebuffer
	Bytes   []byte
	Stores  int
	Outside int
}

// RGB makes a framebuffer of the given size with 32, 24 or 16 bits a pixel.
// Its lines are longer than its width.
func RGB(width, height, bpp int) *Memory {
	fb := info.Framebuffer{Kind: info.RGB, Addr: 0xfd000000, Width: uint32(width), Height: uint32(height), BPP: uint8(bpp),
		Pitch: uint32(width*((bpp+7)/8) + 64), RedPos: 16, RedSize: 8, GreenPos: 8, GreenSize: 8, BlueSize: 8}
	if bpp == 16 {
		fb.RedPos, fb.RedSize, fb.GreenPos, fb.GreenSize, fb.BlueSize = 11, 5, 5, 6, 5
	}
	return &Memory{FB: fb, Bytes: make([]byte, int(fb.Pitch)*height)}
}

// Text makes VGA text memory.
func Text(cols, rows int) *Memory {
	fb := info.Framebuffer{Kind: info.Text, Addr: 0xb8000, Width: uint32(cols), Height: uint32(rows), Pitch: uint32(cols * 2), BPP: 16}
	return &Memory{FB: fb, Bytes: make([]byte, cols*rows*2)}
}

func (m *Memory) store(off uintptr, v uint64, size int) {
	m.Stores++
	if off > uintptr(len(m.Bytes)) || uintptr(len(m.Bytes))-off < uintptr(size) {
		m.Outside++
		return
	}
	for i := range size {
		m.Bytes[off+uintptr(i)] = byte(v >> (8 * i))
	}
}

// Write8 stores a byte.
func (m *Memory) Write8(off uintptr, v uint8) { m.store(off, uint64(v), 1) }

// Write16 stores two bytes.
func (m *Memory) Write16(off uintptr, v uint16) { m.store(off, uint64(v), 2) }

// Write32 stores four bytes.
func (m *Memory) Write32(off uintptr, v uint32) { m.store(off, uint64(v), 4) }

// Lines gives text memory as lines without blanks at their ends.
func (m *Memory) Lines() string {
	var s strings.Builder
	for row := range int(m.FB.Height) {
		line := make([]byte, m.FB.Width)
		for col := range line {
			line[col] = m.Bytes[row*int(m.FB.Pitch)+col*2]
		}
		s.WriteString(strings.TrimRight(string(line), " \x00") + "\n")
	}
	return s.String()
}

// At implements image.Image.
func (m *Memory) At(x, y int) color.Color {
	size := (int(m.FB.BPP) + 7) / 8
	var p uint32
	for i := range size {
		p |= uint32(m.Bytes[y*int(m.FB.Pitch)+x*size+i]) << (8 * i)
	}
	part := func(pos, bits uint8) uint8 { return uint8((p >> pos & (1<<bits - 1)) * 255 / (1<<bits - 1)) }
	return color.RGBA{part(m.FB.RedPos, m.FB.RedSize), part(m.FB.GreenPos, m.FB.GreenSize), part(m.FB.BluePos, m.FB.BlueSize), 255}
}

// Bounds implements image.Image.
func (m *Memory) Bounds() image.Rectangle {
	return image.Rect(0, 0, int(m.FB.Width), int(m.FB.Height))
}

// ColorModel implements image.Image.
func (m *Memory) ColorModel() color.Model { return color.RGBAModel }

// WritePNG writes the framebuffer to a file.
func (m *Memory) WritePNG(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("screentest: %w", err)
	}
	err = png.Encode(f, m)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
