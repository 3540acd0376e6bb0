package hosttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"basalt/vmkernel/host"
)

// save starts a machine "a" and saves it.
func (b *bench) save(t *testing.T, then host.AfterSave) (host.VM, []byte) {
	t.Helper()
	vm := b.create(t, "a")
	if err := vm.Start(t.Context(), b.boot()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var done, total uint64
	if err := vm.Save(t.Context(), &out, host.SaveOptions{Then: then, Progress: func(d, n uint64) { done, total = d, n }}); err != nil {
		t.Fatal(err)
	}
	if done == 0 || done != total {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	return vm, out.Bytes()
}

func want(t *testing.T, vm host.VM, s host.State) {
	t.Helper()
	if got := vm.Status(); got.State != s {
		t.Errorf("%s is %s (%s), want %s", vm.Config().ID, got.State, got.Reason, s)
	}
}

func saving(t *testing.T, b *bench) {
	ctx := t.Context()
	off := b.create(t, "off")
	if err := off.Save(ctx, io.Discard, host.SaveOptions{}); !errors.Is(err, host.ErrState) {
		t.Errorf("save of a machine that is off: %v", err)
	}
	vm, state := b.save(t, host.AfterSaveGoOn)
	want(t, vm, host.StateRunning)
	for _, then := range []host.AfterSave{host.AfterSavePause, host.AfterSaveGoOn} {
		if err := vm.Save(ctx, io.Discard, host.SaveOptions{Then: then}); err != nil {
			t.Fatal(err)
		}
		want(t, vm, host.StatePaused)
	}
	// The machine goes on from a state while the one that was saved still runs.
	clone, err := b.VMs().Restore(ctx, bytes.NewReader(append(state, "more"...)), host.RestoreOptions{ID: "b", Name: "clone", NewGeneration: true})
	if err != nil {
		t.Fatal(err)
	}
	want(t, clone, host.StatePaused)
	if c := clone.Config(); c.ID != "b" || c.Name != "clone" || c.CPUs != 1 || c.MemoryMiB != b.s.MemoryMiB {
		t.Errorf("%+v", c)
	}
	if got, err := b.VMs().Get("b"); err != nil || got != clone {
		t.Errorf("get: %v", err)
	}
	if err := clone.Resume(ctx); err != nil {
		t.Error(err)
	}
	want(t, clone, host.StateRunning)
	if _, err := b.VMs().Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "a", Boot: b.boot()}); !errors.Is(err, host.ErrExists) {
		t.Errorf("same id: %v", err)
	}
	if err := vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{Boot: b.boot()}); !errors.Is(err, host.ErrState) {
		t.Errorf("restore into a running machine: %v", err)
	}
	var last bytes.Buffer
	if err := vm.Save(ctx, &last, host.SaveOptions{Then: host.AfterSaveStop, Note: []byte("a note")}); err != nil {
		t.Fatal(err)
	}
	want(t, vm, host.StateOff)
	// It goes on from a file in the machine that it was.
	if err := vm.Restore(ctx, bytes.NewReader(last.Bytes()[:last.Len()/2]), host.RestoreOptions{Boot: b.boot()}); !errors.Is(err, host.ErrBadState) {
		t.Errorf("half a state: %v", err)
	}
	want(t, vm, host.StateOff)
	if err := vm.Restore(ctx, bytes.NewReader(last.Bytes()), host.RestoreOptions{Boot: b.boot()}); err != nil {
		t.Fatal(err)
	}
	want(t, vm, host.StatePaused)
	if err := vm.Resume(ctx); err != nil {
		t.Error(err)
	}
	want(t, vm, host.StateRunning)
	if err := vm.Stop(ctx); err != nil {
		t.Error(err)
	}
	s, err := host.InspectState(bytes.NewReader(last.Bytes()))
	if c := s.Config; err != nil || string(s.Note) != "a note" || s.Engine == "" || c.ID != "a" || c.Hardware == 0 || s.MemoryBytes != uint64(c.MemoryMiB)<<20 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := host.CheckState(bytes.NewReader(last.Bytes())); err != nil {
		t.Error(err)
	}
	last.Bytes()[last.Len()-1] ^= 1
	if err := host.CheckState(bytes.NewReader(last.Bytes())); !errors.Is(err, host.ErrBadState) {
		t.Errorf("a flipped bit: %v", err)
	}
	if err := clone.Stop(ctx); err != nil {
		t.Error(err)
	}
	// With boot images it can be reset, and they are closed when it is off.
	again, err := b.VMs().Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "c", Boot: b.boot()})
	if err != nil {
		t.Fatal(err)
	}
	if c := again.Config(); c.Name != "a" {
		t.Errorf("%+v", c)
	}
	if err := again.Reset(ctx); err != nil {
		t.Error(err)
	}
	want(t, again, host.StateRunning)
	if err := again.Stop(ctx); err != nil {
		t.Error(err)
	}
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d images are open", n)
	}
}

// full is a disk with no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func savingFails(t *testing.T, b *bench) {
	vm, state := b.save(t, host.AfterSaveGoOn)
	if err := vm.Save(t.Context(), full{}, host.SaveOptions{Then: host.AfterSaveStop}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("save to a full disk: %v", err)
	}
	want(t, vm, host.StateRunning)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := vm.Save(gone, io.Discard, host.SaveOptions{Then: host.AfterSaveStop}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	want(t, vm, host.StateRunning)
	if err := vm.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	free := b.Info().MemoryFree
	restore := func(r io.Reader) error {
		_, err := b.VMs().Restore(t.Context(), r, host.RestoreOptions{ID: "b", Boot: b.boot()})
		return err
	}
	for n := 0; n < len(state); n += 1 + len(state)/50 {
		if err := restore(bytes.NewReader(state[:n])); !errors.Is(err, host.ErrBadState) {
			t.Errorf("%d of %d bytes: %v", n, len(state), err)
		}
	}
	for i := 0; i < len(state); i += 1 + len(state)/50 {
		flipped := bytes.Clone(state)
		flipped[i] ^= 1 << (i % 8)
		if err := restore(bytes.NewReader(flipped)); !errors.Is(err, host.ErrBadState) && !errors.Is(err, host.ErrIncompatible) {
			t.Errorf("bit of byte %d: %v", i, err)
		}
	}
	if err := restore(bytes.NewReader([]byte("this is a text"))); !errors.Is(err, host.ErrBadState) {
		t.Errorf("text: %v", err)
	}
	if l := b.VMs().List(); len(l) != 1 {
		t.Errorf("%d machines after failed restores", len(l))
	}
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d images are open", n)
	}
	if after := b.Info().MemoryFree; after != free {
		t.Errorf("%d bytes free, %d before", after, free)
	}
}
