package inventory

import (
	"errors"
	"testing"

	"basalt/mgmt/files"
	"basalt/vmkernel/host"
)

// TestSuspendToFullStore: the machine goes on, nothing is left of the state, and it can be
// suspended when there is room.
func TestSuspendToFullStore(t *testing.T) {
	r := newRig(t)
	w, err := r.f.NewWriter("fill", true)
	if err != nil {
		t.Fatal(err)
	}
	for r.f.Free() >= 2<<20 {
		if _, err := w.Write(make([]byte, 2<<20)); err != nil {
			t.Fatal(err)
		}
	}
	free := r.h.Info().MemoryFree
	if err := r.suspendTo("", false); !errors.Is(err, files.ErrTooLarge) {
		t.Error(err)
	}
	r.state("web", host.StateRunning)
	if l := r.f.List("web.state"); len(l) != 0 || r.h.Info().MemoryFree != free {
		t.Errorf("left: %+v, %d bytes free of %d", l, r.h.Info().MemoryFree, free)
	}
	w.Abort()
	if err := r.suspendTo("", false); err != nil {
		t.Error(err)
	}
	r.act(Resume)
}
