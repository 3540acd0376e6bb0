package screen_test

import (
	"testing"

	"basalt/boot/info"
	"basalt/vmkernel/screen"
	"basalt/vmkernel/screen/screentest"
)

// TestGlyph draws a letter and reads it back, on every size of pixel.
func TestGlyph(t *testing.T) {
	for _, bpp := range []int{16, 24, 32} {
		m := screentest.RGB(64, 48, bpp)
		var s screen.Screen
		if !s.Attach(m, m.FB) {
			t.Fatal("nothing to show")
		}
		if cols, rows := s.Grid(); cols != 8 || rows != 3 {
			t.Errorf("grid of %d by %d", cols, rows)
		}
		s.Put(1, 1, 'I', screen.White, screen.Black)
		ink := 0
		for y := range 48 {
			for x := range 64 {
				if r, _, _, _ := m.At(x, y).RGBA(); r > 0x8000 {
					if ink++; x < 8 || x >= 16 || y < 16 || y >= 32 {
						t.Fatalf("%d bits: ink at %d,%d, outside of the cell", bpp, x, y)
					}
				}
			}
		}
		if ink < 10 {
			t.Errorf("%d bits: %d pixels of ink", bpp, ink)
		}
	}
}

// TestOutside: nothing outside of the grid is ever stored.
func TestOutside(t *testing.T) {
	for _, m := range []*screentest.Memory{screentest.Text(80, 25), screentest.RGB(100, 50, 32), screentest.RGB(3, 3, 24)} {
		var s screen.Screen
		s.Attach(m, m.FB)
		for _, p := range [][2]int{{-1, 0}, {0, -1}, {80, 0}, {0, 25}, {1 << 40, 1 << 40}, {-1 << 60, 5}} {
			s.Put(p[0], p[1], 'x', screen.White, screen.Black)
		}
		s.Put(0, 0, 'x', 200, 200)
		s.Text(75, 24, "longer than the rest of the row", screen.White, screen.Black)
		s.Fill(-5, 1000, screen.Purple)
		if m.Outside != 0 {
			t.Errorf("%d stores outside", m.Outside)
		}
	}
	var none screen.Screen
	none.Put(0, 0, 'x', screen.White, screen.Black)
	none.Fill(0, 10, screen.Black)
	if none.Attach(nil, info.Framebuffer{}) {
		t.Error("a screen without memory")
	}
}

func TestTuneVGA(t *testing.T) {
	m := screentest.Text(80, 25)
	var s screen.Screen
	s.Attach(m, m.FB)
	s.Fill(0, 1, screen.Slate)
	before := m.Bytes[1]
	ports := map[uint16]int{}
	s.TuneVGA(func(port uint16, v uint8) {
		ports[port]++
		if port == 0x3c9 && v > 0x3f {
			t.Errorf("intensity %#x has more than 6 bits", v)
		}
	})
	s.Fill(0, 1, screen.Slate)
	if before>>4 != 0 || m.Bytes[1]>>4 != 1 || ports[0x3c9] != 3*ports[0x3c8] || ports[0x3d5] != 1 {
		t.Errorf("attributes %#x and %#x, ports %v", before, m.Bytes[1], ports)
	}
	g := screentest.RGB(64, 48, 32)
	s.Attach(g, g.FB)
	s.TuneVGA(func(uint16, uint8) { t.Error("ports touched with a framebuffer") })
}

func TestNoAllocation(t *testing.T) {
	m := screentest.RGB(320, 200, 32)
	var s screen.Screen
	s.Attach(m, m.FB)
	if n := testing.AllocsPerRun(5, func() { s.Fill(0, 3, screen.Purple); s.Text(0, 0, "text", screen.White, screen.Purple) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
