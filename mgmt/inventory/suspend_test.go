package inventory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// rig is an inventory with a running machine that has every kind of thing that a
// state does not hold.
type rig struct {
	*Inventory
	t  *testing.T
	h  *fakehost.Host
	f  *files.Store
	vm VM
}

func newRig(t *testing.T) *rig {
	t.Helper()
	v, h, f := fixture(t, fakehost.Options{MemoryTotal: 512 << 20})
	for _, p := range []string{"root.img", "tools.img"} {
		if _, err := f.Create(p, 8<<20); err != nil {
			t.Fatal(err)
		}
	}
	s := spec()
	s.Disks = []host.DiskConfig{{Name: "root", Kind: host.DiskImage, Image: "root.img"}, {Name: "tools", Kind: host.DiskImage, Image: "tools.img", ReadOnly: true}}
	s.NICs = []host.NICConfig{{Name: "nic0", Network: "nat", MAC: "52:54:00:00:00:01"}}
	vm, err := v.Create(s, "root")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{v, t, h, f, vm}
	r.act(Start)
	return r
}

func (r *rig) wait(tk *task.Task, err error) error {
	if err != nil {
		return err
	}
	return tk.Wait(r.t.Context())
}

func (r *rig) try(a Action) error { return r.wait(r.Act("web", a, "root")) }

func (r *rig) act(a Action) {
	r.t.Helper()
	if err := r.try(a); err != nil {
		r.t.Fatalf("%s: %v", a, err)
	}
}

func (r *rig) state(name string, want host.State) VM {
	r.t.Helper()
	vm, err := r.Get(name)
	if err != nil {
		r.t.Fatal(err)
	}
	if vm.Status.State != want {
		r.t.Errorf("%s is %s, want %s", name, vm.Status.State, want)
	}
	return vm
}

func (r *rig) suspendTo(file string, replace bool) error {
	return r.wait(r.Suspend("web", Suspend{file, replace}, "root"))
}

func TestSuspendAndResume(t *testing.T) {
	r := newRig(t)
	free := r.h.Info().MemoryFree
	for range 2 {
		if err := r.suspendTo("", false); err != nil {
			t.Fatal(err)
		}
		vm := r.state("web", host.StateSuspended)
		if vm.StateFile != "web.state" || vm.Status.MemoryUsed != 0 {
			t.Errorf("%+v", vm)
		}
		for a, err := range map[string]error{
			"pause": r.try(Pause), "reset": r.try(Reset), "shutdown": r.try(Shutdown), "nmi": r.try(NMI),
			"delete":  r.Delete(t.Context(), "web", "root"),
			"suspend": r.suspendTo("other", false),
			"clone":   r.wait(r.Clone("web", Clone{Name: "twin"}, "root")),
			"detach":  func() error { _, err := r.DetachDisk(t.Context(), "web", "root", true, "root"); return err }(),
			"attach": func() error {
				_, err := r.AttachNIC(t.Context(), "web", host.NICConfig{Network: "nat"}, "root")
				return err
			}(),
			"resize": func() error {
				_, err := r.ResizeDisk(t.Context(), "web", "root", 16<<20, false, "root")
				return err
			}(),
		} {
			if !errors.Is(err, host.ErrState) || !strings.Contains(err.Error(), "suspended") {
				t.Errorf("%s of a suspended machine: %v", a, err)
			}
		}
		for _, p := range []string{"root.img", "tools.img", "web.state"} {
			if err := r.f.Remove(p); !errors.Is(err, host.ErrInUse) {
				t.Errorf("remove %s: %v", p, err)
			}
		}
		r.act(Resume)
		r.state("web", host.StateRunning)
		if l := r.f.List("web.state"); len(l) != 0 {
			t.Errorf("the state is left: %+v", l)
		}
		if got := r.h.Info().MemoryFree; got != free {
			t.Errorf("%d bytes free, %d before", got, free)
		}
	}
	// From paused, with a name of its own, and Start instead of Resume.
	r.act(Pause)
	if err := r.suspendTo("s/x", false); err != nil {
		t.Fatal(err)
	}
	r.act(Start)
	r.state("web", host.StateRunning)
	// Throwing it away.
	for _, a := range []Action{Stop, Discard} {
		if err := r.suspendTo("", false); err != nil {
			t.Fatal(err)
		}
		r.act(a)
		r.state("web", host.StateOff)
		if err := r.try(Discard); !errors.Is(err, host.ErrState) {
			t.Errorf("nothing to discard: %v", err)
		}
		r.act(Start)
	}
	r.act(Stop)
	for _, p := range []string{"root.img", "tools.img"} {
		if err := r.f.Remove(p); err != nil {
			t.Error(err)
		}
	}
}

// TestSuspendFails: the machine goes on, nothing is left, and the reason is said.
func TestSuspendFails(t *testing.T) {
	r := newRig(t)
	if err := r.suspendTo("../x", false); !errors.Is(err, files.ErrPath) {
		t.Error(err)
	}
	if err := r.suspendTo("text", false); !errors.Is(err, host.ErrExists) {
		t.Error(err)
	}
	if err := r.suspendTo("root.img", true); !errors.Is(err, host.ErrInUse) {
		t.Error(err)
	}
	if err := r.suspendTo("text/below", false); !errors.Is(err, files.ErrConflict) {
		t.Error(err)
	}
	r.state("web", host.StateRunning)
	if err := r.suspendTo("text", true); err != nil {
		t.Error(err)
	}
	r.act(Resume)
	// Cancelled in the middle.
	release := r.h.Hold("save")
	tk, err := r.Suspend("web", Suspend{}, "root")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.tasks.Cancel(tk.Info().ID); err != nil {
		t.Fatal(err)
	}
	if err := tk.Wait(t.Context()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	r.state("web", host.StateRunning)
	if l := r.f.List("web.state"); len(l) != 0 {
		t.Errorf("%+v", l)
	}
	if _, err := r.AttachDisk(t.Context(), "web", host.DiskConfig{Name: "scratch", Kind: host.DiskRAM, SizeMiB: 1}, "root"); err != nil {
		t.Fatal(err)
	}
	if err := r.suspendTo("", false); !errors.Is(err, host.ErrNotSavable) || !strings.Contains(err.Error(), "scratch") {
		t.Error(err)
	}
	r.state("web", host.StateRunning)
}

// TestWakeFails: the machine stays suspended, and can be tried again.
func TestWakeFails(t *testing.T) {
	r := newRig(t)
	if err := r.suspendTo("", false); err != nil {
		t.Fatal(err)
	}
	f, err := r.f.Open("root.img") // somebody downloads it
	if err != nil {
		t.Fatal(err)
	}
	if err := r.try(Resume); !errors.Is(err, host.ErrInUse) {
		t.Error(err)
	}
	r.state("web", host.StateSuspended)
	f.Close()
	hog, err := r.f.Create("hog", 512<<20)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := r.f.NewWriter("more", true)
	for _, err := w.Write(make([]byte, 2<<20)); err == nil; {
		_, err = w.Write(make([]byte, 2<<20))
	}
	if err := r.try(Resume); !errors.Is(err, host.ErrNoMemory) {
		t.Error(err)
	}
	r.state("web", host.StateSuspended)
	w.Abort()
	r.f.Remove(hog.Path)
	r.f.Remove("bz") // what it booted is gone: it goes on, and cannot be reset
	r.act(Resume)
	r.state("web", host.StateRunning)
}

func TestClone(t *testing.T) {
	r := newRig(t)
	for _, run := range []bool{true, false} {
		want := host.StateRunning
		if !run {
			want = host.StatePaused
			r.act(Pause)
		}
		if err := r.wait(r.Clone("web", Clone{Name: "twin"}, "root")); err != nil {
			t.Fatal(err)
		}
		r.state("web", want)
		vm := r.state("twin", want)
		// A guest that runs lets its adapters go.
		if pulled := r.h.Pulled(); (pulled == 0) != run {
			t.Errorf("running %v: %d adapters pulled out", run, pulled)
		}
		c := vm.Spec
		if c.Disks[0].Image != "twin.root.img" || c.Disks[1].Image != "tools.img" || c.NICs[0].MAC == "52:54:00:00:00:01" || c.NICs[0].MAC == "" || c.Boot.Kernel != "bz" {
			t.Errorf("%+v", c)
		}
		if vm.ID == r.vm.ID {
			t.Error("the same id")
		}
		if err := r.wait(r.Clone("web", Clone{Name: "twin"}, "root")); !errors.Is(err, host.ErrExists) {
			t.Error(err)
		}
		if err := r.wait(r.Act("twin", Stop, "root")); err != nil {
			t.Error(err)
		}
		if err := r.wait(r.Act("twin", Start, "root")); err != nil {
			t.Error(err)
		}
		if err := r.wait(r.Act("twin", Stop, "root")); err != nil {
			t.Error(err)
		}
		if err := r.Delete(t.Context(), "twin", "root"); err != nil {
			t.Error(err)
		}
		// The image of the one that is deleted stays: it is a file like any other.
		if err := r.wait(r.Clone("web", Clone{Name: "twin"}, "root")); !errors.Is(err, host.ErrExists) || !strings.Contains(err.Error(), "twin.root.img") {
			t.Error(err)
		}
		if err := r.f.Remove("twin.root.img"); err != nil {
			t.Error(err)
		}
	}
	if err := r.wait(r.Clone("web", Clone{Name: "bare", NICs: NICsNone}, "root")); err != nil {
		t.Fatal(err)
	}
	if vm, _ := r.Get("bare"); len(vm.Spec.NICs) != 0 {
		t.Errorf("%+v", vm.Spec.NICs)
	}
}

// TestCloneFails: the original goes on, and nothing is left.
func TestCloneFails(t *testing.T) {
	r := newRig(t)
	var ce *host.ConfigError
	if _, err := r.Clone("web", Clone{Name: "twin", NICs: NICsKeep}, "root"); !errors.As(err, &ce) || ce.Field != "nics" {
		t.Error(err)
	}
	if _, err := r.Clone("web", Clone{Name: "a b"}, "root"); !errors.As(err, &ce) || ce.Field != "name" {
		t.Error(err)
	}
	files := len(r.f.List(""))
	free := r.h.Info().MemoryFree
	for _, gate := range []string{"save", "restore"} {
		release := r.h.Hold(gate)
		tk, err := r.Clone("web", Clone{Name: "twin"}, "root")
		if err != nil {
			t.Fatal(err)
		}
		for r.Inventory.tasks.Cancel(tk.Info().ID) != nil {
		}
		if err := tk.Wait(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", gate, err)
		}
		release()
		r.state("web", host.StateRunning)
		if _, err := r.Get("twin"); !errors.Is(err, host.ErrNotFound) {
			t.Error(err)
		}
	}
	w, _ := r.f.NewWriter("fill", true)
	for r.f.Free() > 32<<20 {
		w.Write(make([]byte, 2<<20))
	}
	if err := r.wait(r.Clone("web", Clone{Name: "twin"}, "root")); !errors.Is(err, host.ErrNoMemory) {
		t.Error(err)
	}
	r.state("web", host.StateRunning)
	w.Abort()
	if n := len(r.f.List("")); n != files {
		t.Errorf("%d files, %d before", n, files)
	}
	if now := r.h.Info().MemoryFree; now != free {
		t.Errorf("%d bytes free, %d before", now, free)
	}
	if err := r.wait(r.Clone("web", Clone{Name: "twin"}, "root")); err != nil {
		t.Errorf("the name or an address is still taken: %v", err)
	}
}

func (r *rig) restore(in Restore) (string, error) {
	id, tk, err := r.Restore(in, "root")
	return id, r.wait(tk, err)
}

func TestRestore(t *testing.T) {
	r := newRig(t)
	if err := r.suspendTo("", false); err != nil {
		t.Fatal(err)
	}
	s, err := r.State("web.state", true)
	if err != nil || s.SavedState.Config.Name != "web" || s.Saved.IsZero() || s.Boot.Kernel != "bz" || s.Format != host.FormatBzImage {
		t.Errorf("%+v, %v", s, err)
	}
	for what, c := range map[string]struct {
		in   Restore
		is   error
		says string
	}{
		"its own name":    {Restore{File: "web.state"}, host.ErrExists, "web"},
		"its disk":        {Restore{File: "web.state", Name: "b"}, host.ErrInUse, "root.img"},
		"no file":         {Restore{File: "nope", Name: "b"}, host.ErrNotFound, "nope"},
		"not a state":     {Restore{File: "text", Name: "b"}, host.ErrBadState, "not a saved machine"},
		"no such disk":    {Restore{File: "web.state", Name: "b", Images: map[string]string{"x": "text"}}, nil, "images.x"},
		"no such image":   {Restore{File: "web.state", Name: "b", Images: map[string]string{"root": "x"}}, host.ErrIncompatible, "disks[0].image"},
		"bad nics":        {Restore{File: "web.state", Name: "b", NICs: "some"}, nil, "nics"},
		"a taken address": {Restore{File: "web.state", Name: "b", Images: map[string]string{"root": "copy.img"}}, host.ErrInUse, "52:54:00:00:00:01 is adapter nic0 of web already; restore it with new adapters"},
	} {
		if what == "a taken address" {
			if _, err := r.f.Create("copy.img", 8<<20); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.restore(c.in); err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	id, err := r.restore(Restore{File: "web.state", Name: "b", NICs: NICsNew, Images: map[string]string{"root": "copy.img"}, Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	if vm := r.state("b", host.StatePaused); vm.ID != id || vm.Format != host.FormatBzImage || vm.Spec.Disks[0].Image != "copy.img" {
		t.Errorf("%+v", vm)
	}
	r.state("web", host.StateSuspended)
	// On another host: the file and the image are all that it takes.
	f, err := r.f.Open("web.state")
	if err != nil {
		t.Fatal(err)
	}
	state, _ := io.ReadAll(f.Reader())
	f.Close()
	far := func(t *testing.T, o fakehost.Options) *rig {
		v, h, fs := fixture(t, o)
		for _, p := range []string{"root.img", "tools.img"} {
			if _, err := fs.Create(p, 8<<20); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := fs.Put("s", bytes.NewReader(state), int64(len(state)), true); err != nil {
			t.Fatal(err)
		}
		return &rig{v, t, h, fs, VM{}}
	}
	o := far(t, fakehost.Options{})
	if _, err := o.restore(Restore{File: "s"}); err != nil {
		t.Fatal(err)
	}
	if vm := o.state("web", host.StateRunning); vm.Spec.NICs[0].MAC != "52:54:00:00:00:01" {
		t.Errorf("%+v", vm)
	}
	// What is wrong with the bytes.
	for what, edit := range map[string]func() []byte{
		"cut":     func() []byte { return state[:len(state)-3] },
		"flipped": func() []byte { b := bytes.Clone(state); b[len(b)/2] ^= 4; return b },
		"newer":   func() []byte { b := bytes.Clone(state); b[8] = 9; return b },
	} {
		b := edit()
		o.f.Put("bad", bytes.NewReader(b), int64(len(b)), false)
		if _, err := o.restore(Restore{File: "bad", Name: "c"}); !errors.Is(err, host.ErrBadState) && !errors.Is(err, host.ErrIncompatible) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := o.Get("c"); !errors.Is(err, host.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	small := far(t, fakehost.Options{MemoryTotal: 48 << 20})
	if _, err := small.restore(Restore{File: "s"}); !errors.Is(err, host.ErrNoMemory) {
		t.Error(err)
	}
	for _, p := range []string{"s", "root.img", "tools.img"} {
		if err := small.f.Remove(p); err != nil {
			t.Errorf("after a failed restore: %v", err)
		}
	}
}
