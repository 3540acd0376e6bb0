package inventory

import (
	"errors"
	"testing"

	"basalt/vmkernel/host"
)

// TestStartOfCrashed: a machine that crashed is started again with its own images, which
// it still has open.
func TestStartOfCrashed(t *testing.T) {
	r := newRig(t)
	r.h.Crash(r.vm.ID, "triple fault")
	r.act(Start)
	r.state("web", host.StateRunning)
	// Without its kernel it cannot be started, and its reason is not lost.
	r.h.Crash(r.vm.ID, "triple fault")
	if err := r.f.Remove("bz"); err != nil {
		t.Fatal(err)
	}
	if err := r.try(Start); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	if vm := r.state("web", host.StateCrashed); vm.Status.Reason != "triple fault" {
		t.Errorf("%+v", vm.Status)
	}
}
