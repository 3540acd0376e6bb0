package vm

import (
	"context"
	"errors"
	"slices"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
)

// TestFollow: what is there counts as written at first, then what devices write; an error
// of the copy loses nothing; it ends with the machine.
func TestFollow(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	m := b.vm.(*Machine)
	var state *host.StateError
	if err := m.StartDirty(ctx); !errors.As(err, &state) || state.State != host.StateOff {
		t.Errorf("off: %v", err)
	}
	ignore := func(*gmem.Memory, uint64, *gmem.Pages) error { return nil }
	if err := m.CollectDirty(ctx, ignore); !errors.Is(err, gmem.ErrTracking) {
		t.Errorf("off: %v", err)
	}
	if err := m.StopDirty(ctx); err != nil {
		t.Errorf("off: %v", err)
	}
	b.start()
	if err := m.CollectDirty(ctx, ignore); !errors.Is(err, gmem.ErrTracking) {
		t.Errorf("before the start: %v", err)
	}
	if err := m.StartDirty(ctx); err != nil {
		t.Fatal(err)
	}
	if m.Status().State != host.StateRunning {
		t.Errorf("it is %v", m.Status().State)
	}
	if err := m.StartDirty(ctx); !errors.Is(err, gmem.ErrTracking) {
		t.Errorf("twice: %v", err)
	}
	collect := func() (frames []uint64) {
		t.Helper()
		if err := m.CollectDirty(ctx, func(mem *gmem.Memory, gpa uint64, pages *gmem.Pages) error {
			if *pages == (gmem.Pages{}) || !mem.Contains(gpa, 1) {
				t.Errorf("frame %#x, pages %#x", gpa, *pages)
			}
			frames = append(frames, gpa)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return frames
	}
	var there []uint64
	if err := m.b.mem.Frames(func(gpa uint64, _ []byte, _ *gmem.Pages) error {
		there = append(there, gpa)
		return nil
	}); err != nil || len(there) == 0 {
		t.Fatalf("%v, %d frames", err, len(there))
	}
	if got := collect(); !slices.Equal(got, there) {
		t.Errorf("at first frames %#x, %#x are there", got, there)
	}
	if got := collect(); len(got) != 0 {
		t.Errorf("nothing was written to %#x", got)
	}
	if err := m.b.mem.Write(0x5000, []byte{1}); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no room")
	if err := m.CollectDirty(ctx, func(*gmem.Memory, uint64, *gmem.Pages) error { return full }); !errors.Is(err, full) {
		t.Errorf("a copy that fails: %v", err)
	}
	if got := collect(); !slices.Equal(got, []uint64{0}) {
		t.Errorf("after a copy that failed frames %#x", got)
	}
	if err := m.StopDirty(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.CollectDirty(ctx, ignore); !errors.Is(err, gmem.ErrTracking) {
		t.Errorf("after the end: %v", err)
	}
	if err := m.StartDirty(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	b.start()
	if err := m.CollectDirty(ctx, ignore); !errors.Is(err, gmem.ErrTracking) {
		t.Errorf("after a start: %v", err)
	}
}
