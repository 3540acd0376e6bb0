package vm

import (
	"bytes"
	"context"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/uart"
)

// typing is a stream at whose every piece somebody types.
type typing struct {
	bytes.Buffer
	c    *host.Console
	sent int
}

func (w *typing) Write(p []byte) (int, error) {
	w.sent += w.c.Send([]byte{byte(w.sent)})
	return w.Buffer.Write(p)
}

func (w *typing) Read(p []byte) (int, error) {
	w.sent += w.c.Send([]byte{byte(w.sent)})
	return w.Buffer.Read(p)
}

// TestInputWhileSuspended: what is typed while a machine is saved and restored waits for
// its guest.
func TestInputWhileSuspended(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	w := &typing{c: b.vm.Console()}
	if err := b.vm.Save(ctx, w, host.SaveOptions{Then: host.AfterSaveStop}); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Restore(ctx, w, host.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	state, err := m.b.uarts[0].SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Console().Pending(); n != w.sent {
		t.Errorf("%d of %d bytes wait, and the port has %x", n, w.sent, state)
	}
	// And the guest gets it, and what is typed then.
	if err := b.vm.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range w.sent {
		var p [1]byte
		if m.b.uarts[0].ReadPort(uart.COM1, p[:]); p[0] != byte(i) {
			t.Fatalf("byte %d is %#x", i, p[0])
		}
	}
	w.c.Send([]byte{1})
	if n := w.c.Pending(); n != 0 {
		t.Errorf("nobody takes what is typed: %d bytes wait", n)
	}
}
