package virtio_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

func (r *rig) pause() {
	r.T.Helper()
	if err := r.dev.Pause(r.T.Context()); err != nil {
		r.T.Fatal(err)
	}
}

func TestPausedDeviceLeavesMemoryAlone(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Init(f, 2, 0)
			r.echo(0, 1)
			r.pause()
			r.pause() // again does no harm
			r.send(0, 2)
			before := image(r.Mem)
			r.Ring(0)
			r.dev.Queue(1).Ring()
			r.pause()
			if !bytes.Equal(before, image(r.Mem)) {
				t.Error("guest memory changed")
			}
			r.dev.Resume()
			if _, n := r.Take(0); n != 4 {
				t.Errorf("%d bytes", n)
			}
			r.echo(1, 3)
		})
	}
}

func image(m *gmem.Memory) []byte {
	b := make([]byte, 2<<20)
	if err := m.Read(0, b); err != nil {
		panic(err)
	}
	return b
}

func (r *rig) holdOne(i int) {
	r.m.setHold()
	r.send(i, 7)
	r.Ring(i)
	for r.m.count(func(m *echo) int { return len(m.held) }) == 0 {
		r.dev.Queue(i).Ring()
	}
}

func TestPauseWaitsForWhatIsInFlight(t *testing.T) {
	r := newRig(t)
	r.Init(0, 2, 0)
	r.holdOne(0)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := r.dev.Pause(ctx); !errors.Is(err, why) {
		t.Errorf("pause with a chain in flight: %v", err)
	}
	if _, err := r.dev.SaveState(); !errors.Is(err, virtio.ErrBusy) {
		t.Errorf("save with a chain in flight: %v", err)
	}
	r.m.release(r.dev, 2)
	r.pause()
	if _, _, ok := r.Rings[0].Used(); !ok {
		t.Error("the chain was not given back")
	}
	r.dev.Resume()
	r.echo(0, 1)
}

// TestPauseComesAmongChains: a pause does not wait until the ring is empty.
func TestPauseComesAmongChains(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRig(t)
	r.Init(0, 1, 0)
	r.m.count(func(m *echo) int {
		m.during = func() { _ = r.dev.Pause(gone) } // it begins, and cannot end here
		return 0
	})
	for range 3 {
		r.send(0, 7)
	}
	r.Ring(0)
	pending := func(m *echo) int {
		if m.during != nil {
			return 1
		}
		return 0
	}
	for r.m.count(pending) != 0 {
		runtime.Gosched()
	}
	r.pause()
	used := 0
	for _, _, ok := r.Rings[0].Used(); ok; _, _, ok = r.Rings[0].Used() {
		used++
	}
	want(t, "chains before the pause", used, 1)
	r.dev.Resume()
	r.Take(0)
	r.Take(0)
}

func TestMachineResetWhileRunning(t *testing.T) {
	r := newRig(t)
	for range 20 {
		r.Init(1<<spec.FRingEventIdx, 2, 0)
		r.send(0, 1)
		r.Ring(0)
		r.dev.Reset()
		if err := r.dev.ResetDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "status", r.Status(), 0)
	}
	r.Init(0, 2, 0)
	r.holdOne(0)
	r.dev.Reset() // does not wait
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.dev.ResetDone(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("reset with a chain in flight: %v", err)
	}
	r.m.release(r.dev, 2)
	if err := r.dev.ResetDone(t.Context()); err != nil {
		t.Error(err)
	}
	r.Init(0, 2, 0)
	r.pause()
	r.dev.Reset()
	if err := r.dev.ResetDone(t.Context()); err != nil {
		t.Error(err)
	}
	want(t, "status", r.Status(), 0)
	r.dev.Resume()
	r.Init(0, 2, 0)
	r.echo(1, 2)
}

func TestBusMasterOffMeansNoDMA(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Slot.SetBusMaster(false)
			r.Init(f, 1, 0)
			r.send(0, 1)
			before := image(r.Mem)
			r.Ring(0)
			r.pause() // a pass was made
			r.dev.Resume()
			r.pause()
			if !bytes.Equal(before, image(r.Mem)) {
				t.Error("guest memory changed")
			}
			r.dev.Resume()
			r.Slot.SetBusMaster(true)
			r.dev.BusMasterChanged()
			if _, n := r.Take(0); n != 4 {
				t.Errorf("%d bytes", n)
			}
		})
	}
}

func TestOneInterruptForABatch(t *testing.T) {
	r := newRig(t)
	r.Init(0, 1, 0)
	r.pause()
	for range 20 {
		r.send(0, 1)
	}
	before := r.Slot.Signals(1)
	r.dev.Resume()
	for range 20 {
		r.Take(0)
	}
	r.pause()
	want(t, "interrupts", r.Slot.Signals(1)-before, 1)
}

func TestCloseUnplugs(t *testing.T) {
	r := newRig(t)
	r.Init(0, 2, 0)
	r.holdOne(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.dev.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close with a chain in flight: %v", err)
	}
	want(t, "closed", r.m.count(func(m *echo) int { return m.closed }), 0)
	want(t, "read", r.dev.ReadBAR(0, r.Common, make([]byte, 4)), vbus.NoRegister)
	want(t, "write", r.dev.WriteBAR(0, r.Common+spec.DeviceStatus, []byte{0}), vbus.NoRegister)
	r.dev.WriteBAR(0, r.Notify, []byte{0, 0})
	r.m.release(r.dev, 2)
	if err := r.dev.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoAllocationForADoorbellOrAPass(t *testing.T) {
	r := newRig(t)
	r.Init(1<<spec.FRingEventIdx, 1, 256)
	const runs = 100
	seg := []vringtest.Seg{{Addr: out, Len: 4}, {Addr: in, Len: 4, Write: true}}
	r.Rings[0].Add(seg...)
	r.Kick(0)
	r.Take(0)
	for range 2 { // chains grow, maps of the test's ring too
		r.Rings[0].Add(seg...)
		r.Ring(0)
		r.Take(0)
	}
	ring := r.Rings[0]
	n := testing.AllocsPerRun(runs, func() {
		ring.Add(seg...)
		r.Ring(0)
		for {
			if _, _, ok := ring.Used(); ok {
				return
			}
			runtime.Gosched()
		}
	})
	want(t, "allocations", n, 0.0)
}

var _ virtiotest.Function = (*virtio.Device)(nil)
