package balloon_test

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/balloon"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// taker is a Reclaimer.
type taker struct {
	mu     sync.Mutex
	refuse bool
	during func() // each time
	took   []uint64
}

type rig struct {
	*virtiotest.Driver
	dev *balloon.Device
	k   *taker
}

const (
	tell      = 1 << spec.BalloonFMustTellHost
	stats     = 1 << spec.BalloonFStatsVQ
	reporting = 1 << spec.BalloonFReporting
	at        = virtiotest.DataAt
)

func Test_5_5_6_InflateAndDeflate(t *testing.T) {
	r := newRig(t)
	r.Init(tell, 2, 0)
	before := r.Slot.Signals(0)
	r.dev.SetTarget(3<<20 + 5)
	want(t, "interrupts", r.Slot.Signals(0)-before, 1)
	want(t, "num_pages", r.Read(r.Config, 4), 768)
	r.pages(0, 2048, 511) // all but one page of frame 4
	r.pages(0, 2048, 100) // again
	want(t, "frames", len(r.k.frames()), 0)
	r.pages(0, 2559, 1+2*512)
	r.Write(r.Config+spec.BalloonActual, 4, 1536)
	want(t, "status", r.dev.Status(), balloon.Status{Target: 3 << 20, Actual: 6 << 20, Pages: 6 << 20, Reclaimed: 6 << 20})
	if f := r.k.frames(); len(f) != 3 || f[0] != 4 || f[1] != 5 || f[2] != 6 {
		t.Errorf("frames %d", f)
	}
	r.pages(1, 2049, 1)
	r.pages(1, 2049, 1) // is not there
	want(t, "pages", r.dev.Status().Pages, 6<<20-4096)
	r.pages(0, 2049, 1) // full again: given back again
	want(t, "frames", len(r.k.frames()), 4)
	r.pages(1, 2048, 1536)
	want(t, "pages", r.dev.Status().Pages, 0)
	want(t, "needs reset", r.Status()&spec.StatusNeedsReset, 0)
	r.pages(0, 2048, 10)
	r.Reset()
	want(t, "pages after a reset", r.dev.Status().Pages, 0)
	want(t, "target after a reset", r.Read(r.Config, 4), 768)
}

// TestNobodyWaitsForTheReclaimer: a guest that gives much back at once holds up neither its
// own processors nor who asks the host what there is.
func TestNobodyWaitsForTheReclaimer(t *testing.T) {
	r := newRig(t)
	done := make(chan bool)
	r.k.during = func() {
		go func() {
			r.dev.Status()
			r.dev.Stats()
			r.dev.SetTarget(1 << 20)
			r.Read(r.Config, 4)
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("somebody waits")
		}
		r.k.during = nil
	}
	r.Init(tell, 2, 0)
	r.pages(0, 2048, 512)
	want(t, "frames", len(r.k.frames()), 1)
	<-done
}

func Test_5_5_6_1_NothingIsTakenFromWhoDoesNotTell(t *testing.T) {
	r := newRig(t)
	r.Init(0, 2, 0)
	r.pages(0, 2048, 512)
	want(t, "pages", r.dev.Status().Pages, 2<<20)
	want(t, "frames", len(r.k.frames()), 0)
}

func Test_5_5_6_1_WhatCannotBeNeedsAReset(t *testing.T) {
	for name, f := range map[string]func(r *rig) []vringtest.Seg{
		"not memory":      func(r *rig) []vringtest.Seg { r.Mem.PutUint32(at, 4096); return []vringtest.Seg{{Addr: at, Len: 4}} },
		"page 2^32-1":     func(r *rig) []vringtest.Seg { r.Mem.PutUint32(at, 1<<32-1); return []vringtest.Seg{{Addr: at, Len: 4}} },
		"half an entry":   func(*rig) []vringtest.Seg { return []vringtest.Seg{{Addr: at, Len: 6}} },
		"more than 1 MiB": func(*rig) []vringtest.Seg { return []vringtest.Seg{{Addr: at, Len: 1<<20 + 4}} },
		"writable": func(*rig) []vringtest.Seg {
			return []vringtest.Seg{{Addr: at, Len: 4}, {Addr: at + 64, Len: 4, Write: true}}
		},
	} {
		for q := range 2 {
			r := newRig(t)
			r.Init(tell, 2, 0)
			r.Rings[q].Add(f(r)...)
			r.Kick(q)
			r.UntilBroken()
			if !errors.Is(r.dev.Err(), virtio.ErrDriver) {
				t.Errorf("%s: %v", name, r.dev.Err())
			}
			r.Init(tell, 2, 0)
			r.pages(0, 512, 1)
		}
	}
}

// Drivers disagree on the number of the queue.
func Test_5_5_6_6_ReportsGiveWholeFramesBack(t *testing.T) {
	for q, features := range map[int]uint64{2: reporting, 3: reporting | stats, 4: reporting | stats} {
		r := newRig(t)
		r.Init(features, 5, 0)
		r.Rings[q].Add(
			vringtest.Seg{Addr: 4<<20 - 4096, Len: 4<<20 + 4096, Write: true}, // frames 2 and 3
			vringtest.Seg{Addr: 10<<20 + 4096, Len: 4 << 20, Write: true},     // frame 6
			vringtest.Seg{Addr: 14 << 20, Len: 2<<20 - 1, Write: true})        // none
		r.Kick(q)
		r.Take(q)
		if f := r.k.frames(); len(f) != 3 || f[0] != 2 || f[1] != 3 || f[2] != 6 {
			t.Errorf("queue %d: frames %d", q, f)
		}
		want(t, "reclaimed", r.dev.Status().Reclaimed, 6<<20)
		r.k.mu.Lock()
		r.k.refuse = true
		r.k.mu.Unlock()
		r.Rings[q].Add(vringtest.Seg{Addr: 4 << 20, Len: 2 << 20, Write: true})
		r.Kick(q)
		r.Take(q)
		want(t, "reclaimed", r.dev.Status().Reclaimed, 6<<20)
		r.Rings[q].Add(vringtest.Seg{Addr: 4 << 20, Len: 2 << 20})
		r.Kick(q)
		r.UntilBroken()
	}
}

func Test_5_5_6_2_Statistics(t *testing.T) {
	r := newRig(t)
	r.Init(stats, 3, 0)
	r.Rings[2].Add(r.stat(0, spec.BalloonStatFree, 111))
	r.Kick(2)
	want(t, "free", r.until(1).Value[spec.BalloonStatFree], 111)
	if _, _, ok := r.Rings[2].Used(); ok {
		t.Error("the buffer was not kept")
	}
	r.dev.RequestStats()
	r.Take(2)
	// Any order, and tags that nobody knows.
	r.Rings[2].Add(r.stat(0, 999, 5, spec.BalloonStatTotal, 7, 10, 1, spec.BalloonStatFree, 222))
	r.Kick(2)
	s := r.until(2)
	want(t, "valid", s.Valid, 1<<spec.BalloonStatTotal|1<<spec.BalloonStatFree)
	want(t, "total", s.Value[spec.BalloonStatTotal], 7)
	want(t, "free", s.Value[spec.BalloonStatFree], 222)

	// A pause gives the buffer back, the driver fills another one.
	if err := r.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := r.Rings[2].Used(); !ok {
		t.Error("the buffer is out in a pause")
	}
	if _, err := r.dev.SaveState(); err != nil {
		t.Error(err)
	}
	r.dev.Resume()
	r.Rings[2].Add(r.stat(0, spec.BalloonStatFree, 333))
	r.Ring(2)
	want(t, "free", r.until(3).Value[spec.BalloonStatFree], 333)
	r.Reset() // with the buffer out
	r.Init(stats, 3, 0)
	r.Rings[2].Add(vringtest.Seg{Addr: at, Len: 10, Write: true})
	r.Kick(2)
	r.UntilBroken()
}

func TestStateKeepsThePages(t *testing.T) {
	r := newRig(t)
	r.Init(tell, 2, 0)
	r.dev.SetTarget(4 << 20)
	r.pages(0, 2048, 512)
	r.pages(0, 3000, 3)
	if err := r.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := r.dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	n := newRig(t)
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
	want(t, "pages", n.dev.Status().Pages, 515*4096)
}

func TestNoAllocationForPagesThatComeAndGo(t *testing.T) {
	r := newRig(t)
	r.Init(tell, 2, 0)
	r.pages(0, 2048, 1) // the frame stays known
	r.Mem.PutUint32(at, 2049)
	seg := []vringtest.Seg{{Addr: at, Len: 4}}
	one := func() {
		for q := range 2 {
			r.Rings[q].Add(seg...)
			r.Ring(q)
			for {
				if _, _, ok := r.Rings[q].Used(); ok {
					break
				}
				runtime.Gosched()
			}
		}
	}
	for range 100 {
		one()
	}
	want(t, "allocations", testing.AllocsPerRun(100, one), 0.0)
}
