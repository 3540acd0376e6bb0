package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"basalt/vmkernel/host"
)

// frozenAfter does something on the owner's goroutine and saves the machine before the
// owner has looked at anything else.
func (b *bench) frozenAfter(do func(m *Machine)) ([]byte, error) {
	m := b.vm.(*Machine)
	var f frozen
	if err := m.tell(action{kind: actChange, change: func(bool) error {
		do(m)
		return m.freeze(&f)
	}}); err != nil {
		return nil, err
	}
	var w bytes.Buffer
	_, err := f.write(context.Background(), &w, nil)
	return w.Bytes(), err
}

// TestRequestBeforeSave: a power-off that the guest asked for before the save, and that
// the owner has not looked at, is in the state: the guest executes nothing behind it.
func TestRequestBeforeSave(t *testing.T) {
	for _, paused := range []bool{false, true} {
		b := newBench(t, load()...)
		b.f.Loop = true
		b.start()
		if paused {
			if err := b.vm.Pause(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		state, err := b.frozenAfter(func(m *Machine) { m.ask(reqPowerOff) })
		if err != nil {
			t.Fatal(err)
		}
		m := b.restore(state, "copy")
		if err := m.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := m.Status(); s.State != host.StateOff || !strings.Contains(s.Reason, "by the guest") {
			t.Errorf("paused before %v: %+v", paused, s)
		}
		// The machine itself too, when it goes on.
		if err := b.vm.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.state(host.StateOff)
	}
}

// TestEjectionBeforeSave: a device that the guest has let go, and that is still in the
// books, is not in the state: there is nothing to load into it.
func TestEjectionBeforeSave(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one")); err != nil {
		t.Fatal(err)
	}
	state, err := b.frozenAfter(func(m *Machine) {
		d := m.b.device(diskKind, "one")
		m.leave(d, m.b.pci.Gone(d.at))
		if err := m.b.pci.Remove(d.at); err != nil { // as when the guest turns the slot off
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m := b.restore(state, "copy")
	if c := m.Config(); len(c.Disks) != 0 {
		t.Errorf("%+v", c.Disks)
	}
	if c := b.vm.Config(); len(c.Disks) != 0 {
		t.Errorf("%+v", c.Disks)
	}
}

// TestHalfOutIsNotSaved: a device that was pulled out and whose requests have not come
// back is on no bus and still the machine's: no state could say that.
func TestHalfOutIsNotSaved(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one")); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	d := m.b.device(diskKind, "one")
	stuck := errors.New("a request is in flight")
	real := d.f
	if err := m.alter(ctx, "test", func(bool) error { d.f = stuckFunction{real, stuck}; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.DetachDisk(ctx, "one", true); !errors.Is(err, stuck) {
		t.Fatal(err)
	}
	if err := b.vm.Save(ctx, io.Discard, host.SaveOptions{Then: host.AfterSaveStop}); !errors.Is(err, host.ErrNotSavable) || !strings.Contains(err.Error(), `disk "one"`) {
		t.Error(err)
	}
	b.state(host.StateRunning)
	if err := m.alter(ctx, "test", func(bool) error { d.f = real; return nil }); err != nil {
		t.Fatal(err)
	}
	state := b.saved(host.AfterSaveGoOn) // it is out now
	if c := b.restore(state, "copy").Config(); len(c.Disks) != 0 {
		t.Errorf("%+v", c.Disks)
	}
}

// stuckFunction is a device whose requests do not come back.
type stuckFunction struct {
	function
	err error
}

func (s stuckFunction) Close(context.Context) error { return s.err }
