package vm

import (
	"bytes"
	"context"
	"testing"

	"basalt/vmkernel/host"
)

// TestVsock: the device is there when asked for, is saved, and comes back.
func TestVsock(t *testing.T) {
	wait, entered, acted := pressed()
	b := newTable(t, wait)
	ctx := context.Background()
	vm, err := b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, VsockCID: 42})
	if err != nil {
		t.Fatal(err)
	}
	b.vm = vm
	b.start()
	<-entered
	if d := vm.(*Machine).b.device("vsock", ""); d == nil || d.at == nil {
		t.Error("no device")
	}
	close(acted)
	var state bytes.Buffer
	if err := vm.Save(ctx, &state, host.SaveOptions{Then: host.AfterSaveStop}); err != nil {
		t.Fatal(err)
	}
	m := b.restore(state.Bytes(), "vm-2")
	if m.Config().VsockCID != 42 || m.b.device("vsock", "") == nil {
		t.Errorf("restored without it: %+v", m.Config())
	}
}
