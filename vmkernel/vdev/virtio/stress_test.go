package virtio_test

import (
	"errors"
	"sync"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

// Processors write registers and doorbells while the owner pauses, saves, resumes
// and resets. Nothing hangs, and a driver that begins anew finds a device that works.
func TestEverybodyAtOnce(t *testing.T) {
	r := newRig(t)
	var others sync.WaitGroup
	stop := make(chan struct{})
	forever := func(f func()) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	other := []byte{0, 0}
	forever(func() {
		r.dev.WriteBAR(virtio.RegistersBAR, virtio.Doorbell(0), other)
		r.dev.ReadBAR(virtio.RegistersBAR, r.ISR, make([]byte, 1))
		r.dev.ReadBAR(virtio.RegistersBAR, r.Config, make([]byte, 4))
		r.dev.ConfigChanged()
	})
	// A pause for each chain at most: somebody who pauses all the time stops all work.
	chains := make(chan struct{}, 1)
	forever(func() {
		select {
		case <-chains:
		case <-stop:
			return
		}
		if err := r.dev.Pause(t.Context()); err != nil {
			t.Error(err)
		}
		// A processor may start a queue at any time here, which no owner allows.
		if _, err := r.dev.SaveState(); err != nil && !errors.Is(err, virtio.ErrBusy) {
			t.Error(err)
		}
		r.dev.Resume()
	})
	for range 100 {
		r.Init(kinds["split-events"], 2, 0)
		for i := range uint32(5) {
			select {
			case chains <- struct{}{}:
			default:
			}
			r.echo(int(i%2), i)
		}
		r.send(0, 1)
		r.Ring(0)
	}
	r.SetStatus(0)
	r.dev.Reset()
	if err := r.dev.ResetDone(t.Context()); err != nil {
		t.Error(err)
	}
	close(stop)
	others.Wait()
	r.Init(1<<spec.FRingPacked, 2, 0)
	r.echo(1, 7)
}
