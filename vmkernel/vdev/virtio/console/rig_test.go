package console_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio/console"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, io.ErrClosedPipe
	}
	n := len(p)
	if w.room >= 0 {
		n = min(n, w.room)
		w.room -= n
	}
	w.out = append(w.out, p[:n]...)
	return n, nil
}

func (w *wire) Receive(p []byte) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n
}

func (w *wire) set(f func(*wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

func (w *wire) got() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.out)
}

func newRig(t testing.TB, c console.Config) *rig {
	t.Helper()
	r := &rig{}
	for i := range c.Ports {
		w := &wire{room: -1}
		r.wires = append(r.wires, w)
		c.Ports[i].Backend = w
		c.Ports[i].Opened = func(open bool) { w.set(func(w *wire) { w.opened = append(w.opened, open) }) }
	}
	mem := virtiotest.NewMemory(t, 8<<20)
	c.Name, c.Memory = "console0", mem
	dev, err := console.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r.dev, r.Driver = dev, virtiotest.Connect(t, dev, mem)
	return r
}

func two() console.Config {
	return console.Config{Cols: 80, Rows: 25, Ports: []console.Port{{Console: true}, {Name: "org.basalt.agent"}}}
}

func out(off uint64, n uint32) vringtest.Seg { return vringtest.Seg{Addr: at + off, Len: n} }
func in(off uint64, n uint32) vringtest.Seg {
	return vringtest.Seg{Addr: at + off, Len: n, Write: true}
}

// send transmits on a queue and waits until the buffer is used.
func (r *rig) send(q int, b []byte) {
	r.T.Helper()
	if err := r.Mem.Write(at, b); err != nil {
		r.T.Fatal(err)
	}
	r.Rings[q].Add(out(0, uint32(len(b))))
	r.Kick(q)
	if _, n := r.Take(q); n != 0 {
		r.T.Errorf("%d bytes written into output", n)
	}
}

// recv offers a buffer on a queue and waits for what comes.
func (r *rig) recv(q int, size uint32) []byte {
	r.T.Helper()
	r.Rings[q].Add(in(0x10000, 1), in(0x10001, size-1))
	r.Kick(q)
	_, n := r.Take(q)
	b := make([]byte, n)
	if err := r.Mem.Read(at+0x10000, b); err != nil {
		r.T.Fatal(err)
	}
	return b
}

func (r *rig) tell(id uint32, event, value uint16) {
	r.T.Helper()
	b := binary.LittleEndian.AppendUint32(nil, id)
	b = binary.LittleEndian.AppendUint16(b, event)
	r.send(spec.ConsoleQueueControlTx, binary.LittleEndian.AppendUint16(b, value))
}

// heard is the next control message, readable.
func (r *rig) heard() string {
	r.T.Helper()
	b := r.recv(spec.ConsoleQueueControlRx, 256)
	if len(b) < 8 {
		r.T.Fatalf("a control message of %d bytes", len(b))
	}
	return fmt.Sprintf("%d %d %d %q", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:])
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// until waits for what the host's side sees.
func until(ok func() bool) {
	for !ok() {
		runtime.Gosched()
	}
}

// pass waits until every queue was looked at.
func (r *rig) pass() {
	r.T.Helper()
	for range 2 {
		if err := r.dev.Pause(r.T.Context()); err != nil {
			r.T.Fatal(err)
		}
		r.dev.Resume()
	}
}
