package console

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"basalt/vmkernel/screen"
	"basalt/vmkernel/screen/screentest"
)

var (
	update = flag.Bool("update", false, "write testdata")
	pngDir = flag.String("png", "", "write the pages as PNG files into this `directory`")
)

func testPage() Page {
	return Page{
		Product: "Basalt 0.1.0", Hostname: "host-1.example.org",
		Hardware:    []string{"2 x AMD EPYC Processor", "256 MiB memory", "AMD-V with nested paging"},
		URLs:        []string{"https://10.0.2.15/", "https://host-1.example.org/"},
		Address:     "10.0.2.15/24 (DHCP)",
		State:       "ready",
		Fingerprint: strings.TrimSuffix(strings.Repeat("A1:", 32), ":"),
		Password:    "correct-horse-7",
	}
}

func show(t *testing.T, m *screentest.Memory) *Console {
	t.Helper()
	var s screen.Screen
	if !s.Attach(m, m.FB) {
		t.Fatal("nothing to show")
	}
	c := New(&s)
	for i := range 20 {
		fmt.Fprintf(c, "[%d.%06d] log line %d of a host that starts\r\n", i/4, i*31, i)
	}
	c.Show(testPage())
	return c
}

// TestTextPage holds the page in text mode to golden files.
func TestTextPage(t *testing.T) {
	for _, size := range [][2]int{{80, 25}, {132, 50}, {40, 12}} {
		m := screentest.Text(size[0], size[1])
		show(t, m)
		file := fmt.Sprintf("testdata/page-%dx%d.txt", size[0], size[1])
		if *update {
			if err := os.WriteFile(file, []byte(m.Lines()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Lines(); got != string(want) {
			t.Errorf("%s differs; go test -update writes it:\n%s", file, got)
		}
		if m.Outside != 0 {
			t.Errorf("%d stores outside of the screen", m.Outside)
		}
	}
}

// TestFramebuffers draws on many sizes; -png shows what it looks like.
func TestFramebuffers(t *testing.T) {
	for _, f := range [][3]int{{1024, 768, 32}, {800, 600, 24}, {1280, 1024, 16}, {3840, 2160, 32}, {320, 200, 32}, {8, 16, 32}, {1366, 768, 32}} {
		m := screentest.RGB(f[0], f[1], f[2])
		show(t, m)
		if m.Outside != 0 {
			t.Errorf("%v: %d stores outside of the screen", f, m.Outside)
		}
		if *pngDir != "" {
			if err := m.WritePNG(filepath.Join(*pngDir, fmt.Sprintf("console-%dx%dx%d.png", f[0], f[1], f[2]))); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOnlyChanges: a page that is the same costs no store, a changed word few.
func TestOnlyChanges(t *testing.T) {
	m := screentest.Text(80, 25)
	c := show(t, m)
	m.Stores = 0
	c.Show(testPage())
	if m.Stores != 0 {
		t.Errorf("%d stores for the same page", m.Stores)
	}
	p := testPage()
	p.State = "readX"
	c.Show(p)
	if m.Stores != 1 {
		t.Errorf("%d stores for one changed character", m.Stores)
	}
}

func TestTaken(t *testing.T) {
	m := screentest.Text(80, 25)
	c := show(t, m)
	c.screen.Take()
	m.Stores = 0
	c.Show(Page{Product: "other"})
	fmt.Fprintln(c, "line")
	if m.Stores != 0 {
		t.Errorf("%d stores after the screen was taken", m.Stores)
	}
}

func TestHostileText(t *testing.T) {
	m := screentest.Text(80, 25)
	c := show(t, m)
	p := testPage()
	p.Hostname = strings.Repeat("\x1b[2J\xff", 100)
	p.Hardware = make([]string, 100)
	p.URLs = make([]string, 100)
	c.Show(p)
	fmt.Fprint(c, strings.Repeat("x", 1<<20)) // a line without end
	fmt.Fprintln(c)
	for _, b := range []byte(m.Lines()) {
		if b != '\n' && (b < ' ' || b > '~') {
			t.Fatalf("byte %#x on the screen", b)
		}
	}
	if m.Outside != 0 || len(c.partial) > screen.MaxCols+1 {
		t.Errorf("%d stores outside, %d bytes kept", m.Outside, len(c.partial))
	}
}
