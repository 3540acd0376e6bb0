package faulty_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/blockiotest"
	"basalt/drivers/blockio/faulty"
	"basalt/drivers/blockio/ramdisk"
)

func newDisk(t testing.TB) *faulty.Disk {
	t.Helper()
	d, err := ramdisk.New(ramdisk.Config{Size: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return faulty.New(d)
}

func open(t testing.TB) blockiotest.Setup {
	d := newDisk(t)
	return blockiotest.Setup{Disk: d, PowerCut: func(seed uint64) { d.PowerCut(seed); d.PowerOn() }}
}

func TestConformance(t *testing.T) { blockiotest.Run(t, open) }

func FuzzOps(f *testing.F) { blockiotest.Fuzz(f, open) }

func FuzzPower(f *testing.F) { blockiotest.FuzzPower(f, open) }

func do(d blockio.Disk, r blockio.Request) error {
	return blockio.NewWaiter().Do(d, []*blockio.Request{&r})
}

func write(off int64, fill byte, blocks int) blockio.Request {
	return blockio.Request{Op: blockio.Write, Offset: off, Length: int64(blocks) * 512, Bufs: [][]byte{bytes.Repeat([]byte{fill}, blocks*512)}}
}

func read(t *testing.T, d blockio.Disk, off int64, blocks int) []byte {
	t.Helper()
	buf := make([]byte, blocks*512)
	if err := do(d, blockio.Request{Op: blockio.Read, Offset: off, Length: int64(len(buf)), Bufs: [][]byte{buf}}); err != nil {
		t.Fatal(err)
	}
	return buf
}

func TestRules(t *testing.T) {
	d := newDisk(t)
	defer d.Close()
	d.Inject(faulty.Rule{Match: faulty.Only(blockio.Flush), Skip: 1, Count: 2})
	for i, want := range []error{nil, blockio.ErrIO, blockio.ErrIO, nil} {
		if err := do(d, blockio.Request{Op: blockio.Flush}); err != want {
			t.Errorf("flush %d: %v, want %v", i, err, want)
		}
	}
	d.Inject(faulty.Rule{Match: faulty.Touching(1024, 512), Err: blockio.ErrNoSpace})
	for _, c := range []struct {
		off  int64
		want error
	}{{0, nil}, {512, blockio.ErrNoSpace}, {1024, blockio.ErrNoSpace}, {1536, nil}} {
		if err := do(d, write(c.off, 1, 2)); err != c.want {
			t.Errorf("write at %d: %v, want %v", c.off, err, c.want)
		}
	}
	if got := read(t, d, 4096, 1); got[0] != 0 {
		t.Error("read something else")
	}
	d.Heal()
	if got := read(t, d, 0, 3); got[0] != 1 || got[1024] != 0 {
		t.Error("a write that failed by rule took effect")
	}
	d.Inject(faulty.Rule{After: true, Count: 1})
	if err := do(d, write(0, 9, 1)); err != blockio.ErrIO || read(t, d, 0, 1)[0] != 9 {
		t.Errorf("a write that fails after its effect: %v", err)
	}
}

// holdWrites submits n one-block writes that are held and gives where they complete.
func holdWrites(d *faulty.Disk, n int) (reqs []*blockio.Request, done chan *blockio.Request) {
	done = make(chan *blockio.Request, n)
	d.Hold()
	for i := range n {
		r := write(int64(i%2)*512, byte(i+1), 1)
		r.Done = func(r *blockio.Request) { done <- r }
		reqs = append(reqs, &r)
	}
	d.Submit(reqs)
	return reqs, done
}

func TestHoldAndRelease(t *testing.T) {
	d := newDisk(t)
	defer d.Close()
	reqs, done := holdWrites(d, 4)
	if d.Held() != 4 || len(done) != 0 {
		t.Fatalf("%d held, %d done", d.Held(), len(done))
	}
	if !d.Release(2) || <-done != reqs[2] || d.Release(3) {
		t.Fatal("released another one than the third")
	}
	d.ReleaseAll()
	if len(done) != 3 || d.Held() != 0 {
		t.Fatalf("%d done, %d held", len(done), d.Held())
	}
	if got := read(t, d, 0, 2); got[0] != 1 || got[512] != 4 {
		t.Errorf("the order of release did not count: %d, %d", got[0], got[512])
	}
}

func TestCloseCompletesWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		_, done := holdWrites(d, 3)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if len(done) != 3 {
			t.Fatalf("%d of 3 completed when Close returned", len(done))
		}
		for range 3 {
			if r := <-done; r.Err != blockio.ErrClosed {
				t.Error(r.Err)
			}
		}
	})
}

func TestPowerCutInFlight(t *testing.T) {
	states := map[string]bool{}
	for seed := range uint64(40) {
		d := newDisk(t)
		_, done := holdWrites(d, 2)
		d.PowerCut(seed)
		for range 2 {
			if r := <-done; r.Err != blockio.ErrGone {
				t.Fatal(r.Err)
			}
		}
		if err := do(d, blockio.Request{Op: blockio.Flush}); err != blockio.ErrGone {
			t.Fatalf("without power: %v", err)
		}
		d.PowerOn()
		d.ReleaseAll()
		got := read(t, d, 0, 2)
		states[string([]byte{got[0] + '0', got[512] + '0'})] = true
		d.Close()
	}
	if len(states) != 4 || !states["00"] || !states["10"] || !states["02"] || !states["12"] {
		t.Errorf("states seen: %v", states)
	}
}

// TestPowerCutReachesEveryState: two blocks with two versions each over a durable
// one have nine states, and a seed always gives the same.
func TestPowerCutReachesEveryState(t *testing.T) {
	cut := func(seed uint64) [2]byte {
		d := newDisk(t)
		defer d.Close()
		for v := byte(1); v <= 3; v++ {
			if err := do(d, write(0, v, 2)); err != nil {
				t.Fatal(err)
			}
			if v == 1 && do(d, blockio.Request{Op: blockio.Flush}) != nil {
				t.Fatal("flush failed")
			}
		}
		d.PowerCut(seed)
		d.PowerOn()
		got := read(t, d, 0, 2)
		return [2]byte{got[0], got[512]}
	}
	states := map[[2]byte]int{}
	for seed := range uint64(200) {
		states[cut(seed)]++
	}
	if len(states) != 9 {
		t.Errorf("states seen: %v", states)
	}
	if first, second := cut(7), cut(7); first != second {
		t.Error("the same seed gave two states")
	}
}

// TestFlushThatFails: the error of the wrapped disk is not lost.
func TestFlushThatFails(t *testing.T) {
	inner := newDisk(t)
	d := faulty.New(inner)
	inner.Inject(faulty.Rule{Match: faulty.Only(blockio.Write), Count: 1})
	if err := do(d, write(0, 5, 1)); err != nil {
		t.Fatal(err)
	}
	if err := do(d, blockio.Request{Op: blockio.Flush}); !errors.Is(err, blockio.ErrIO) {
		t.Fatalf("flush: %v", err)
	}
	if got := read(t, d, 0, 1); got[0] != 5 {
		t.Error("the write was forgotten")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
