package vm

import (
	"context"
	"testing"
	"time"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
)

// TestUnplugBesideStuck: a disk whose requests do not come back keeps the adapter behind
// it from nothing: its port is off the switch with the machine.
func TestUnplugBesideStuck(t *testing.T) {
	ctx := context.Background()
	old := quietWait
	quietWait = time.Millisecond
	t.Cleanup(func() { quietWait = old })
	b := newBench(t, load()...)
	b.f.Loop = true
	nic := host.NICConfig{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}
	if err := b.vm.AttachNIC(ctx, nic); err != nil {
		t.Fatal(err)
	}
	b.start()
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one")); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	var real function
	if err := m.alter(ctx, "test", func(bool) error {
		d := m.b.device(diskKind, "one")
		real, d.f = d.f, stuckFunction{d.f, context.DeadlineExceeded}
		// The adapter comes last.
		for i, o := range m.b.devices {
			if o.kind == nicKind {
				last := len(m.b.devices) - 1
				m.b.devices[i], m.b.devices[last] = m.b.devices[last], o
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := real.Close(ctx); err != nil {
		t.Error(err)
	}
	v, err := b.mgr.Create(host.Config{ID: "other", CPUs: 1, MemoryMiB: 8, NICs: []host.NICConfig{nic}})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Start(ctx, kernel(&b.closed)); err != nil {
		t.Error(err)
	}
	_ = v.Stop(ctx)
	if err := b.mgr.Delete("other"); err != nil {
		t.Error(err)
	}
}

// TestNobodyWaitsForEver: who waits for a guest to let a device go ends with the machine's
// power, or each such request would keep the memory of a whole board.
func TestNobodyWaitsForEver(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one")); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	done := make(chan struct{})
	if err := m.alter(ctx, "test", func(bool) error {
		d := m.b.device(diskKind, "one")
		gone, over := m.b.pci.Gone(d.at), m.b.over
		go func() {
			m.follow(d, gone, over)
			close(done)
		}()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	<-done
}

// lateDisk has a request in flight until it is closed.
type lateDisk struct {
	host.Disk
	w *gmem.Window
}

func (d *lateDisk) Close() error {
	d.w.Unpin()
	return d.Disk.Close()
}

// TestLateDisk: a disk that answers only when it is closed does not cost the host the
// machine's memory (newBench looks at what is left).
func TestLateDisk(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	d := &lateDisk{Disk: newNull(t, "one")}
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), d); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	if err := m.alter(ctx, "test", func(bool) (err error) {
		d.w, err = m.b.mem.Pin(0x100000, 512)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}
