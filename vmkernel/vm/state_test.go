package vm

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
)

var update = flag.Bool("update", false, "write the golden file of the newest version")

// load is a guest that touches everything all the time.
func load() []fakecpu.Step {
	wrmsr := func(i uint32, v uint64) fakecpu.Step {
		return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: i, Value: v}}}
	}
	touch := fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0x400000, Write: true}}}
	count := fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2}, Do: func(e *fakecpu.Engine) {
		n := e.R.GPR[vcpu.RBX] + 1
		e.R.GPR[vcpu.RBX], e.R.GPR[vcpu.RAX] = n, 0
		e.S.CR2 = n * 3
		e.R.RIP = 0x100020
	}}
	return []fakecpu.Step{
		wrmsr(0x12, 0x300001), wrmsr(0xc0000082, 0xffffffff81000000), wrmsr(0x277, 0x0007040600070406), touch,
		out(0x43, 0x34), out(0x40, 0x10), out(0x40, 0x27), out(0x21, 0xfa), out(0x70, 0x0a), out(0x71, 0x26),
		out(0x80, 0x42), out(0x92, 0x02), out(0x3f9, 0x03), out(0x3fb, 0x03), wrmsr(0x17a, 3),
		count, out(0x3f8, 'x'), count, wrmsr(0x3b, 5), count,
	}
}

// saved saves the machine and gives the stream.
func (b *bench) saved(then host.AfterSave) []byte {
	b.t.Helper()
	var w bytes.Buffer
	if err := b.vm.Save(context.Background(), &w, host.SaveOptions{Then: then}); err != nil {
		b.t.Fatal(err)
	}
	return w.Bytes()
}

// parts takes a stream apart; the time of day of the save and the machine's ID are
// left out.
func parts(t *testing.T, b []byte) map[string]string {
	t.Helper()
	r, err := checkpoint.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	h := *r.Header()
	if _, after, ok := bytes.Cut(h.Config, []byte(`,`)); ok {
		h.Config = after // the ID comes first
	}
	out := map[string]string{"header": fmt.Sprintf("%+v", h)}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case rec.Kind == checkpoint.KindMemory:
			rec.Each(func(gpa uint64, p []byte) error {
				out[fmt.Sprintf("page %#x", gpa)] = string(p)
				return nil
			})
		case rec.Name == "machine":
			var m machineState
			if err := m.decode(rec.Data); err != nil {
				t.Error(err)
			}
			m.wall = 0
			out[rec.Name] = fmt.Sprintf("%+v", m)
		default:
			out[rec.Name] = string(rec.Data)
		}
	}
}

func same(t *testing.T, what string, a, b map[string]string) {
	t.Helper()
	for k := range a {
		if a[k] != b[k] {
			x, y := a[k], b[k]
			if len(x) > 300 {
				x, y = fmt.Sprint(len(x)), fmt.Sprint(len(y))
			}
			t.Errorf("%s: %s: %.300q, then %.300q", what, k, x, y)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s: %d parts, then %d", what, len(a), len(b))
	}
}

func (b *bench) restore(state []byte, id string) *Machine {
	b.t.Helper()
	v, err := b.mgr.Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{ID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	m := v.(*Machine)
	b.t.Cleanup(func() {
		_ = m.Stop(context.Background())
		if err := b.mgr.Delete(id); err != nil {
			b.t.Error(err)
		}
	})
	return m
}

// TestSaveUnderLoad: a machine is saved again and again while it works; each state,
// restored, is saved as the same state, and goes on.
func TestSaveUnderLoad(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	ctx := context.Background()
	last := uint64(0)
	for i := range 10 {
		state := b.saved(host.AfterSaveGoOn)
		b.state(host.StateRunning)
		m := b.restore(state, fmt.Sprint("copy-", i))
		if s := m.Status(); s.State != host.StatePaused {
			t.Fatalf("%+v", s)
		}
		var again bytes.Buffer
		if err := m.Save(ctx, &again, host.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		first, second := parts(t, state), parts(t, again.Bytes())
		if i == 0 {
			third := b.restore(again.Bytes(), "copy of copy")
			var w bytes.Buffer
			if err := third.Save(ctx, &w, host.SaveOptions{Then: host.AfterSaveStop}); err != nil {
				t.Fatal(err)
			}
			same(t, "copy of a copy", second, parts(t, w.Bytes()))
		}
		same(t, fmt.Sprint("round ", i), first, second)
		old := b.vm.(*Machine)
		if m.frozen < last {
			t.Errorf("the guest's counter ran backwards: %d after %d", m.frozen, last)
		}
		last = m.frozen
		if m.generation != old.generation {
			t.Error("a suspend is no new generation")
		}
		now := m.b.clock.Now()
		if err := m.Resume(ctx); err != nil {
			t.Fatal(err)
		}
		if err := m.Pause(ctx); err != nil {
			t.Fatal(err)
		}
		if m.b.clock.Now() < now || m.frozen < last {
			t.Error("a clock ran backwards")
		}
		if err := m.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPVClockAfterRestore: the guest's clock page is right for the new host before
// the guest runs.
func TestPVClockAfterRestore(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	b.wait(3)
	state := b.saved(host.AfterSavePause)
	page := func(m *Machine) (version uint32, tsc, now uint64) {
		version, _ = m.b.mem.Uint32(0x300000)
		tsc, _ = m.b.mem.Uint64(0x300008)
		now, _ = m.b.mem.Uint64(0x300010)
		return version, tsc, now
	}
	v1, tsc1, now1 := page(b.vm.(*Machine))
	if v1 == 0 || tsc1 == 0 {
		t.Fatalf("no clock page: %d %d", v1, tsc1)
	}
	ran := make(chan bool, 1)
	b.f.Scripts[0] = []fakecpu.Step{{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(*fakecpu.Engine) { ran <- true }}}
	b.f.Loop = false
	m := b.restore(state, "copy")
	frozen := m.frozen
	if err := m.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-ran
	if err := m.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	v2, tsc2, now2 := page(m)
	if v2 <= v1 || v2&1 != 0 || tsc2 < frozen || now2 < now1 {
		t.Errorf("version %d, counter %d, time %d; then %d, %d, %d; frozen at %d", v1, tsc1, now1, v2, tsc2, now2, frozen)
	}
}

// wait lets the guest go through its loop some times.
func (b *bench) wait(loops int) {
	for b.vm.Status().Exits == nil || len(b.vm.Console().Log()) < loops {
		r, err := b.vm.Console().Attach(0)
		if err != nil {
			b.t.Fatal(err)
		}
		p := make([]byte, 64)
		_, _ = r.Read(context.Background(), p)
		r.Close()
	}
}

// TestClone: two machines from one state have different generations.
func TestClone(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	state := b.saved(host.AfterSaveGoOn)
	v, err := b.mgr.Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{ID: "clone", Name: "twin", NewGeneration: true})
	if err != nil {
		t.Fatal(err)
	}
	m := v.(*Machine)
	if m.generation == b.vm.(*Machine).generation || m.generation == [16]byte{} || m.conf.Name != "twin" {
		t.Error("the clone has no generation of its own")
	}
	if err := v.Resume(context.Background()); err != nil {
		t.Error(err)
	}
	b.state(host.StateRunning)
	_ = v.Stop(context.Background())
	_ = b.mgr.Delete("clone")
}

// TestRequestIsSaved: a power-off that a device asked for while the machine was
// paused happens after the restore, before the guest executes anything.
func TestRequestIsSaved(t *testing.T) {
	b := newBench(t)
	b.start()
	if err := b.vm.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	old := b.vm.(*Machine)
	old.ask(reqPowerOff)
	for len(old.requests) > 0 { // the owner takes it
	}
	state := b.saved(host.AfterSavePause)
	m := b.restore(state, "copy")
	if err := m.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(); s.State != host.StateOff || !strings.Contains(s.Reason, "by the guest") {
		t.Errorf("%+v", s)
	}
}

// TestResetWithoutImages: a restored machine without boot images cannot start anew.
func TestResetWithoutImages(t *testing.T) {
	b := newBench(t)
	b.start()
	state := b.saved(host.AfterSaveStop)
	b.state(host.StateOff)
	b.f.Scripts[0] = []fakecpu.Step{out(0xcf9, 2), out(0xcf9, 6)}
	m := b.restore(state, "copy")
	if err := m.Reset(context.Background()); !errors.Is(err, errNoImages) {
		t.Error(err)
	}
	if err := m.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.until("off: reset by the guest")
	if s := m.Status(); s.State != host.StateOff || !strings.Contains(s.Reason, "boot images") {
		t.Errorf("%+v", s)
	}
}

// plain is a device that has no state to give.
type plain struct{}

func (plain) Name() string { return "passthrough" }
func (plain) Reset()       {}

// broken is one that fails.
type broken struct{ plain }

var errAsleep = errors.New("the device is asleep")

func (broken) SaveState() ([]byte, error) { return nil, errAsleep }
func (broken) LoadState([]byte) error     { return errAsleep }

func TestDeviceThatCannotBeSaved(t *testing.T) {
	for _, d := range []vbus.Device{plain{}, broken{}} {
		b := newBench(t, load()...)
		b.f.Loop = true
		b.start()
		if err := b.vm.(*Machine).b.bus.Add(d); err != nil {
			t.Fatal(err)
		}
		err := b.vm.Save(context.Background(), io.Discard, host.SaveOptions{Then: host.AfterSaveStop})
		if !errors.Is(err, host.ErrNotSavable) || !strings.Contains(err.Error(), "device passthrough cannot be saved") {
			t.Error(err)
		}
		b.state(host.StateRunning)
	}
}

// TestOtherHosts: each reason why a host cannot carry a state has words of its own.
func TestOtherHosts(t *testing.T) {
	b := newBench(t, load()...)
	b.start()
	state := b.saved(host.AfterSaveStop)
	r, err := checkpoint.NewReader(bytes.NewReader(state))
	if err != nil {
		t.Fatal(err)
	}
	// edit writes a state whose header is another one.
	edit := func(f func(h *checkpoint.Header)) []byte {
		h := *r.Header()
		h.Memory, h.Fingerprint = slices.Clone(h.Memory), bytes.Clone(h.Fingerprint)
		f(&h)
		var w bytes.Buffer
		s, err := checkpoint.NewWriter(&w, &h)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		return w.Bytes()
	}
	// add writes a state with a section more, or instead of one that is there.
	add := func(name string, optional bool, data []byte) []byte {
		in, _ := checkpoint.NewReader(bytes.NewReader(state))
		var w bytes.Buffer
		s, _ := checkpoint.NewWriter(&w, in.Header())
		for {
			rec, err := in.Next()
			if err == io.EOF {
				break
			}
			if rec.Kind == checkpoint.KindSection && rec.Name != name {
				s.Section(rec.Name, rec.Optional, rec.Data)
			}
		}
		if data != nil {
			s.Section(name, optional, data)
		}
		s.Close()
		return w.Bytes()
	}
	avx := *b.mgr.p
	for name, c := range map[string]struct {
		state []byte
		is    error
		text  string
	}{
		"engine":    {edit(func(h *checkpoint.Header) { h.Engine = "amd-v" }), host.ErrIncompatible, "the state was saved on engine amd-v, this host has fake"},
		"counter":   {edit(func(h *checkpoint.Header) { h.TSCKHz += h.TSCKHz / 1000 }), host.ErrIncompatible, "kHz"},
		"cpu":       {edit(func(h *checkpoint.Header) { h.Fingerprint[34] ^= 1; h.Level = "x86-64-v4" }), host.ErrIncompatible, "CPU level x86-64-v4: "},
		"no cpu":    {edit(func(h *checkpoint.Header) { h.Fingerprint = nil }), host.ErrIncompatible, "CPUID"},
		"config":    {edit(func(h *checkpoint.Header) { h.Config = []byte(`{"CPUs":1,"MemoryMiB":8,"Warp":9}`) }), host.ErrIncompatible, "Warp"},
		"no config": {edit(func(h *checkpoint.Header) { h.Config = nil }), host.ErrIncompatible, "configuration"},
		"100 GB": {edit(func(h *checkpoint.Header) {
			h.Config = []byte(`{"CPUs":1,"MemoryMiB":102400}`)
			h.Memory = []checkpoint.Range{{Start: 0, Size: 100 << 30}}
		}), host.ErrNoMemory, "memoryMiB"},
		"more memory in the layout": {edit(func(h *checkpoint.Header) { h.Memory[0].Size = 100 << 30 }), host.ErrBadState, "agree"},
		"cpus":                      {edit(func(h *checkpoint.Header) { h.CPUs = 64 }), host.ErrBadState, "agree"},
		"too many cpus":             {edit(func(h *checkpoint.Header) { h.Config = []byte(`{"CPUs":5000,"MemoryMiB":8}`) }), nil, "cpus"},
		"empty":                     {edit(func(*checkpoint.Header) {}), host.ErrBadState, "section machine: missing"},
		"no cpu state":              {add("cpu/0", false, nil), host.ErrBadState, "section cpu/0: missing"},
		"bad uart":                  {add("device/com1", false, []byte{1, 0}), host.ErrBadState, "section device/com1: com1: load state: section too short"},
		"newer uart":                {add("device/com1", false, []byte{9, 0}), host.ErrIncompatible, "version 9"},
		"bad cpu":                   {add("cpu/0", false, make([]byte, 100)), nil, "section cpu/0"},
		"bad machine":               {add("machine", false, []byte{1, 0, 77}), host.ErrBadState, "section machine"},
		"more":                      {add("device/nvme", false, []byte{1, 0}), host.ErrIncompatible, "device/nvme at offset"},
	} {
		_, err := b.mgr.Restore(context.Background(), bytes.NewReader(c.state), host.RestoreOptions{ID: "x"})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if b.frames.InUse() != 0 || b.mgr.p.Budget.Used() != 0 || len(b.mgr.List()) != 1 {
			t.Fatalf("%s: %d frames, %d bytes, %d machines are left", name, b.frames.InUse(), b.mgr.p.Budget.Used(), len(b.mgr.List()))
		}
	}
	// What may be skipped is.
	b.restore(add("hint", true, []byte("anything")), "hint")

	avx.Factory = nil
	if _, err := NewManager(&avx).Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{ID: "x"}); !errors.Is(err, host.ErrNoEngine) {
		t.Error(err)
	}
	if err := b.mgr.p.Budget.Reserve(50 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := b.mgr.Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{ID: "x"}); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("over-promised: %v", err)
	}
	b.mgr.p.Budget.Release(50 << 20)
	b.frames.Limit = b.frames.InUse() + 1
	if _, err := b.mgr.Restore(context.Background(), bytes.NewReader(state), host.RestoreOptions{ID: "x"}); err != nil && !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("no frames: %v", err)
	}
	b.frames.Limit = 0
	if m, err := b.mgr.Get("x"); err == nil {
		_ = m.Stop(context.Background())
		_ = b.mgr.Delete("x")
	}
}

// cancelling ends its context after some bytes.
type cancelling struct {
	left   int
	cancel func()
}

func (c *cancelling) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		c.cancel()
	}
	return len(p), nil
}

func (c *cancelling) Read(p []byte) (int, error) { return c.Write(p) }

func TestCancel(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	b.wait(1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := b.vm.Save(ctx, &cancelling{2000, cancel}, host.SaveOptions{Then: host.AfterSaveStop}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.state(host.StateRunning)
	state := b.saved(host.AfterSaveGoOn)
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	r := io.TeeReader(bytes.NewReader(state), &cancelling{len(state) / 2, cancel})
	if _, err := b.mgr.Restore(ctx, r, host.RestoreOptions{ID: "x"}); !errors.Is(err, context.Canceled) || len(b.mgr.List()) != 1 {
		t.Error(err)
	}
}

// TestBusyWhileSaving: other actions are refused and Status answers meanwhile.
func TestBusyWhileSaving(t *testing.T) {
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	r, w := io.Pipe()
	done := make(chan error)
	go func() { done <- b.vm.Save(context.Background(), w, host.SaveOptions{}) }()
	one := make([]byte, 1)
	if _, err := io.ReadFull(r, one); err != nil {
		t.Fatal(err)
	}
	b.state(host.StatePaused)
	if err := b.vm.Resume(context.Background()); !errors.Is(err, host.ErrBusy) {
		t.Error(err)
	}
	if err := b.mgr.Delete("vm-1"); !errors.Is(err, host.ErrBusy) {
		t.Error(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := <-done; err != nil {
		t.Error(err)
	}
	b.state(host.StateRunning)
}

// grown is a machine that got memory while it ran, and runs.
func grown(t *testing.T) *bench {
	t.Helper()
	b := newTable(t, load()...)
	b.f.Loop = true
	b.create(1<<30, host.Config{ID: "vm-1", CPUs: 2, MemoryMiB: 32, MaxMemoryMiB: 32 + 256, NUMANodes: 2})
	b.start()
	if err := b.vm.AddMemory(context.Background(), 128); err != nil {
		t.Fatal(err)
	}
	b.vm.(*Machine).b.mem.PutUint64(hotAt+4096, 42)
	return b
}
