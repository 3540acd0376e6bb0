package virtio_test

import (
	"bytes"
	"errors"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
)

// clone makes a second device with the same memory contents and loads the state.
func (r *rig) clone() *rig {
	r.T.Helper()
	state, err := r.dev.SaveState()
	if err != nil {
		r.T.Fatal(err)
	}
	n := newRig(r.T)
	if err := n.Mem.Write(0, image(r.Mem)); err != nil {
		r.T.Fatal(err)
	}
	n.pause()
	if err := n.dev.LoadState(state); err != nil {
		r.T.Fatal(err)
	}
	again, err := n.dev.SaveState()
	if err != nil || !bytes.Equal(state, again) {
		r.T.Fatalf("saved again: %v\n%x\n%x", err, state, again)
	}
	return n
}

func TestStateGoesOnElsewhere(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Init(f, 2, 16)
			for i := range uint32(21) {
				r.echo(0, i)
			}
			r.Rings[0].Arm()
			r.pause()
			r.send(0, 99) // waits
			n := r.clone()
			// The rings' driver sides look at the first memory: read the used ring of
			// the second one by copying it back.
			n.dev.Resume()
			n.T = r.T
			n.Until("an interrupt", func() bool { return n.Slot.Signals(1) != 0 })
			n.pause()
			if err := r.Mem.Write(0, image(n.Mem)); err != nil {
				t.Fatal(err)
			}
			if _, written, ok := r.Rings[0].Used(); !ok || written != 4 {
				t.Errorf("used: %v, %d bytes", ok, written)
			}
			if v, _ := r.Mem.Uint32(in); v != 99 {
				t.Errorf("answer %d", v)
			}
			want(t, "status", n.Status(), r.Status())
		})
	}
}

func TestBrokenDeviceIsSavedAsSuch(t *testing.T) {
	r := newRig(t)
	r.Init(0, 1, 0)
	r.Mem.PutUint16(r.Rings[0].Config().Driver+spec.AvailIdx, 1000)
	r.Ring(0)
	r.UntilBroken()
	r.pause()
	n := r.clone()
	n.dev.Resume()
	want(t, "needs reset", n.Status()&spec.StatusNeedsReset, spec.StatusNeedsReset)
	n.Init(0, 2, 0)
	n.echo(0, 1)
}

func TestLoadStateRefuses(t *testing.T) {
	r := newRig(t)
	r.Init(0, 2, 0)
	r.pause()
	good, err := r.dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	n := newRig(t)
	if err := n.dev.LoadState(good); !errors.Is(err, virtio.ErrBusy) {
		t.Errorf("load without a pause: %v", err)
	}
	n.pause()
	for i := range good {
		if err := n.dev.LoadState(good[:i]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", i, len(good))
		}
	}
	if err := n.dev.LoadState(append(bytes.Clone(good), 0)); err == nil {
		t.Error("a byte more was accepted")
	}
	for field, c := range map[string]struct {
		at int
		v  byte
	}{
		"status bit 5": {8, 0x2f}, "DRIVER_OK without FEATURES_OK": {8, 7}, "driver's features": {17, 1}, "features": {25, 4},
		"config_msix_vector": {33, 77}, "ISR": {39, 4}, "window": {40, 9}, "queue's maximum": {60, 63}, "queue_size": {62, 65},
	} {
		bad := bytes.Clone(good)
		bad[c.at] = c.v
		if err := n.dev.LoadState(bad); err == nil {
			t.Errorf("%s was accepted", field)
		}
	}
	want(t, "status", n.Status(), 0)
	if err := n.dev.LoadState(good); err != nil {
		t.Error(err)
	}
	mem := virtiotest.NewMemory(t, 2<<20)
	c := config(mem, &echo{})
	c.Queues = []uint16{64}
	other, err := virtio.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.LoadState(good); err == nil {
		t.Error("a device with one queue took the state of two")
	}
}
