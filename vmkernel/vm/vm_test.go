package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vswitch"
)

type image struct {
	*bytes.Reader
	closed *atomic.Int32
}

func (i image) Name() string { return "kernel" }
func (i image) Size() int64  { return i.Reader.Size() }
func (i image) Close() error { i.closed.Add(1); return nil }

// kernel is a Multiboot image that does nothing.
func kernel(closed *atomic.Int32) host.Boot {
	return host.Boot{Kernel: image{kernelReader(), closed}}
}

func kernelReader() *bytes.Reader {
	b := make([]byte, 4096)
	for i, v := range []uint32{0x1badb002, 1 << 16, ^uint32(0x1badb002+1<<16) + 1, 0x100000, 0x100000, 0, 0, 0x100020} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	return bytes.NewReader(b)
}

type bench struct {
	t      *testing.T
	frames *gmemtest.Frames
	f      *fakecpu.Factory
	mgr    *Manager
	vm     host.VM
	closed atomic.Int32
	mu     sync.Mutex
	logs   []string
	ports  ports
	events chan string
}

func newBench(t *testing.T, script ...fakecpu.Step) *bench {
	b := newTable(t, script...)
	var err error
	if b.vm, err = b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.vm.Stop(context.Background())
		if err := b.mgr.Delete("vm-1"); err != nil {
			t.Error(err)
		}
		if b.frames.InUse() != 0 || b.mgr.p.Budget.Used() != 0 {
			t.Errorf("left: %d frames, %d bytes promised", b.frames.InUse(), b.mgr.p.Budget.Used())
		}
	})
	return b
}

// newTable is a bench without a machine.
func newTable(t *testing.T, script ...fakecpu.Step) *bench {
	b := &bench{t: t, frames: &gmemtest.Frames{}, f: &fakecpu.Factory{Scripts: map[int][]fakecpu.Step{0: script}}, events: make(chan string, 100)}
	var tsc atomic.Uint64
	sw, err := vswitch.New(vswitch.Config{Name: host.NetworkNAT})
	if err != nil {
		t.Fatal(err)
	}
	b.mgr = NewManager(&Platform{
		Switch: func(name string) (*vswitch.Switch, error) {
			if name != sw.Name() {
				return nil, fmt.Errorf("network %q: %w", name, host.ErrNotFound)
			}
			return sw, nil
		},
		Forward: b.ports.open,
		Factory: b.f, Frames: b.frames, Budget: gmem.NewBudget(64 << 20),
		CPUID: func(l, _ uint32) (uint32, uint32, uint32, uint32) {
			if l == 0 {
				return 13, 0x68747541, 0x444d4163, 0x69746e65
			}
			return 0, 0, 0, 0
		},
		TSC: func() uint64 { return tsc.Add(1000) }, TSCKHz: 1_000_000,
		Log: func(f string, a ...any) {
			b.mu.Lock()
			b.logs = append(b.logs, fmt.Sprintf(f, a...))
			b.mu.Unlock()
		},
		Event: func(_, _, text string) {
			select {
			case b.events <- text:
			default:
			}
		},
	})
	return b
}

func (b *bench) start() {
	b.t.Helper()
	if err := b.vm.Start(context.Background(), kernel(&b.closed)); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for an event of the machine with text in it.
func (b *bench) until(text string) {
	for e := range b.events {
		if strings.Contains(e, text) {
			return
		}
	}
}

func (b *bench) state(want host.State) {
	b.t.Helper()
	if s := b.vm.Status(); s.State != want {
		b.t.Fatalf("state %v (%s), want %v", s.State, s.Reason, want)
	}
}

func out(port uint16, v byte) fakecpu.Step {
	return fakecpu.Step{
		Exit: vcpu.Exit{Kind: vcpu.KindPIO, InstLen: 1, PIO: vcpu.PIO{Port: port, Size: 1}},
		Do:   func(e *fakecpu.Engine) { e.R.GPR[vcpu.RAX] = uint64(v) },
	}
}

func TestLife(t *testing.T) {
	printed := make(chan bool)
	b := newBench(t, out(0x3f8, 'h'), out(0x3f8, 'i'), fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt},
		Do: func(*fakecpu.Engine) { close(printed) }})
	ctx := context.Background()
	b.state(host.StateOff)
	for _, f := range []func(context.Context) error{b.vm.Stop, b.vm.Reset, b.vm.Pause, b.vm.Resume} {
		if err := f(ctx); !errors.Is(err, host.ErrState) {
			t.Errorf("off: %v", err)
		}
	}
	b.start()
	<-printed
	b.state(host.StateRunning)
	if err := b.vm.Start(ctx, kernel(&b.closed)); !errors.Is(err, host.ErrState) || b.closed.Load() != 1 {
		t.Errorf("second start: %v", err)
	}
	if err := b.mgr.Delete("vm-1"); !errors.Is(err, host.ErrState) {
		t.Errorf("delete while running: %v", err)
	}
	if err := b.vm.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	b.state(host.StatePaused)
	if err := b.vm.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	b.state(host.StateRunning)
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	b.state(host.StateOff)
	if got := string(b.vm.Console().Log()); got != "hi" {
		t.Errorf("console %q", got)
	}
	if b.closed.Load() != 2 {
		t.Errorf("%d images closed", b.closed.Load())
	}
	if e := b.f.Engines(); len(e) != 1 || !e[0].Closed || e[0].R.RIP < 0x100020 {
		t.Error("engine")
	}
}

func TestCrashAndStartAgain(t *testing.T) {
	b := newBench(t, fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindTripleFault}})
	b.start()
	b.until("crashed")
	b.state(host.StateCrashed)
	if r := b.vm.Status().Reason; !strings.Contains(r, "triple fault") || !strings.Contains(r, "rip 100020") {
		t.Error(r)
	}
	b.start()
	b.until("crashed")
	if err := b.vm.Reset(context.Background()); err != nil {
		t.Error(err)
	}
	b.state(host.StateRunning)
}

func TestGuestResets(t *testing.T) {
	b := newBench(t, out(0xcf9, 2), out(0xcf9, 6), out(0x3f8, 'x'))
	b.start()
	b.until("reset")
	b.state(host.StateRunning)
	b2 := newBench(t, out(0x64, 0xfe))
	b2.start()
	b2.until("reset")
}

// TestInit: an INIT of the boot processor to itself is a reset, as from the pin.
func TestInit(t *testing.T) {
	wrmsr := func(i uint32, v uint64) fakecpu.Step {
		return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: i, Value: v}}}
	}
	b := newBench(t, wrmsr(0x1b, 0xfee00d00), wrmsr(0x830, 0x4500))
	b.start()
	b.until("reset by the guest")
	b.state(host.StateRunning)
}

// TestResetStorm: a guest that resets itself for ever must not fill the event log.
func TestResetStorm(t *testing.T) {
	defer func(d time.Duration) { resetPause = d }(resetPause)
	resetPause = 0
	b := newBench(t, out(0xcf9, 6))
	b.f.Loop = true
	b.start()
	b.until("reset by the guest, 64 ")
	n := 7 // 1, 2, 4 and so on; until has read 64
	_ = b.vm.Stop(context.Background())
	for len(b.events) > 0 {
		if strings.Contains(<-b.events, "reset") {
			n++
		}
	}
	if n > 40 {
		t.Errorf("%d events", n)
	}
}

// TestResetsArePaced: a guest that does nothing but reset itself gets as many resets
// as time allows, executes nothing while it waits for one, and obeys meanwhile.
func TestResetsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTable(t, out(0xcf9, 6))
		b.f.Loop = true
		var err error
		if b.vm, err = b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8}); err != nil {
			t.Fatal(err)
		}
		b.start()
		synctest.Wait()
		exits := func() uint64 { // writes to the reset register
			for _, e := range b.vm.Status().Exits {
				if e.Kind == "pio" {
					return e.Count
				}
			}
			return 0
		}
		if n := exits(); n != 1 {
			t.Errorf("%d exits before the first reset", n)
		}
		time.Sleep(10*resetPause + resetPause/2)
		if n := exits(); n != 11 {
			t.Errorf("%d exits after ten resets", n)
		}
		ctx := context.Background()
		if err := b.vm.Pause(ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * resetPause)
		b.state(host.StatePaused)
		if err := b.vm.Resume(ctx); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := exits(); n != 12 {
			t.Errorf("%d exits after a pause in front of a reset", n)
		}
		if err := b.vm.Stop(ctx); err != nil {
			t.Error(err)
		}
		b.state(host.StateOff)
		if err := b.mgr.Delete("vm-1"); err != nil {
			t.Error(err)
		}
	})
}

// stuck is a machine whose processor does not leave its guest until free is closed.
func stuck(t *testing.T, then vcpu.Kind) (b *bench, free chan bool) {
	old := stopWait
	stopWait = time.Millisecond
	t.Cleanup(func() { stopWait = old })
	free = make(chan bool)
	entered := make(chan bool)
	b = newTable(t, fakecpu.Step{Exit: vcpu.Exit{Kind: then}, Do: func(*fakecpu.Engine) {
		close(entered)
		<-free
	}})
	var err error
	if b.vm, err = b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8}); err != nil {
		t.Fatal(err)
	}
	b.start()
	<-entered
	return b, free
}

func TestStuckProcessor(t *testing.T) {
	b, free := stuck(t, vcpu.KindInterrupt)
	ctx := context.Background()
	for range 3 { // the owner stays alive
		if err := b.vm.Pause(ctx); !errors.Is(err, errStuck) {
			t.Errorf("pause: %v", err)
		}
		if err := b.vm.Reset(ctx); !errors.Is(err, errStuck) {
			t.Errorf("reset: %v", err)
		}
		b.state(host.StateRunning)
	}
	close(free)
	for b.vm.Pause(ctx) != nil {
		runtime.Gosched()
	}
	b.state(host.StatePaused)
	if err := b.vm.Stop(ctx); err != nil {
		t.Error(err)
	}
	if b.frames.InUse() != 0 {
		t.Error("frames left")
	}
}

// TestLateReport: a processor that was given up reports when nobody waits for it.
func TestLateReport(t *testing.T) {
	b, free := stuck(t, vcpu.KindTripleFault)
	c := b.vm.(*Machine).cpus[0]
	if err := b.vm.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.state(host.StateOff)
	if b.frames.InUse() == 0 {
		t.Error("the memory of a running processor was given back")
	}
	close(free)
	<-c.done
	if err := b.mgr.Delete("vm-1"); err != nil { // the owner is alive
		t.Error(err)
	}
}

// TestCrashWhilePausing: the machine is not paused with a processor that cannot go on.
func TestCrashWhilePausing(t *testing.T) {
	entered := make(chan bool)
	b := newBench(t, fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindTripleFault}, Do: func(e *fakecpu.Engine) {
		close(entered)
		for !e.Kicked() {
			runtime.Gosched()
		}
	}})
	b.start()
	<-entered
	if err := b.vm.Pause(context.Background()); !errors.Is(err, host.ErrState) {
		t.Errorf("pause: %v", err)
	}
	b.state(host.StateCrashed)
}

func TestPanicOfOurs(t *testing.T) {
	b := newBench(t, fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindPause}, Do: func(*fakecpu.Engine) { panic("our bug") }})
	b.start()
	b.until("crashed")
	b.state(host.StateCrashed)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !strings.Contains(b.vm.Status().Reason, "our bug") || !strings.Contains(strings.Join(b.logs, "\n"), "vm_test.go") {
		t.Error(b.vm.Status().Reason, b.logs)
	}
}

func TestHolesReadOnes(t *testing.T) {
	got := make(chan uint64, 10)
	read := func(gpa uint64) fakecpu.Step {
		return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: gpa, Read: true}},
			Do: func(e *fakecpu.Engine) { e.R.RIP, e.R.GPR[vcpu.RAX], e.R.GPR[vcpu.RBX] = 0x100100, 0, gpa }}
	}
	after := fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { got <- e.R.GPR[vcpu.RAX] }}
	b := newBench(t, read(0xa0000), after, read(0xfed80000), after, read(0xffffffff0), after, read(0xfee00030), after)
	k := kernel(&b.closed)
	code := make([]byte, 4096)
	_, _ = k.Kernel.ReadAt(code, 0)
	copy(code[0x100:], []byte{0x8b, 0x03})
	k.Kernel = image{bytes.NewReader(code), &b.closed}
	if err := b.vm.Start(context.Background(), k); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{0xffffffff, 0xffffffff, 0xffffffff} {
		if v := <-got; v != want {
			t.Errorf("%x", v)
		}
	}
	if v := <-got; v>>16&0xff != 6 && v == 0xffffffff {
		t.Errorf("local APIC version %x", v)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	for _, c := range []host.Config{
		{ID: "a", CPUs: 0, MemoryMiB: 64}, {ID: "a", CPUs: 10000, MemoryMiB: 64},
		{ID: "a", CPUs: 1, MemoryMiB: 0}, {ID: "a", CPUs: 1, MemoryMiB: 1 << 40},
	} {
		var ce *host.ConfigError
		if _, err := b.mgr.Create(c); !errors.As(err, &ce) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8}); !errors.Is(err, host.ErrExists) {
		t.Error(err)
	}
	bad := host.Boot{Kernel: image{bytes.NewReader([]byte("hello")), &b.closed}}
	if _, err := b.mgr.Check(host.Config{ID: "x", CPUs: 1, MemoryMiB: 8}, bad); !errors.Is(err, host.ErrBadImage) {
		t.Error(err)
	}
	if err := b.vm.Start(context.Background(), bad); !errors.Is(err, host.ErrBadImage) {
		t.Error(err)
	}
	b.state(host.StateOff)
	if f, err := b.mgr.Check(host.Config{ID: "x", CPUs: 1, MemoryMiB: 8}, kernel(&b.closed)); f != host.FormatMultiboot1 || err != nil {
		t.Error(f, err)
	}
	m, err := b.mgr.Create(host.Config{ID: "big", CPUs: 1, MemoryMiB: 60})
	if err != nil {
		t.Fatal(err)
	}
	b.start()
	if err := m.Start(context.Background(), kernel(&b.closed)); !errors.Is(err, host.ErrNoMemory) {
		t.Error(err)
	}
	if err := b.mgr.Delete("big"); err != nil {
		t.Error(err)
	}
	if _, err := b.mgr.Get("big"); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	if err := m.Start(context.Background(), kernel(&b.closed)); err == nil {
		t.Error("start of a deleted machine")
	}
}

func TestNoEngine(t *testing.T) {
	b := newBench(t)
	b.mgr.p.Factory = nil
	b.mgr.p.Reason = "AMD-V is locked off in the firmware"
	if err := b.vm.Start(context.Background(), kernel(&b.closed)); !errors.Is(err, host.ErrNoEngine) || !strings.Contains(err.Error(), "locked off") {
		t.Error(err)
	}
}

func TestManyActionsAtOnce(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	ctx := context.Background()
	for range 4 {
		wg.Go(func() {
			for range 50 {
				_ = b.vm.Start(ctx, kernel(&b.closed))
				_ = b.vm.Pause(ctx)
				_ = b.vm.Resume(ctx)
				_ = b.vm.Reset(ctx)
				_ = b.vm.Status()
				_ = b.vm.Stop(ctx)
			}
		})
	}
	wg.Wait()
	for len(b.events) > 0 {
		<-b.events
	}
}
