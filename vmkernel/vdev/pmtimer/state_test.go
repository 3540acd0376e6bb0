package pmtimer

import (
	"testing"

	"basalt/vmkernel/vtime"
)

// TestState: the count is the clock's, the width has to be the same.
func TestState(t *testing.T) {
	clock := vtime.NewManual(0)
	wide, narrow := New(clock, true), New(clock, false)
	b, err := wide.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := New(clock, true).LoadState(b); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]byte{nil, b[:5], append(b, 0)} {
		if wide.LoadState(bad) == nil {
			t.Errorf("% x", bad)
		}
	}
	if narrow.LoadState(b) == nil {
		t.Error("24 bits took a counter of 32")
	}
}
