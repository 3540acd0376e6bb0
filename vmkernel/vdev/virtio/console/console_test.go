package console_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/console"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// wire is a Backend.
type wire struct {
	mu     sync.Mutex
	out    []byte
	in     []byte
	room   int // bytes that it takes; negative: no limit
	closed bool
	opened []bool
}

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

type rig struct {
	*virtiotest.Driver
	dev   *console.Device
	wires []*wire
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

const (
	at    = virtiotest.DataAt
	multi = 1 << spec.ConsoleFMultiport
)

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

func Test_5_3_2_OnePortNeedsNoControl(t *testing.T) {
	r := newRig(t, console.Config{Ports: []console.Port{{Console: true}}})
	want(t, "queues", r.Read(r.Common+spec.NumQueues, 2), 2)
	want(t, "MULTIPORT", r.Offered()&multi, 0)
	r.Init(0, 2, 0)
	r.send(1, []byte("hello"))
	until(func() bool { return r.wires[0].got() == "hello" })
	r.wires[0].set(func(w *wire) { w.in = []byte("keys") })
	r.dev.InputReady(0)
	want(t, "input", string(r.recv(0, 2)), "ke")
	want(t, "input", string(r.recv(0, 100)), "ys")
}

func Test_5_3_6_2_PortsAreAddedNamedAndOpened(t *testing.T) {
	r := newRig(t, two())
	want(t, "max_nr_ports", r.Read(r.Config+spec.ConsoleMaxPorts, 4), 2)
	want(t, "queues", r.Read(r.Common+spec.NumQueues, 2), 6)
	r.Init(multi, 6, 0)
	r.tell(0, spec.ConsoleDeviceReady, 1)
	want(t, "message", r.heard(), `0 1 0 ""`)
	want(t, "message", r.heard(), `1 1 0 ""`)
	r.tell(1, spec.ConsolePortReady, 1)
	want(t, "message", r.heard(), `1 7 0 "org.basalt.agent"`)
	want(t, "message", r.heard(), `1 6 1 ""`)
	r.tell(0, spec.ConsolePortReady, 1)
	want(t, "message", r.heard(), `0 4 1 ""`)
	want(t, "message", r.heard(), `0 6 1 ""`)
	r.tell(0, spec.ConsoleDeviceReady, 1) // once more changes nothing (5.3.6.2.1)
	r.tell(1, spec.ConsolePortReady, 1)
	r.dev.SetHostOpen(1, false)
	want(t, "message", r.heard(), `1 6 0 ""`)
	r.dev.Resize(132, 43)
	want(t, "message", r.heard(), `0 5 0 "\x84\x00+\x00"`)
	want(t, "cols and rows", r.Read(r.Config, 4), 43<<16|132)

	// Input waits until the guest has opened the port.
	r.wires[1].set(func(w *wire) { w.in = []byte("ping") })
	r.dev.InputReady(1)
	r.pass()
	r.wires[1].set(func(w *wire) { want(t, "input left", len(w.in), 4) })
	r.tell(1, spec.ConsolePortOpen, 1)
	want(t, "input", string(r.recv(4, 64)), "ping")
	want(t, "open", r.dev.GuestOpen(1), true)
	r.send(5, []byte("pong"))
	until(func() bool { return r.wires[1].got() == "pong" })
	r.tell(1, spec.ConsolePortOpen, 0)
	r.pass()
	r.wires[1].set(func(w *wire) { want(t, "opened", fmt.Sprint(w.opened), "[true false]") })
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

func Test_5_3_5_1_EmergencyWriteOnAnUnconfiguredDevice(t *testing.T) {
	r := newRig(t, two())
	want(t, "EMERG_WRITE", r.Offered()>>spec.ConsoleFEmergWrite&1, 1)
	for _, c := range "hi" {
		r.Write(r.Config+spec.ConsoleEmergWr, 4, 0xaabbcc00|uint64(c))
	}
	want(t, "output", r.wires[0].got(), "hi")
	want(t, "status", r.Status(), 0)
}

func Test_5_3_6_1_BuffersInTheWrongDirection(t *testing.T) {
	for name, f := range map[string]func(r *rig) int{
		"readable in receiveq": func(r *rig) int {
			r.wires[0].set(func(w *wire) { w.in = []byte("x") })
			r.dev.InputReady(0)
			r.Rings[0].Add(out(0, 8), in(8, 8))
			return 0
		},
		"writable in transmitq":        func(r *rig) int { r.Rings[1].Add(out(0, 8), in(8, 8)); return 1 },
		"writable in control transmit": func(r *rig) int { r.Rings[3].Add(out(0, 8), in(8, 8)); return 3 },
		"short control message":        func(r *rig) int { r.Rings[3].Add(out(0, 7)); return 3 },
		"port that is not": func(r *rig) int {
			r.Mem.PutUint64(at, 2|uint64(spec.ConsolePortReady)<<32)
			r.Rings[3].Add(out(0, 8))
			return 3
		},
		"short buffer for messages": func(r *rig) int { r.tell(0, spec.ConsoleDeviceReady, 1); r.Rings[2].Add(in(0, 7)); return 2 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, two())
			r.Init(multi, 6, 0)
			r.tell(0, spec.ConsolePortOpen, 1)
			r.Ring(f(r))
			r.UntilBroken()
			if !errors.Is(r.dev.Err(), virtio.ErrDriver) {
				t.Error(r.dev.Err())
			}
			r.Init(multi, 6, 0)
			r.send(1, []byte("works"))
		})
	}
}

func TestBackPressure(t *testing.T) {
	r := newRig(t, console.Config{Ports: []console.Port{{}}})
	r.Init(0, 2, 0)
	r.wires[0].set(func(w *wire) { w.room = 3 })
	r.send(1, []byte("abcdef")) // taken, although the backend takes half of it
	r.Mem.PutUint32(at+0x100, 0x7a7a7a7a)
	r.Rings[1].Add(out(0x100, 4))
	r.Ring(1)
	r.pass()
	if _, _, ok := r.Rings[1].Used(); ok {
		t.Error("more was taken while the backend is full")
	}
	want(t, "output", r.wires[0].got(), "abc")
	r.wires[0].set(func(w *wire) { w.room = -1 })
	r.dev.OutputReady(0)
	r.Take(1)
	until(func() bool { return r.wires[0].got() == "abcdefzzzz" })

	// A buffer longer than what is copied, and a reset that does not wait for it.
	long := bytes.Repeat([]byte("0123456789"), 20000)
	r.send(1, long)
	until(func() bool { return len(r.wires[0].got()) == 10+len(long) })
	want(t, "output", r.wires[0].got()[10:], string(long))
	r.wires[0].set(func(w *wire) { w.room = 5 })
	r.Rings[1].Add(out(0, uint32(len(long))))
	r.Ring(1)
	until(func() bool { return len(r.wires[0].got()) == 15+len(long) })
	r.Init(0, 2, 0)
	r.wires[0].set(func(w *wire) { w.closed = true })
	r.send(1, []byte("lost"))
}

func TestStateKeepsWhatWaits(t *testing.T) {
	r := newRig(t, two())
	r.Init(multi, 6, 0)
	r.tell(0, spec.ConsoleDeviceReady, 1)
	r.heard()
	r.tell(1, spec.ConsolePortOpen, 1)
	r.wires[1].set(func(w *wire) { w.room, w.in = 2, []byte("input") })
	r.send(5, []byte("output"))
	r.dev.InputReady(1)
	until(func() bool { n := 0; r.wires[1].set(func(w *wire) { n = len(w.in) }); return n == 0 })
	if err := r.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := r.dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	n := newRig(t, two())
	if err := n.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range state {
		if n.dev.LoadState(state[:i]) == nil {
			t.Fatalf("%d of %d bytes were accepted", i, len(state))
		}
	}
	if err := n.dev.LoadState(state); err != nil {
		t.Fatal(err)
	}
	again, err := n.dev.SaveState()
	if err != nil || !bytes.Equal(state, again) {
		t.Errorf("%v\n%x\n%x", err, state, again)
	}
	n.dev.Resume()
	until(func() bool { return n.wires[1].got() == "tput" })
	want(t, "open", n.dev.GuestOpen(1), true)
}

func TestImpossibleConfigurations(t *testing.T) {
	b := &wire{}
	for _, c := range []console.Config{
		{}, {Ports: make([]console.Port, 17)}, {Ports: []console.Port{{}}},
		{Ports: []console.Port{{Backend: b, Name: string(make([]byte, 65))}}}, {Ports: []console.Port{{Backend: b}}},
	} {
		if _, err := console.New(c); !errors.Is(err, virtio.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNoAllocationForOutput(t *testing.T) {
	r := newRig(t, console.Config{Ports: []console.Port{{}}})
	r.Init(0, 2, 0)
	seg := []vringtest.Seg{out(0, 64)}
	one := func() {
		r.wires[0].set(func(w *wire) { w.out = w.out[:0] })
		r.Rings[1].Add(seg...)
		r.Ring(1)
		for {
			if _, _, ok := r.Rings[1].Used(); ok {
				return
			}
			runtime.Gosched()
		}
	}
	for range 100 {
		one()
	}
	want(t, "allocations", testing.AllocsPerRun(100, one), 0.0)
}

// FuzzPorts throws control messages and buffers at every queue.
func FuzzPorts(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 0, 0, 1, 3, 1, 3, 1, 3, 1, 6, 1, 2, 0, 64, 0, 4, 1, 60, 0, 5, 0, 60, 0})
	f.Add([]byte{0, 1, 8, 0, 1, 2, 8, 0, 3, 9, 9, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, two())
		r.Init(multi, 6, 0)
		for i := 0; len(script) >= 4 && i < 40; i++ {
			q, a, b, c := int(script[0]%6), script[1], script[2], script[3]
			script = script[4:]
			switch {
			case q == 3:
				where := at + uint64(i)*16
				r.Mem.PutUint64(where, uint64(a%4)|uint64(b)<<32|uint64(c)<<48)
				r.Rings[3].Add(vringtest.Seg{Addr: where, Len: 8})
			case a&1 != 0:
				r.wires[q/3].set(func(w *wire) { w.in, w.room = append(w.in, make([]byte, b)...), int(c)*1000 })
				r.dev.InputReady(q / 3)
				r.dev.OutputReady(q / 3)
				fallthrough
			default:
				r.Rings[q].Add(vringtest.Seg{Addr: at + uint64(b)<<8, Len: uint32(b)<<uint(c&7) + 1, Write: q%2 == 0 != (c&0x80 != 0)})
			}
			r.Ring(q)
		}
		for _, w := range r.wires {
			w.set(func(w *wire) { w.room = -1 })
		}
		r.dev.OutputReady(0)
		r.dev.OutputReady(1)
		r.pass()
		r.Init(multi, 6, 0)
		r.send(1, []byte("works"))
	})
}
