package inventory

import (
	"errors"
	"strings"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// What machines say about pools keeps those, wherever it comes from: no pool goes that
// one of them names, and each can go when none does.
func TestPoolsAreKept(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	for _, n := range []string{"a", "b"} {
		if _, err := r.CreatePool(host.PoolConfig{Name: n}, "root"); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(name string, want bool) {
		t.Helper()
		if err := r.RemovePool(name, "root"); errors.Is(err, host.ErrInUse) != want || err != nil && !want {
			t.Errorf("pool %s: %v", name, err)
		} else if err == nil {
			if _, err := r.CreatePool(host.PoolConfig{Name: name}, "root"); err != nil {
				t.Error(err)
			}
		}
	}
	set := func(pool string) error {
		_, err := r.SetCPU(ctx, "web", host.CPUSpec{Pool: pool}, "root")
		return err
	}
	for _, p := range []string{"a", "b", "b"} {
		if err := set(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := set("none"); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	kept("a", false)
	kept("b", true)
	if err := r.suspendTo("", false); err != nil {
		t.Fatal(err)
	}
	kept("b", true)
	r.act(Start)
	if err := r.wait(r.Clone("web", Clone{Name: "twin"}, "root")); err != nil {
		t.Fatal(err)
	}
	if err := set(host.PoolHost); err != nil {
		t.Fatal(err)
	}
	kept("b", true)
	if err := r.wait(r.Act("twin", Stop, "root")); err != nil {
		t.Fatal(err)
	}
	kept("b", true)
	if err := r.Delete(ctx, "twin", "root"); err != nil {
		t.Fatal(err)
	}
	kept("b", false)
	s := spec()
	s.Name, s.CPU.Pool = "c", "none"
	if _, err := r.Create(s, "root"); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	if len(r.places) != 1 || r.places[""] != 1 {
		t.Errorf("%v", r.places)
	}
}

// A saved machine of a pool that is gone comes back in none, with a warning; one of the
// host's own comes back without.
func TestRestoreFromPool(t *testing.T) {
	for _, pool := range []string{"", host.PoolHost, "here", "gone"} {
		r := newRig(t)
		for _, n := range []string{"here", "gone"} {
			if _, err := r.CreatePool(host.PoolConfig{Name: n}, "root"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.SetCPU(t.Context(), "web", host.CPUSpec{Pool: pool}, "root"); err != nil {
			t.Fatal(err)
		}
		if err := r.suspendTo("s", false); err != nil {
			t.Fatal(err)
		}
		f, err := r.f.Open("s")
		if err != nil {
			t.Fatal(err)
		}
		v, h, files := fixture(t, fakehost.Options{})
		for _, p := range []string{"root.img", "tools.img"} {
			if _, err := files.Create(p, 8<<20); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = files.Put("s", f.Reader(), f.Size(), true)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		r = &rig{v, t, h, files, VM{}}
		if _, err := r.CreatePool(host.PoolConfig{Name: "here"}, "root"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.restore(Restore{File: "s"}); err != nil {
			t.Fatal(err)
		}
		want := pool
		if pool == "gone" {
			want = ""
		}
		if vm := r.state("web", host.StateRunning); vm.Spec.CPU.Pool != want || r.places[place(want)] != 1 || len(r.places) != 1 {
			t.Errorf("%q: it is in %q, %v", pool, vm.Spec.CPU.Pool, r.places)
		}
		warned := false
		for _, e := range r.h.Events().After(0, 1000) {
			warned = warned || strings.Contains(e.Message, "which is not here")
		}
		if warned != (pool == "gone") {
			t.Errorf("%q: warned %v", pool, warned)
		}
	}
}
