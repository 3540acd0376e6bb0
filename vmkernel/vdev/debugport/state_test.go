package debugport

import (
	"io"
	"testing"
)

func TestState(t *testing.T) {
	d := New(io.Discard)
	b, err := d.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.LoadState(b); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]byte{nil, b[:1], append(b, 0), {2, 0}} {
		if d.LoadState(bad) == nil {
			t.Errorf("% x", bad)
		}
	}
}
