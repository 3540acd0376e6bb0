package inventory

import (
	"strings"
	"testing"

	"basalt/vmkernel/host"
)

// TestStateIsHeldAtOnce: somebody who uploads to the path of the state all the time never
// gets between the writing of it and the hold on it: the machine goes on from its own.
func TestStateIsHeldAtOnce(t *testing.T) {
	r := newRig(t)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				r.f.Put("web.state", strings.NewReader("mine"), 4, false)
			}
		}
	}()
	for i := range 300 {
		if err := r.suspendTo("", true); err != nil {
			t.Fatal(i, err)
		}
		if err := r.try(Resume); err != nil {
			t.Error(i, err)
			break
		}
	}
	close(stop)
	<-done
	r.state("web", host.StateRunning)
}
