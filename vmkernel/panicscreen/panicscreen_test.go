package panicscreen

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
	pngDir = flag.String("png", "", "write the screens as PNG files into this `directory`")
)

var testRegs = Registers{RAX: 1, RBX: 0xffff800000000000, RCX: 3, RDX: 4, RSI: 5, RDI: 6, RBP: 7, RSP: 0xc000123f00,
	R8: 8, R9: 9, R10: 10, R11: 11, R12: 12, R13: 13, R14: 0xc000002380, R15: 15, RIP: 0x10461f80, RFLAGS: 0x10246,
	CS: 8, SS: 0x10, FSBase: 0x2000000, GSBase: 0xffff80000fe00000, CR0: 0x80010033, CR2: 0x10, CR3: 0x101000, CR4: 0x620}

var testReport = Report{Version: "0.1.0", Cause: "page fault in the kernel: read of 0x10, which is not mapped",
	CPU: 1, Uptime: 12_034_567_890, Vector: 14, Error: 0, Regs: &testRegs}

var goroutines = []byte("goroutine 1 [running]:\nbasalt/vmkernel/vm.(*VM).run(0xc000118000)\n\t/src/vmkernel/vm/vm.go:120 +0x1d4\nmain.main()\n\t/src/cmd/vmkernel/main.go:88 +0x3f2\n")

// fail shows everything once, as after a failure.
func fail() bool {
	if !Begin(&testReport) {
		return false
	}
	Section("Kernel trace")
	Frame(0x10461f80, "basalt/vmkernel/vcpu/svmcpu.(*Engine).Run", 0x1d4)
	Frame(0x10461fff, "", 0)
	Section("Goroutines")
	Write(goroutines)
	End("The host is halted.")
	return true
}

// attach prepares a fresh failure.
func attach(t *testing.T, m *screentest.Memory, line *strings.Builder) *screen.Screen {
	t.Helper()
	s := new(screen.Screen)
	s.Attach(m, m.FB)
	Attach(s, func(c byte) { line.WriteByte(c) })
	owned.Store(false)
	return s
}

func TestScreens(t *testing.T) {
	golden := func(name, got string) {
		t.Helper()
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; go test -update writes it:\n%s", file, got)
		}
	}
	for _, size := range [][2]int{{80, 25}, {132, 50}} {
		var line strings.Builder
		m := screentest.Text(size[0], size[1])
		s := attach(t, m, &line)
		if !fail() || !s.Taken() || m.Outside != 0 {
			t.Errorf("taken %v, %d stores outside", s.Taken(), m.Outside)
		}
		golden(fmt.Sprintf("screen-%dx%d.txt", size[0], size[1]), m.Lines())
		if size[0] == 80 {
			golden("serial.txt", strings.ReplaceAll(line.String(), "\r", ""))
		}
	}
	for _, f := range [][3]int{{1024, 768, 32}, {640, 480, 16}, {100, 50, 24}} {
		var line strings.Builder
		m := screentest.RGB(f[0], f[1], f[2])
		attach(t, m, &line)
		fail()
		if m.Outside != 0 {
			t.Errorf("%v: %d stores outside of the screen", f, m.Outside)
		}
		if *pngDir != "" {
			if err := m.WritePNG(filepath.Join(*pngDir, fmt.Sprintf("panic-%dx%dx%d.png", f[0], f[1], f[2]))); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOnlyOneOwner(t *testing.T) {
	var line strings.Builder
	m := screentest.Text(80, 25)
	attach(t, m, &line)
	if !fail() || fail() {
		t.Error("want the first failure only")
	}
}

func TestNothingAttached(t *testing.T) {
	Attach(nil, nil)
	owned.Store(false)
	if !fail() {
		t.Error("a failure without a screen must still own it")
	}
	var line strings.Builder
	Attach(nil, func(c byte) { line.WriteByte(c) })
	owned.Store(false)
	fail()
	if !strings.Contains(line.String(), "R15 000000000000000f") {
		t.Errorf("serial line alone:\n%s", line.String())
	}
}

// TestGoPanic: registers tell little of a Go panic, so a small screen keeps its
// rows for the traces; the serial line has them all the same.
func TestGoPanic(t *testing.T) {
	var line strings.Builder
	m := screentest.Text(80, 25)
	attach(t, m, &line)
	r := testReport
	r.Vector = -1
	Begin(&r)
	Section("Goroutines")
	Write(goroutines)
	End("The host is halted.")
	if strings.Contains(m.Lines(), "R15") || !strings.Contains(m.Lines(), "main.go:88") || !strings.Contains(line.String(), "R15") {
		t.Errorf("screen:\n%s\nserial line:\n%s", m.Lines(), line.String())
	}
}

// TestFlood: more text than fits neither leaves the screen nor hides the end.
func TestFlood(t *testing.T) {
	var line strings.Builder
	m := screentest.Text(80, 25)
	attach(t, m, &line)
	Begin(&testReport)
	for range 1000 {
		Write(goroutines)
	}
	Write([]byte("\x1b[2J\xff"))
	End("The host is halted.")
	if m.Outside != 0 || !strings.Contains(m.Lines(), "The host is halted.") {
		t.Errorf("%d stores outside\n%s", m.Outside, m.Lines())
	}
}

func TestNoAllocation(t *testing.T) {
	s := new(screen.Screen)
	m := screentest.RGB(640, 480, 32)
	s.Attach(m, m.FB)
	sent := 0
	Attach(s, func(byte) { sent++ })
	if n := testing.AllocsPerRun(3, func() {
		owned.Store(false)
		fail()
	}); n != 0 || sent == 0 {
		t.Errorf("%v allocations, %d bytes sent", n, sent)
	}
}
