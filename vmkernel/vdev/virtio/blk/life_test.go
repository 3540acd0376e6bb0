package blk_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/faulty"
	"basalt/drivers/blockio/nulldisk"
	"basalt/drivers/blockio/ramdisk"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/blk"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// flying brings n reads into flight on a disk that holds them.
func flying(t *testing.T, n int) (*rig, *faulty.Disk) {
	disk := faulty.New(ram(t, ramdisk.Config{}))
	r := newRig(t, blk.Config{Disk: disk})
	t.Cleanup(disk.ReleaseAll) // before the device is closed
	r.Init(flush, 1, 0)
	disk.Hold()
	r.header(headerAt, spec.BlkTIn, 0)
	for i := range n {
		r.Rings[0].Add(head, in(dataAt+uint64(i)*512, 512), in(statusAt+uint64(i), 1))
	}
	r.Kick(0)
	for disk.Held() != n {
		runtime.Gosched()
	}
	return r, disk
}

func TestRequestsInFlightAreWaitedFor(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r, disk := flying(t, 20)
	if err := r.Mem.Close(); !errors.Is(err, gmem.ErrPinned) {
		t.Fatalf("nothing is pinned: %v", err)
	}
	if err := r.dev.Pause(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("pause: %v", err)
	}
	if _, err := r.dev.SaveState(); !errors.Is(err, virtio.ErrBusy) {
		t.Errorf("save: %v", err)
	}
	for disk.Held() > 0 {
		disk.Release(disk.Held() - 1) // out of order
	}
	if err := r.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, _, ok := r.Rings[0].Used(); ok; _, _, ok = r.Rings[0].Used() {
		used++
	}
	want(t, "used chains", used, 20)
	r.dev.Resume()

	r, disk = flying(t, 3)
	r.SetStatus(0)
	if r.Status() == 0 {
		t.Error("the reset was done with requests in flight")
	}
	disk.ReleaseAll()
	r.Init(flush, 1, 0)
	if _, st := r.read(0, 0, 512); st != spec.BlkSOK {
		t.Errorf("status %d", st)
	}

	r, disk = flying(t, 3)
	if err := r.dev.Close(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	disk.ReleaseAll()
	if err := r.dev.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAnEndIsNotPutOff: of a request that goes in many steps, no further one begins once
// the driver resets the device: a guest has no say in how long its end takes.
func TestAnEndIsNotPutOff(t *testing.T) {
	for name, c := range map[string]struct {
		features uint64
		kind     uint32
		data     []vringtest.Seg
		change   func(*blockio.Info)
	}{
		"read":  {flush, spec.BlkTIn, []vringtest.Seg{in(dataAt, 4096)}, func(i *blockio.Info) { i.MaxTransfer = 512 }},
		"write": {flush, spec.BlkTOut, []vringtest.Seg{out(dataAt, 4096)}, func(i *blockio.Info) { i.MaxTransfer = 512 }},
		"flush after a write": {0, spec.BlkTOut, []vringtest.Seg{out(dataAt, 512)},
			func(i *blockio.Info) { i.WriteCache, i.CanFUA = true, false }},
		"ranges": {flush | 1<<spec.BlkFWriteZeroes, spec.BlkTWriteZeroes, []vringtest.Seg{out(dataAt, 2*spec.BlkRangeSize)}, nil},
	} {
		disk := faulty.New(ram(t, ramdisk.Config{}))
		r := newRig(t, blk.Config{Disk: &spy{Disk: disk, change: c.change}})
		t.Cleanup(disk.ReleaseAll)
		r.Init(c.features, 1, 0)
		for at := uint64(dataAt); at < dataAt+2*spec.BlkRangeSize; at += spec.BlkRangeSize {
			r.Mem.PutUint64(at, 0)
			r.Mem.PutUint64(at+8, 8) // sectors, no flags
		}
		disk.Hold()
		r.header(headerAt, c.kind, 0)
		r.Mem.PutUint8(statusAt, 0xee)
		r.Rings[0].Add(slices.Concat([]vringtest.Seg{head}, c.data, []vringtest.Seg{tail})...)
		r.Kick(0)
		for disk.Held() != 1 {
			runtime.Gosched()
		}
		r.SetStatus(0)
		disk.Release(0)
		for r.Status() != 0 {
			if disk.Held() != 0 {
				t.Errorf("%s: another step began", name)
				break
			}
			runtime.Gosched()
		}
		if st, _ := r.Mem.Uint8(statusAt); st == spec.BlkSOK {
			t.Errorf("%s: it counts as done", name)
		}
	}
}

func TestStateIsLoadedElsewhere(t *testing.T) {
	disk := ram(t, ramdisk.Config{})
	a := newRig(t, blk.Config{Disk: disk})
	a.Init(flush|wce, 1, 16)
	a.Write(a.Config+spec.BlkWriteback, 1, 0)
	a.write(0, 0, pattern(512, 1))
	if err := a.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := a.dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, 4<<20)
	if err := a.Mem.Read(0, memory); err != nil {
		t.Fatal(err)
	}
	s := &spy{Disk: disk, change: func(i *blockio.Info) { i.WriteCache = true }}
	b := newRig(t, blk.Config{Disk: s})
	if err := b.Mem.Write(0, memory); err != nil {
		t.Fatal(err)
	}
	if err := b.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.dev.LoadState(state); err != nil {
		t.Fatal(err)
	}
	want(t, "writeback", b.Read(b.Config+spec.BlkWriteback, 1), 0)
	other := newRig(t, blk.Config{Disk: ram(t, ramdisk.Config{Size: 2 * size})})
	if err := other.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.dev.LoadState(state); !errors.Is(err, virtio.ErrState) {
		t.Errorf("a disk of another size: %v", err)
	}
	b.dev.Resume()
	// The driver goes on where it was: its ring looks at the first memory, so the
	// request is made there and copied.
	a.header(headerAt, spec.BlkTOut, 4)
	a.Rings[0].Add(head, out(dataAt, 512), tail)
	if err := a.Mem.Read(0, memory); err != nil {
		t.Fatal(err)
	}
	if err := b.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Mem.Write(0, memory); err != nil {
		t.Fatal(err)
	}
	b.dev.Resume()
	b.Until("an interrupt", func() bool { return b.Slot.Signals(1) != 0 })
	if l := s.take(); len(l) != 1 || !l[0].fua || l[0].offset != 2048 {
		t.Errorf("%+v", l)
	}
}

// A request costs no allocation, whatever the disk and the ring.
func TestNoAllocationForARequest(t *testing.T) {
	null, err := nulldisk.New("null", size, 512)
	if err != nil {
		t.Fatal(err)
	}
	for name, disk := range map[string]blockio.Disk{"null": null, "ram": ram(t, ramdisk.Config{})} {
		for kind, f := range kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				r := newRig(t, blk.Config{Disk: disk})
				r.Init(f&^flush, 1, 0) // writes go through
				ring := r.Rings[0]
				write := []vringtest.Seg{head, out(dataAt, 8192), tail}
				read := []vringtest.Seg{head, in(dataAt, 8192), tail}
				failed := 0
				one := func(kind uint32, segs []vringtest.Seg) {
					r.header(headerAt, kind, 8)
					ring.Add(segs...)
					r.Ring(0)
					for {
						if _, _, ok := ring.Used(); ok {
							break
						}
						runtime.Gosched()
					}
					if st, _ := r.Mem.Uint8(statusAt); st != spec.BlkSOK {
						failed++
					}
				}
				both := func() {
					one(spec.BlkTOut, write)
					one(spec.BlkTIn, read)
				}
				for range 200 { // everything grows to its size, the test's ring too
					both()
				}
				want(t, "allocations", testing.AllocsPerRun(200, both), 0.0)
				want(t, "failed", failed, 0)
			})
		}
	}
}
