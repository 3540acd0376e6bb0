package uart

import (
	"bytes"
	"context"
	"testing"

	"basalt/vmkernel/vtime"
)

// TestPausedBytes: a byte is in the state or still at the backend, never in both or in
// none, in both directions.
func TestPausedBytes(t *testing.T) {
	newPort := func(w *wire) *UART {
		u := New("com1", COM1, vtime.NewManual(0), &pin{}, w)
		u.WritePort(COM1+MCR, []byte{mcrOUT2})
		u.WritePort(COM1+IER, []byte{ierRDA | ierTHRE})
		return u
	}
	w := &wire{in: []byte("a"), room: 0}
	u := newPort(w)
	u.InputReady()
	u.WritePort(COM1, []byte{'x'}) // the backend takes nothing
	if err := u.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	saved, err := u.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	w.in, w.room = append(w.in, 'b'), -1
	u.ReadPort(COM1, make([]byte, 1)) // whoever looks: there is room
	u.InputReady()
	u.OutputReady()
	if string(w.in) != "b" || len(w.out) != 0 {
		t.Errorf("paused: %q waits, %q went out", w.in, w.out)
	}

	// Another port goes on, with the same wire.
	line := &pin{}
	n := New("com1", COM1, vtime.NewManual(0), line, w)
	n.Pause(context.Background())
	n.InputReady() // it came while the state is read
	if err := n.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	if string(w.in) != "b" || len(w.out) != 0 {
		t.Errorf("loaded: %q waits, %q went out", w.in, w.out)
	}
	if again, _ := n.SaveState(); !bytes.Equal(again, saved) {
		t.Errorf("saved\n%x, then\n%x", saved, again)
	}
	n.Resume()
	got := make([]byte, 1)
	n.ReadPort(COM1, got)
	if got[0] != 'a' || !line.high {
		t.Errorf("%q, the line is %v", got, line.high)
	}
	n.ReadPort(COM1, got)
	if got[0] != 'b' || string(w.out) != "x" {
		t.Errorf("then %q; %q went out", got, w.out)
	}
}
