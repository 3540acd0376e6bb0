package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/host"
)

// worker is a device with a queue of its own.
type worker struct {
	log   []string
	fails error
}

func (w *worker) Name() string { return "worker" }
func (w *worker) Reset()       {}
func (w *worker) Pause(context.Context) error {
	w.log = append(w.log, "pause")
	return w.fails
}
func (w *worker) Resume() { w.log = append(w.log, "resume") }
func (w *worker) SaveState() ([]byte, error) {
	w.log = append(w.log, "save")
	return []byte{1, 0}, nil
}
func (w *worker) LoadState(b []byte) error {
	w.log = append(w.log, "load")
	return checkpoint.NewDecoder(b, 1).Done("worker")
}

// TestWorkersArePaused: a device is quiet while it is saved and loaded, and works
// again with the machine.
func TestWorkersArePaused(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	ctx := context.Background()
	w := &worker{}
	if err := b.vm.(*Machine).b.bus.Add(w); err != nil {
		t.Fatal(err)
	}
	state := b.saved(host.AfterSaveGoOn)
	if want := []string{"pause", "save", "resume"}; !slices.Equal(w.log, want) {
		t.Errorf("%v", w.log)
	}
	w.log = nil
	b.saved(host.AfterSavePause)
	if want := []string{"pause", "save"}; !slices.Equal(w.log, want) {
		t.Errorf("%v", w.log)
	}
	if err := b.vm.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []string{"pause", "save", "resume"}; !slices.Equal(w.log, want) {
		t.Errorf("%v", w.log)
	}
	w.log, w.fails = nil, errors.New("a disk does not answer")
	if err := b.vm.Save(ctx, io.Discard, host.SaveOptions{Then: host.AfterSaveStop}); !errors.Is(err, host.ErrNotSavable) ||
		!errors.Is(err, w.fails) || !strings.Contains(err.Error(), "device worker") {
		t.Error(err)
	}
	b.state(host.StateRunning)
	if want := []string{"pause", "resume"}; !slices.Equal(w.log, want) {
		t.Errorf("%v", w.log)
	}

	// The same for a load, on a board that has such a device too.
	m := newMachine(b.mgr.p, host.Config{ID: "x", CPUs: 1, MemoryMiB: 8})
	f := &frozen{}
	var err error
	if f.b, err = build(b.mgr.p, m.conf, nil, standard(m.conf), false, nil, &m.con, m.ask); err != nil {
		t.Fatal(err)
	}
	w = &worker{}
	if err := f.b.bus.Add(w); err != nil {
		t.Fatal(err)
	}
	in, err := checkpoint.NewReader(bytes.NewReader(state))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.load(ctx, in, nil); err != nil {
		t.Fatal(err)
	}
	if err := m.tell(action{kind: actAdopt, state: f}); err != nil {
		t.Fatal(err)
	}
	if err := m.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []string{"pause", "load", "resume"}; !slices.Equal(w.log, want) {
		t.Errorf("%v", w.log)
	}
	if err := m.Stop(ctx); err != nil {
		t.Error(err)
	}
	m.discard()
}
