package cases

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"basalt/qemu-test/harness"
)

// docs makes the tests write the pictures of docs/.
var docs = flag.Bool("docs", false, "write docs/console.png and docs/panic.png")

// crashRows are the ways in which a host can end, on purpose.
var crashRows = []row{
	{name: "panic", want: []string{`panic: the command line asked for it`, `goroutine`, `crashOnRequest`, `Kernel trace`}},
	{name: "fatal", want: []string{`concurrent map writes`, `goroutine`}},
	{name: "fault", want: []string{`(?i)exception|fault`, `RIP`}},
	// As in the run loop: a report that uses AVX would fault in its turn, for ever.
	{name: "guest", want: []string{`(?i)exception|fault`, `RIP`}},
	{name: "overflow", want: []string{`stack overflow: a processor's handler stack`, `overflowForTest`}},
	{name: "recursion", want: []string{`stack overflow: a processor's handler stack`, `recurseForTest`}},
}

// TestCrash: the purple screen has the report, and so has the serial line.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, c := range crashRows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, ctx := start(t, harness.Machine{Kernel: built("basalt.elf"), CPUs: 2, Append: "hostname=basalt-1 ip=192.0.2.10/24 -- crash=" + c.name})
			if _, err := r.WaitFor(ctx, `The host has stopped`); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.want {
				if !matches(w, r.Log()) {
					t.Errorf("the serial line does not say %q", w)
				}
			}
			img := screen(t, r)
			if p, words := purple(img), textRows(img); p < 0.8 || words < 8 {
				t.Errorf("%.0f %% of the screen are purple, with %d rows of text", 100*p, words)
			}
			if c.name == "panic" && *docs {
				writePNG(t, "panic.png", img)
			}
		})
	}
}

// TestCrashReboots: panic=reboot restarts the machine, which QEMU answers by its end.
func TestCrashReboots(t *testing.T) {
	t.Parallel()
	r, ctx := start(t, harness.Machine{Kernel: built("basalt.elf"), Append: "panic=reboot -- crash=panic"})
	if err := r.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if !matches(`panic: the command line asked for it`, r.Log()) {
		t.Error("no report on the serial line")
	}
}

// TestConsolePage: the host's screen shows where it is managed.
func TestConsolePage(t *testing.T) {
	t.Parallel()
	r, ctx := start(t, harness.Machine{Kernel: built("basalt.elf"), CPUs: 2, MemMiB: 1024, Append: "hostname=basalt-1 password=secret"})
	if _, err := r.WaitFor(ctx, `msg=ready`); err != nil {
		t.Fatal(err)
	}
	// The page is drawn after the log line: wait until it stands still.
	var img image.Image
	for last := []byte(nil); ; {
		img = screen(t, r)
		if now := pixels(img); textRows(img) >= 6 && bytes.Equal(now, last) {
			break
		} else {
			last = now
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the page has %d rows of text", textRows(img))
		case <-time.After(3 * time.Second): // longer than between two refreshes
		}
	}
	if purple(img) > 0.5 {
		t.Error("a host in good health is purple")
	}
	if *docs {
		writePNG(t, "console.png", img)
	}
}

// screen is what the machine shows.
func screen(t *testing.T, r *harness.Running) image.Image {
	t.Helper()
	path := filepath.Join(r.Dir, "screen.ppm")
	if err := r.Screenshot(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := parsePPM(b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// parsePPM reads a binary PPM image with 8 bits a colour (netpbm, "ppm").
func parsePPM(b []byte) (image.Image, error) {
	m := regexp.MustCompile(`^P6\s+(\d+)\s+(\d+)\s+255\s`).FindSubmatch(b)
	if m == nil {
		return nil, fmt.Errorf("not a PPM image: %.20q", b)
	}
	w, _ := strconv.Atoi(string(m[1]))
	h, _ := strconv.Atoi(string(m[2]))
	b = b[len(m[0]):]
	if len(b) != 3*w*h {
		return nil, fmt.Errorf("a PPM image of %dx%d with %d bytes", w, h, len(b))
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetRGBA(i%w, i/w, color.RGBA{b[3*i], b[3*i+1], b[3*i+2], 255})
	}
	return img, nil
}

func pixels(img image.Image) []byte { return img.(*image.RGBA).Pix }

// purple is the part of the screen that has more red and blue than green.
func purple(img image.Image) float64 {
	p, n := pixels(img), 0
	for i := 0; i < len(p); i += 4 {
		if r, g, b := int(p[i]), int(p[i+1]), int(p[i+2]); r > g+32 && b > g+32 {
			n++
		}
	}
	return float64(n) / float64(len(p)/4)
}

// textRows is the number of 16-pixel rows with more than one colour.
func textRows(img image.Image) int {
	p, b, n := pixels(img), img.Bounds(), 0
	for y := 0; y+16 <= b.Dy(); y += 16 {
		row := p[4*y*b.Dx() : 4*(y+16)*b.Dx()]
		for i := 4; i < len(row); i += 4 {
			if !bytes.Equal(row[i:i+4], row[:4]) {
				n++
				break
			}
		}
	}
	return n
}

func writePNG(t *testing.T, name string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
