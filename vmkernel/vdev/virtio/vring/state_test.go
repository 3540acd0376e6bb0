package vring_test

import (
	"errors"
	"testing"

	"basalt/vmkernel/vdev/virtio/vring"
)

func TestSaveAndLoad(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, f)
			r.round(3)
			for i := range 20 {
				r.Add(buf(0, 1, false), buf(1, 4, true))
				r.next()
				_, err := r.q.Save()
				want(t, "with a chain out", err, vring.ErrOut)
				r.push(&r.c, 4)
				r.Used()
				id := r.Add(buf(0, 1, false)) // waits while the queue is saved
				s, err := r.q.Save()
				if err != nil {
					t.Fatal(err)
				}
				r.q = vring.Queue{}
				if err := r.q.Load(r.Config(), s); err != nil {
					t.Fatal(err)
				}
				if !r.next() || r.c.ID() != id {
					t.Fatalf("%d: chain %d after load, want %d", i, r.c.ID(), id)
				}
				r.push(&r.c, 0)
				if got, _, ok := r.Used(); !ok || got != id {
					t.Fatalf("%d: used %d %v", i, got, ok)
				}
				want(t, "no more", r.next(), false)
			}
		})
	}
}

func TestSaveKeepsWhatTheDriverWasNotToldOf(t *testing.T) {
	for name, f := range kinds {
		r := newRig(t, 4, f)
		r.Arm()
		r.round(1)
		s, err := r.q.Save()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.q.Load(r.Config(), s); err != nil {
			t.Fatal(err)
		}
		want(t, name, r.needInterrupt(), true)
	}
}

func TestLoadRefuses(t *testing.T) {
	r := newRig(t, 4, split)
	p := newRig(t, 4, packed)
	for _, err := range []error{
		r.q.Load(r.Config(), vring.State{Wrap: true}),
		r.q.Load(r.Config(), vring.State{Unsignalled: 1<<16 + 1}),
		p.q.Load(p.Config(), vring.State{Next: 4}),
	} {
		if !errors.Is(err, vring.ErrState) {
			t.Errorf("%v", err)
		}
	}
	c := r.Config()
	c.Desc++
	if err := r.q.Load(c, vring.State{}); !errors.Is(err, vring.ErrNeedsReset) {
		t.Errorf("%v", err)
	}
	s, err := r.q.Save()
	want(t, "broken", s.Broken, true)
	want(t, "error", err, error(nil))
	want(t, "load broken", r.q.Load(c, s), error(nil))
	if !errors.Is(r.q.Err(), vring.ErrNeedsReset) {
		t.Errorf("%v", r.q.Err())
	}
	r.q.Reset()
	_, err = r.q.Save()
	want(t, "stopped", err, vring.ErrStopped)
}
