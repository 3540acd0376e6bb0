package console_test

import (
	"bytes"
	"errors"
	"fmt"
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

type rig struct {
	*virtiotest.Driver
	dev   *console.Device
	wires []*wire
}

const (
	at    = virtiotest.DataAt
	multi = 1 << spec.ConsoleFMultiport
)

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
