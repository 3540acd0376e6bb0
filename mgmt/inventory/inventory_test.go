package inventory

import (
	"errors"
	"strings"
	"testing"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func fixture(t *testing.T, o fakehost.Options) (*Inventory, *fakehost.Host, *files.Store) {
	h := fakehost.New(o)
	f := files.New(h.Memory(), 0, nil)
	for name, body := range map[string]string{
		"bz":    strings.Repeat("\x00", 0x1fe) + "\x55\xaa\x00\x00HdrS" + strings.Repeat("\x00", 100),
		"elf":   "\x7fELF",
		"text":  "hello",
		"init":  "cpio",
		"mod":   "module",
		"large": strings.Repeat("x", 3<<20),
	} {
		if _, _, err := f.Put(name, strings.NewReader(body), int64(len(body)), false); err != nil {
			t.Fatal(err)
		}
	}
	return New(h, f, task.New(nil), nil), h, f
}

func spec() Spec {
	return Spec{Name: "web", CPUs: 1, MemoryMiB: 64, Boot: Boot{Kernel: "bz", Initrd: "init", Cmdline: "console=ttyS0", Modules: []string{"mod a=b"}}}
}

func TestCreateRefuses(t *testing.T) {
	v, h, f := fixture(t, fakehost.Options{MemoryTotal: 256 << 20})
	free := h.Info().MemoryFree
	for name, tc := range map[string]struct {
		edit  func(*Spec)
		field string
		is    error
	}{
		"no cpu":         {func(s *Spec) { s.CPUs = 0 }, "cpus", nil},
		"many cpus":      {func(s *Spec) { s.CPUs = 10000 }, "cpus", nil},
		"negative":       {func(s *Spec) { s.MemoryMiB = -1 }, "memoryMiB", nil},
		"too much":       {func(s *Spec) { s.MemoryMiB = 1 << 20 }, "memoryMiB", host.ErrNoMemory},
		"no kernel":      {func(s *Spec) { s.Boot.Kernel = "" }, "boot.kernel", files.ErrPath},
		"unknown kernel": {func(s *Spec) { s.Boot.Kernel = "nope" }, "boot.kernel", host.ErrNotFound},
		"not a kernel":   {func(s *Spec) { s.Boot.Kernel = "text" }, "boot.kernel", host.ErrBadImage},
		"unknown initrd": {func(s *Spec) { s.Boot.Initrd = "nope" }, "boot.initrd", host.ErrNotFound},
		"large initrd":   {func(s *Spec) { s.Boot.Initrd, s.MemoryMiB = "large", 2 }, "boot.initrd", host.ErrBadImage},
		"unknown module": {func(s *Spec) { s.Boot.Modules = []string{"mod", "x y"} }, "boot.modules[1]", host.ErrNotFound},
		"cmdline":        {func(s *Spec) { s.Boot.Cmdline = "a\nb" }, "boot.cmdline", nil},
		"empty name":     {func(s *Spec) { s.Name = "" }, "name", nil},
		"bad name":       {func(s *Spec) { s.Name = "-x" }, "name", nil},
	} {
		s := spec()
		tc.edit(&s)
		_, err := v.Create(s, "root")
		var ce *host.ConfigError
		if !errors.As(err, &ce) || ce.Field != tc.field || tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(v.List()) != 0 || len(h.VMs().List()) != 0 {
		t.Error("a refused machine is listed")
	}
	for _, i := range f.List("") {
		f.Remove(i.Path)
	}
	if in := h.Info(); in.MemoryFree != in.MemoryTotal {
		t.Errorf("images stay open: %d of %d free, before %d", in.MemoryFree, in.MemoryTotal, free)
	}
}

func TestLifeCycle(t *testing.T) {
	v, h, f := fixture(t, fakehost.Options{})
	vm, err := v.Create(spec(), "root")
	if err != nil {
		t.Fatal(err)
	}
	if vm.Format != host.FormatBzImage || vm.Status.State != host.StateOff || !strings.HasPrefix(vm.ID, "vm-") {
		t.Errorf("created %+v", vm)
	}
	if _, err := v.Create(spec(), "root"); !errors.Is(err, host.ErrExists) {
		t.Errorf("same name: %v", err)
	}
	double := spec()
	double.Name = vm.ID
	if _, err := v.Create(double, "root"); !errors.Is(err, host.ErrExists) {
		t.Errorf("another's id as the name: %v", err)
	}
	act := func(a Action) error {
		tk, err := v.Act("web", a, "root")
		if err != nil {
			return err
		}
		return tk.Wait(t.Context())
	}
	for _, step := range []struct {
		a    Action
		ok   bool
		then host.State
	}{
		{Stop, false, host.StateOff}, {Reset, false, host.StateOff}, {Pause, false, host.StateOff}, {Resume, false, host.StateOff},
		{Start, true, host.StateRunning}, {Start, false, host.StateRunning}, {Resume, false, host.StateRunning},
		{Reset, true, host.StateRunning}, {Pause, true, host.StatePaused}, {Start, false, host.StatePaused},
		{Resume, true, host.StateRunning}, {Stop, true, host.StateOff}, {Start, true, host.StateRunning},
	} {
		err := act(step.a)
		got, _ := v.Get(vm.ID)
		if (err == nil) != step.ok || got.Status.State != step.then || err != nil && !errors.Is(err, host.ErrState) {
			t.Errorf("%s: %v, state %s", step.a, err, got.Status.State)
		}
	}
	if err := v.Delete(t.Context(), vm.ID, "root"); !errors.Is(err, host.ErrState) {
		t.Errorf("delete while running: %v", err)
	}
	h.Crash(vm.ID, "triple fault")
	if got, _ := v.Get(vm.ID); got.Status.State != host.StateCrashed || got.Status.Reason != "triple fault" {
		t.Errorf("crashed: %+v", got.Status)
	}
	f.Remove("bz")
	if err := act(Start); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("start without its kernel: %v", err)
	}
	if err := act(Stop); err != nil {
		t.Error(err)
	}
	if err := v.Delete(t.Context(), vm.ID, "root"); err != nil {
		t.Error(err)
	}
	if _, err := v.Get(vm.ID); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
}

func TestActionsMeet(t *testing.T) {
	v, h, _ := fixture(t, fakehost.Options{})
	vm, _ := v.Create(spec(), "root")
	release := h.Hold("start")
	start, err := v.Act(vm.ID, Start, "root")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Act(vm.ID, Start, "root"); !errors.Is(err, host.ErrBusy) {
		t.Errorf("start while starting: %v", err)
	}
	if err := v.Delete(t.Context(), vm.ID, "root"); !errors.Is(err, host.ErrBusy) {
		t.Errorf("delete while starting: %v", err)
	}
	for {
		if s, _ := v.Get(vm.ID); s.Status.State == host.StateStarting {
			break
		}
	}
	stop, err := v.Act(vm.ID, Stop, "root")
	if err != nil {
		t.Fatal(err)
	}
	if err := stop.Wait(t.Context()); err != nil {
		t.Errorf("stop while starting: %v", err)
	}
	if start.Wait(t.Context()) == nil {
		t.Error("the cancelled start says that it worked")
	}
	release()
	if got, _ := v.Get(vm.ID); got.Status.State != host.StateOff {
		t.Errorf("state %s", got.Status.State)
	}
}

func TestNoEngine(t *testing.T) {
	v, _, _ := fixture(t, fakehost.Options{CannotRun: "AMD-V is locked off in the firmware"})
	vm, err := v.Create(spec(), "root")
	if err != nil {
		t.Fatal(err)
	}
	tk, err := v.Act(vm.ID, Start, "root")
	if err != nil {
		t.Fatal(err)
	}
	if err := tk.Wait(t.Context()); !errors.Is(err, host.ErrNoEngine) || !strings.Contains(err.Error(), "locked off") {
		t.Errorf("start: %v", err)
	}
}
