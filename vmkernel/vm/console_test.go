package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

const agentPort = "org.example.agent"

// portDriver is a guest's driver of a machine's console with one port, which has no
// more queues than find room below the VGA window.
type portDriver struct{ *virtiotest.Driver }

func (d portDriver) send(q int, b []byte) {
	d.T.Helper()
	if err := d.Mem.Write(virtiotest.DataAt, b); err != nil {
		d.T.Fatal(err)
	}
	d.Rings[q].Add(vringtest.Seg{Addr: virtiotest.DataAt, Len: uint32(len(b))})
	d.Kick(q)
	d.Take(q)
}

// offer gives the device a buffer at one page behind what send uses.
func (d portDriver) offer(q int) {
	d.Rings[q].Add(vringtest.Seg{Addr: virtiotest.DataAt + 0x1000, Len: 64, Write: true})
	d.Kick(q)
}

func (d portDriver) control(event, value uint16) {
	d.T.Helper()
	b := binary.LittleEndian.AppendUint16(make([]byte, 4, 8), event)
	d.send(spec.ConsoleQueueControlTx, binary.LittleEndian.AppendUint16(b, value))
}

// open brings the driver to an open port, and gives the name that the device says.
func (d portDriver) open() (name string) {
	d.T.Helper()
	const multi = 1 << spec.ConsoleFMultiport
	d.Init(multi, 4, 0)
	d.control(spec.ConsoleDeviceReady, 1)
	for {
		d.offer(spec.ConsoleQueueControlRx)
		_, n := d.Take(spec.ConsoleQueueControlRx)
		b := make([]byte, n)
		if err := d.Mem.Read(virtiotest.DataAt+0x1000, b); err != nil || n < spec.ConsoleControlSize {
			d.T.Fatalf("a control message of %d bytes, %v", n, err)
		}
		switch binary.LittleEndian.Uint16(b[spec.ConsoleControlEvent:]) {
		case spec.ConsoleDeviceAdd:
			d.control(spec.ConsolePortReady, 1)
		case spec.ConsolePortName:
			name = string(b[spec.ConsoleControlSize:])
		case spec.ConsolePortOpen:
			d.control(spec.ConsolePortOpen, 1)
			return name
		}
	}
}

func driver(t *testing.T, m *Machine) portDriver {
	return portDriver{virtiotest.Connect(t, m.b.console, m.b.mem)}
}

// TestConsolePort: what a guest writes to the port is behind it, input that comes
// while it is away waits for it, and a twin has a port of its own.
func TestConsolePort(t *testing.T) {
	wait, entered, acted := pressed()
	b := newTable(t, wait)
	ctx := context.Background()
	conf := host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, Consoles: []host.ConsoleConfig{{Name: agentPort}}}
	vm, err := b.mgr.Create(conf)
	if err != nil {
		t.Fatal(err)
	}
	b.vm = vm
	port := vm.Port(agentPort)
	if port == nil || vm.Port("other") != nil || vm.Port("") != nil {
		t.Fatal("ports")
	}
	port.Send([]byte("early"))
	b.start()
	<-entered
	d := driver(t, vm.(*Machine))
	if name := d.open(); name != agentPort {
		t.Errorf("the guest was told %q", name)
	}
	d.send(spec.ConsoleQueueTx, []byte("hello"))
	d.send(spec.ConsoleQueueTx, bytes.Repeat([]byte("."), 4096))
	for port.Written() != 4101 {
		runtime.Gosched()
	}
	if log := port.Log(); !bytes.HasPrefix(log, []byte("hello....")) {
		t.Errorf("log %.20q", log)
	}
	// What came before the guest had opened the port has waited.
	d.offer(spec.ConsoleQueueRx)
	if d.Take(spec.ConsoleQueueRx); got(t, vm.(*Machine)) != "early" {
		t.Errorf("the guest got %q", got(t, vm.(*Machine)))
	}
	d.offer(spec.ConsoleQueueRx) // for after the restore
	close(acted)
	var state bytes.Buffer
	if err := vm.Save(ctx, &state, host.SaveOptions{Then: host.AfterSaveStop}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(consoleState, state.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	port.Send([]byte("later"))
	if port.Pending() != 5 {
		t.Errorf("%d bytes wait while the machine is off", port.Pending())
	}

	twin := b.restore(state.Bytes(), "vm-2")
	if c := twin.Config().Consoles; len(c) != 1 || c[0] != conf.Consoles[0] || twin.Port(agentPort) == port {
		t.Fatalf("restored with %+v", c)
	}
	if err := vm.Restore(ctx, bytes.NewReader(state.Bytes()), host.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	twin.Port(agentPort).Send([]byte("twins"))
	for m, want := range map[*Machine]string{vm.(*Machine): "later", twin: "twins"} {
		goesOn(t, m, want)
	}
	// One with other ports is another machine.
	for _, c := range [][]host.ConsoleConfig{nil, {{Name: "other"}}, {{Name: agentPort, Terminal: true}}, {{Name: agentPort}, {Name: "more"}}} {
		want := twin.Config()
		want.ID, want.Consoles = "vm-3", c
		var bad *host.ConfigError
		if _, err := b.mgr.Restore(ctx, bytes.NewReader(state.Bytes()), host.RestoreOptions{ID: "vm-3", Config: &want}); !errors.As(err, &bad) || bad.Field != "consoles" {
			t.Errorf("%+v: %v", c, err)
		}
	}
	r, err := port.Attach(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = vm.Stop(ctx)
	port.Send([]byte("!")) // to nobody
	if err := b.mgr.Delete("vm-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(ctx, make([]byte, 9)); err == nil {
		t.Error("the reader of a deleted machine's port goes on")
	}
}

// consoleState is a state that TestConsolePort has saved.
var consoleState = filepath.Join("testdata", "console1.state")

// got are the first five bytes where offer's buffer is.
func got(t *testing.T, m *Machine) string {
	t.Helper()
	var p [5]byte
	if err := m.b.mem.Read(virtiotest.DataAt+0x1000, p[:]); err != nil {
		t.Fatal(err)
	}
	return string(p[:])
}

// goesOn resumes a machine that was restored, and waits for its input to be in the
// buffer that the guest had offered.
func goesOn(t *testing.T, m *Machine, want string) {
	t.Helper()
	driver(t, m) // its slot is a bus master
	if !m.b.console.GuestOpen(0) {
		t.Error("the port is not open after a restore")
	}
	if err := m.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	for got(t, m) != want {
		runtime.Gosched()
	}
}

// TestConsoleGolden: a state with console ports of every version that was ever on main
// goes on.
func TestConsoleGolden(t *testing.T) {
	state, err := os.ReadFile(consoleState)
	if err != nil {
		t.Fatal(err)
	}
	m := newTable(t).restore(state, "old")
	m.Port(agentPort).Send([]byte("later"))
	goesOn(t, m, "later")
}

// during calls f at the first read behind a state's first bytes.
type during struct {
	io.Reader
	reads int
	f     func()
}

func (d *during) Read(p []byte) (int, error) {
	if d.reads++; d.reads == 20 {
		d.f()
	}
	return d.Reader.Read(p[:min(len(p), 512)])
}

// TestInputWhileRestoring: input that comes while a machine is read from its state, when
// there is a board already, is not lost.
func TestInputWhileRestoring(t *testing.T) {
	wait, entered, acted := pressed()
	b := newBench(t, wait)
	b.start()
	<-entered
	close(acted)
	state := b.saved(host.AfterSaveStop)
	read := make(chan byte, 1)
	b.f.Scripts[0] = []fakecpu.Step{in(0x3f8), {Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { read <- byte(e.R.GPR[vcpu.RAX]) }}}
	r := &during{Reader: bytes.NewReader(state), f: func() { b.vm.Console().Send([]byte("x")) }}
	if err := b.vm.Restore(context.Background(), r, host.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if r.reads < 40 {
		t.Fatalf("only %d reads", r.reads)
	}
	if err := b.vm.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != 'x' {
		t.Errorf("the guest read %q", got)
	}
}

// TestInputBeforeRestoring: input that a machine finds when it goes on interrupts it.
func TestInputBeforeRestoring(t *testing.T) {
	wait, entered, acted := pressed()
	b := newBench(t, out(0x2f9, 1), out(0x2fc, 8), wait) // COM2: an interrupt for each byte
	b.start()
	<-entered
	close(acted)
	state := b.saved(host.AfterSaveStop)
	b.vm.Serial(2).Send([]byte("x"))
	irr := make(chan byte, 1)
	b.f.Scripts[0] = []fakecpu.Step{out(0x20, 0x0a), in(0x20), {Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { irr <- byte(e.R.GPR[vcpu.RAX]) }}}
	if err := b.vm.Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := <-irr; got&(1<<3) == 0 {
		t.Errorf("the PIC has %#x, want IRQ 3", got)
	}
}

// TestNoConsolePorts: a machine without them has no device for them, and nothing of
// them in its state; the most that there can be find room.
func TestNoConsolePorts(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	if b.vm.(*Machine).b.console != nil {
		t.Error("there is a device")
	}
	for name, data := range parts(t, b.saved(host.AfterSaveStop)) {
		if strings.Contains(name, "console") || name == "header" && strings.Contains(data, "Console") {
			t.Errorf("%s: %.300s", name, data)
		}
	}
	all := host.Config{ID: "vm-2", CPUs: 1, MemoryMiB: 8, VsockCID: 3}
	for i := range host.MaxConsoles {
		all.Consoles = append(all.Consoles, host.ConsoleConfig{Name: strings.Repeat(string(rune('a'+i)), host.MaxConsoleName), Terminal: i%2 == 0})
	}
	vm, err := b.mgr.Create(all)
	if err != nil {
		t.Fatal(err)
	}
	b.vm = vm
	b.start()
	state := b.saved(host.AfterSaveStop)
	m := b.restore(state, "vm-3")
	if len(m.b.consoles) != host.MaxConsoles || m.b.devices[3].kind != "console" {
		t.Errorf("%d ports", len(m.b.consoles))
	}
	if err := b.mgr.Delete("vm-2"); err != nil {
		t.Error(err)
	}
}
