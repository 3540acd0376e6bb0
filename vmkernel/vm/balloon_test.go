package vm

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
)

// TestReclaimUnderGuests takes frames away under two processors that touch them, and
// under a device: nobody meets a frame that is gone (gmemtest has no memory for it),
// and what comes back clean was not written after it was cleared.
func TestReclaimUnderGuests(t *testing.T) {
	const size = 8 << 20
	r := newMemRig(t, size)
	var wg sync.WaitGroup
	var taken atomic.Int32
	var mu [size / gmem.PageSize]sync.Mutex // guests and device do not race with each other here
	for seed := range uint64(3) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd, io := rand.New(rand.NewPCG(seed, 2)), r.cpu()
			for n := 0; n < 3000 || n < 1e7 && taken.Load() == 0; n++ { // it may come late
				gpa := gmem.FrameSize + rnd.Uint64N(size-gmem.FrameSize)
				m := &mu[gpa/gmem.PageSize]
				m.Lock()
				if seed == 2 {
					r.b.mem.PutUint8(gpa, 1)
				} else {
					r.guest(io, gpa, gpa&1 != 0, func(p *byte) {
						if gpa&1 != 0 {
							*p = 1
						}
					})
				}
				m.Unlock()
			}
		}()
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	rnd := rand.New(rand.NewPCG(9, 9))
	for running := true; running; {
		if (reclaimer{r.b}).Reclaim(gmem.FrameSize * (1 + rnd.Uint64N(size/gmem.FrameSize-1))) {
			taken.Add(1)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	if taken.Load() == 0 {
		t.Error("nothing was taken")
	}
	r.write(gmem.FrameSize, 5)
	if !(reclaimer{r.b}).Reclaim(gmem.FrameSize) {
		t.Error("a frame that nobody uses stays")
	}
	if _, _, _, ok := r.n.Lookup(gmem.FrameSize); ok {
		t.Error("it is mapped")
	}
	if v := r.read(gmem.FrameSize); v != 0 {
		t.Errorf("it reads %d afterwards", v)
	}
}

// TestReclaimTracked: a frame that was taken counts as dirty, and one that comes back
// has to be written through a fault.
func TestReclaimTracked(t *testing.T) {
	r := newMemRig(t, 8<<20)
	r.write(gmem.FrameSize, 5)
	if err := r.b.startDirty(); err != nil {
		t.Fatal(err)
	}
	if !(reclaimer{r.b}).Reclaim(gmem.FrameSize) {
		t.Fatal("not taken")
	}
	if n := len(r.dirty()); n != 512 {
		t.Errorf("%d pages", n)
	}
	r.read(gmem.FrameSize)
	r.write(gmem.FrameSize+0x3000, 1)
	if got := r.dirty(); len(got) != 1 || got[0] != 515 {
		t.Errorf("%d", got)
	}
}

func TestSetMemoryTarget(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	if err := b.vm.SetMemoryTarget(ctx, 8<<20); !errors.Is(err, host.ErrState) {
		t.Errorf("off: %v", err)
	}
	b.start()
	if s := b.vm.Status(); s.MemoryTarget != 8<<20 || s.MemoryBalloon != 0 || s.MemoryReclaimed != 0 {
		t.Errorf("at first: %+v", s)
	}
	if err := b.vm.SetMemoryTarget(ctx, 6<<20); err != nil {
		t.Fatal(err)
	}
	if s := b.vm.Status(); s.MemoryTarget != 6<<20 {
		t.Errorf("target %d", s.MemoryTarget)
	}
	if st := b.vm.(*Machine).b.balloon.Status(); st.Target != 2<<20 {
		t.Errorf("the device wants %d", st.Target)
	}
	var bad *host.ConfigError
	if err := b.vm.SetMemoryTarget(ctx, 1<<20); !errors.As(err, &bad) {
		t.Errorf("too little: %v", err)
	}
	if err := b.vm.SetMemoryTarget(ctx, 1<<40); err != nil || b.vm.Status().MemoryTarget != 8<<20 {
		t.Errorf("all of it: %v, %d", err, b.vm.Status().MemoryTarget)
	}
}
