package cases

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestMain says again, behind the last case, what those that failed have said of their
// guests: between the lines of a hundred cases that passed it is soon cut off.
func TestMain(m *testing.M) {
	code := m.Run()
	digest.Lock()
	defer digest.Unlock()
	if code != 0 && digest.text.Len() > 0 {
		fmt.Printf("\nOf the guests whose cases failed:\n%s\n", digest.text.String())
	}
	os.Exit(code)
}

// digestMax is the most that is said again, in bytes.
const digestMax = 16 << 10

var digest struct {
	sync.Mutex
	text strings.Builder
}

// again keeps a text for the end, and gives it back.
func again(t *testing.T, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	digest.Lock()
	defer digest.Unlock()
	if digest.text.Len()+len(text) < digestMax {
		fmt.Fprintf(&digest.text, "%s: %s\n", t.Name(), text)
	}
	return text
}

// cut is the first n bytes of a text.
func cut(s string, n int) string { return s[:min(n, len(s))] }
