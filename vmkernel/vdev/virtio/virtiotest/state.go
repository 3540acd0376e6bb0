package virtiotest

import (
	"bytes"
	"context"
	"testing"
)

// Stateful is what a device offers its owner for saved state.
type Stateful interface {
	Pause(context.Context) error
	Resume()
	SaveState() ([]byte, error)
	LoadState([]byte) error
}

// State pauses a device and gives its state.
func State(t testing.TB, dev Stateful) []byte {
	t.Helper()
	if err := dev.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	s, err := dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Load loads what may be rubbish into a device that was just reset. What is
// accepted can be saved, loaded again and is the same then. It lets the device run.
func Load(t testing.TB, dev Stateful, state []byte) {
	t.Helper()
	if err := dev.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	if dev.LoadState(state) == nil {
		s := State(t, dev)
		if err := dev.LoadState(s); err != nil {
			t.Fatalf("its own state: %v", err)
		}
		if again := State(t, dev); !bytes.Equal(s, again) {
			t.Fatalf("the state changes by loading it:\n%x\n%x", s, again)
		}
	}
	dev.Resume()
}
