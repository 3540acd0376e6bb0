package emuldiff

import (
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"basalt/qemu-test/guests"
)

// recorded is what the guest "emul" or "emul64" printed on QEMU 7.2's processor (-cpu max, no
// hypervisor).
func recorded(t *testing.T, bits string) string {
	t.Helper()
	f, err := os.Open("testdata/native" + bits + ".txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEmulatorDoesWhatAProcessorDoes(t *testing.T) {
	if s := recorded(t, "32"); !strings.HasPrefix(s, guests.EmulDevice) {
		t.Errorf("the processor says %.50q of the I/O APIC", s)
	}
	diff, n := Compare(recorded(t, "32"))
	for _, d := range diff {
		t.Error(d)
	}
	if want := len(guests.EmulRows()) * len(guests.EmulInputs); n != want {
		t.Errorf("%d results of %d: record the guest again (see doc.go)", n, want)
	}
}

func TestEmulatorDoesWhatAProcessorDoesIn64Bits(t *testing.T) {
	diff, n := Compare64(recorded(t, "64"))
	for _, d := range diff {
		t.Error(d)
	}
	if want := len(guests.Emul64Rows()) * len(guests.Emul64Inputs); n != want {
		t.Errorf("%d results of %d: record the guest again (see doc.go)", n, want)
	}
}

// TestADifferenceIsSeen: one wrong digit is one difference, and silence is one.
func TestADifferenceIsSeen(t *testing.T) {
	s := recorded(t, "32")
	i := strings.Index(s, "add [ebx],edx/0 ") + len("add [ebx],edx/0 ") + 8*(guests.EmulMem+4)
	wrong := byte('0')
	if s[i] == wrong {
		wrong = '1'
	}
	if diff, _ := Compare(s[:i] + string(wrong) + s[i+1:]); len(diff) != 1 || !strings.HasPrefix(diff[0], "add [ebx],edx/0") {
		t.Errorf("%d differences: %q", len(diff), diff)
	}
	lines := strings.SplitAfter(s, "\n")
	if diff, n := Compare(strings.Join(lines[2:], "")); len(diff) != 1 || n != len(guests.EmulRows())*len(guests.EmulInputs)-1 {
		t.Errorf("%d differences, %d compared", len(diff), n)
	}
	if diff, n := Compare(""); n != 0 || len(diff) == 0 {
		t.Error("nothing is the same")
	}
}
