// Package hosttest is the conformance suite of package host: what management
// relies on, as tests that every implementation of host.Host has to pass. World
// W2, tests only.
package hosttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/vmkernel/host"
)

// Subject is the implementation under test.
type Subject struct {
	// New makes a host with no machines that can run them.
	New func(t *testing.T) host.Host
	// Kernel is an image that the host's loader accepts and whose guest goes on
	// until it is stopped.
	Kernel []byte
	// MemoryMiB is enough for that guest.
	MemoryMiB int
}

// image counts how often it is open.
type image struct {
	*bytes.Reader
	open *atomic.Int32
	once sync.Once
}

func (i *image) Name() string { return "kernel" }
func (i *image) Close() error { i.once.Do(func() { i.open.Add(-1) }); return nil }

// bench is one test's host with what it needs to start machines.
type bench struct {
	host.Host
	s    Subject
	open atomic.Int32
}

func (b *bench) image(content []byte) host.Image {
	b.open.Add(1)
	return &image{Reader: bytes.NewReader(content), open: &b.open}
}

func (b *bench) boot() host.Boot { return host.Boot{Kernel: b.image(b.s.Kernel), Cmdline: "quiet"} }

func (b *bench) config(id string) host.Config {
	return host.Config{ID: id, Name: id, CPUs: 1, MemoryMiB: b.s.MemoryMiB}
}

func (b *bench) create(t *testing.T, id string) host.VM {
	t.Helper()
	vm, err := b.VMs().Create(b.config(id))
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	for name, f := range map[string]func(*testing.T, *bench){
		"Info": info, "Table": table, "Check": check, "States": states, "Images": images, "OneStart": oneStart, "Console": console, "Memory": memory,
		"Buttons": buttons, "MemoryTarget": memoryTarget, "AddMemory": addMemory, "CPU": cpu, "Pools": pools, "BadDevices": badDevices, "Devices": devices, "Networks": networks,
		"Saving": saving, "SavingFails": savingFails,
	} {
		t.Run(name, func(t *testing.T) { f(t, &bench{Host: s.New(t), s: s}) })
	}
}

func info(t *testing.T, b *bench) {
	in := b.Info()
	if in.CPUs < 1 || in.MemoryTotal == 0 || in.MemoryFree > in.MemoryTotal || in.MaxVCPUs < 1 || in.BootTime.IsZero() || in.Product == "" || in.Version == "" {
		t.Errorf("%+v", in)
	}
	if (in.Engine == host.EngineNone) != (in.CannotRun != "") {
		t.Errorf("engine %q, reason %q", in.Engine, in.CannotRun)
	}
	if in.TimeToReady != 0 {
		t.Errorf("ready before Ready: %v", in.TimeToReady)
	}
	b.Ready()
	first := b.Info().TimeToReady
	b.Ready()
	if again := b.Info().TimeToReady; first <= 0 || again != first {
		t.Errorf("time to ready %v, then %v", first, again)
	}
	b.Events().Append(host.Event{Kind: "x"})
	if ev := b.Events().After(b.Events().Last()-1, 1); len(ev) != 1 || ev[0].Kind != "x" {
		t.Errorf("events %v", ev)
	}
	if log := b.Log(10); len(log) > 10 {
		t.Errorf("%d bytes of log", len(log))
	}
}

func table(t *testing.T, b *bench) {
	vms := b.VMs()
	for _, id := range []string{"c", "a", "b"} {
		b.create(t, id)
	}
	if _, err := vms.Create(b.config("a")); !errors.Is(err, host.ErrExists) {
		t.Errorf("same id: %v", err)
	}
	l := vms.List()
	if len(l) != 3 || l[0].Config().ID != "c" || l[1].Config().ID != "a" || l[2].Config().ID != "b" {
		t.Errorf("list %v", l)
	}
	want := b.config("b")
	want.Hardware = host.HardwareNewest // chosen at the creation
	if vm, err := vms.Get("b"); err != nil || !reflect.DeepEqual(vm.Config(), want) {
		t.Errorf("get: %v", err)
	}
	if _, err := vms.Get("x"); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if err := vms.Delete("x"); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("delete unknown: %v", err)
	}
	if err := vms.Delete("a"); err != nil {
		t.Error(err)
	}
	if _, err := vms.Get("a"); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func check(t *testing.T, b *bench) {
	c := func(edit func(*host.Config)) host.Config {
		cfg := b.config("x")
		edit(&cfg)
		return cfg
	}
	good := func(*host.Config) {}
	for name, tc := range map[string]struct {
		cfg    host.Config
		kernel []byte
		field  string
		is     error
	}{
		"good":          {c(good), b.s.Kernel, "", nil},
		"no cpu":        {c(func(c *host.Config) { c.CPUs = 0 }), b.s.Kernel, "cpus", nil},
		"negative cpus": {c(func(c *host.Config) { c.CPUs = -1 }), b.s.Kernel, "cpus", nil},
		"10000 cpus":    {c(func(c *host.Config) { c.CPUs = 10000 }), b.s.Kernel, "cpus", nil},
		"no memory":     {c(func(c *host.Config) { c.MemoryMiB = 0 }), b.s.Kernel, "memoryMiB", nil},
		"1 PiB":         {c(func(c *host.Config) { c.MemoryMiB = 1 << 30 }), b.s.Kernel, "memoryMiB", host.ErrNoMemory},
		"most memory":   {c(func(c *host.Config) { c.MemoryMiB = int(^uint(0) >> 1) }), b.s.Kernel, "memoryMiB", host.ErrNoMemory},
		"empty kernel":  {c(good), nil, "boot.kernel", host.ErrBadImage},
		"text":          {c(good), []byte("hello"), "boot.kernel", host.ErrBadImage},
		"zeros":         {c(good), make([]byte, 1<<16), "boot.kernel", host.ErrBadImage},
		"half a header": {c(good), b.s.Kernel[:min(len(b.s.Kernel), 3)], "boot.kernel", host.ErrBadImage},
	} {
		boot := host.Boot{Kernel: b.image(tc.kernel)}
		format, err := b.VMs().Check(tc.cfg, boot)
		boot.Close()
		var ce *host.ConfigError
		switch {
		case tc.field == "":
			if err != nil || format == "" {
				t.Errorf("%s: %q, %v", name, format, err)
			}
		case !errors.As(err, &ce) || ce.Field != tc.field || tc.is != nil && !errors.Is(err, tc.is):
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(b.VMs().List()) != 0 {
		t.Error("Check left a machine")
	}
}

func states(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	ctx := t.Context()
	start := func(ctx context.Context) error { return vm.Start(ctx, b.boot()) }
	for i, step := range []struct {
		name string
		do   func(context.Context) error
		ok   bool
		then host.State
	}{
		{"stop", vm.Stop, false, host.StateOff}, {"reset", vm.Reset, false, host.StateOff},
		{"pause", vm.Pause, false, host.StateOff}, {"resume", vm.Resume, false, host.StateOff},
		{"start", start, true, host.StateRunning}, {"start", start, false, host.StateRunning}, {"resume", vm.Resume, false, host.StateRunning},
		{"pause", vm.Pause, true, host.StatePaused}, {"pause", vm.Pause, false, host.StatePaused}, {"start", start, false, host.StatePaused},
		{"resume", vm.Resume, true, host.StateRunning}, {"reset", vm.Reset, true, host.StateRunning},
		{"pause", vm.Pause, true, host.StatePaused}, {"stop", vm.Stop, true, host.StateOff},
		{"start", start, true, host.StateRunning}, {"stop", vm.Stop, true, host.StateOff},
	} {
		err := step.do(ctx)
		if (err == nil) != step.ok || err != nil && !errors.Is(err, host.ErrState) {
			t.Errorf("step %d, %s: %v", i, step.name, err)
		}
		st := vm.Status()
		if st.State != step.then || st.Since.IsZero() || (st.State == host.StateOff) != (st.Uptime == 0) {
			t.Errorf("step %d, %s: %+v", i, step.name, st)
		}
		if step.ok && step.name == "start" {
			if err := b.VMs().Delete("a"); !errors.Is(err, host.ErrState) {
				t.Errorf("delete while running: %v", err)
			}
		}
	}
	if err := b.VMs().Delete("a"); err != nil {
		t.Error(err)
	}
}

func images(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	ctx := t.Context()
	if err := vm.Start(ctx, host.Boot{Kernel: b.image([]byte("no kernel"))}); !errors.Is(err, host.ErrBadImage) {
		t.Errorf("bad kernel: %v", err)
	}
	if n := b.open.Load(); n != 0 || vm.Status().State != host.StateOff {
		t.Errorf("after a failed start %d images are open, state %s", n, vm.Status().State)
	}
	if err := vm.Start(ctx, b.boot()); err != nil {
		t.Fatal(err)
	}
	vm.Start(ctx, b.boot()) // refused: its images are closed, the machine's own are not touched
	if err := vm.Reset(ctx); err != nil {
		t.Errorf("reset needs the images: %v", err)
	}
	if err := vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if n := b.open.Load(); n != 0 {
		t.Errorf("after the stop %d images are open", n)
	}
}

func oneStart(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 8 {
		wg.Go(func() {
			err := vm.Start(t.Context(), b.boot())
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, host.ErrBusy) && !errors.Is(err, host.ErrState):
				t.Errorf("start beside a start: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d starts won", won.Load())
	}
	vm.Stop(t.Context())
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d images are open", n)
	}
}

func console(t *testing.T, b *bench) {
	vm := b.create(t, "a")
	r, err := vm.Console().Attach(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.Start(t.Context(), b.boot()); err != nil {
		t.Fatal(err)
	}
	vm.Console().Send([]byte("x"))
	if err := vm.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, _ := b.VMs().Get("a"); again.Console() != vm.Console() {
		t.Error("the console is another one after a stop")
	}
	if err := b.VMs().Delete("a"); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4096)
	for {
		if _, err := r.Read(t.Context(), p); err != nil {
			if err != io.EOF {
				t.Errorf("after the delete: %v", err)
			}
			break
		}
	}
}

func memory(t *testing.T, b *bench) {
	before := b.Info().MemoryFree
	vm := b.create(t, "a")
	if err := vm.Start(t.Context(), b.boot()); err != nil {
		t.Fatal(err)
	}
	if b.Info().MemoryFree >= before {
		t.Error("a running machine takes no memory")
	}
	if err := vm.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.VMs().Delete("a")
	if after := b.Info().MemoryFree; after < before {
		t.Errorf("%d bytes are gone", before-after)
	}
	free := b.Memory().Free()
	c, err := b.Memory().Alloc()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Bytes()) != host.ChunkSize || b.Memory().Free() >= free {
		t.Errorf("a chunk of %d bytes; %d free, then %d", len(c.Bytes()), free, b.Memory().Free())
	}
	clear(c.Bytes())
	c.Release()
	c.Release()
	if got := b.Memory().Free(); got < free {
		t.Errorf("%d bytes are gone", free-got)
	}
}
