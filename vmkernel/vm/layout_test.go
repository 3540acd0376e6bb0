package vm

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"basalt/drivers/blockio/nulldisk"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/host"
)

// null is a disk that can be attached.
type null struct{ *nulldisk.Disk }

func (null) Resize(int64, bool) error { return host.ErrUnsupported }

func newNull(t *testing.T, name string) host.Disk {
	t.Helper()
	d, err := nulldisk.New(name, 1<<20, 512)
	if err != nil {
		t.Fatal(err)
	}
	return null{d}
}

func nullConfig(name string) host.DiskConfig {
	return host.DiskConfig{Name: name, Kind: host.DiskNull, SizeMiB: 1}
}

// TestRestoreAfterHotPlug: devices that came and went while the machine ran are
// where they were. A board that is built from the configuration alone has another
// number of slots, and other devices in them.
func TestRestoreAfterHotPlug(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	for _, name := range []string{"one", "two", "three"} {
		if err := b.vm.AttachDisk(ctx, nullConfig(name), newNull(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.vm.AttachNIC(ctx, host.NICConfig{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.DetachDisk(ctx, "two", true); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.AttachDisk(ctx, nullConfig("four"), newNull(t, "four")); err != nil {
		t.Fatal(err)
	}
	state := b.saved(host.AfterSaveStop)
	disks := func() (out []host.Disk) {
		for _, n := range []string{"one", "three", "four"} {
			out = append(out, newNull(t, n))
		}
		return out
	}
	if err := b.vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{Boot: host.Boot{Disks: disks()}}); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	if got := m.b.device(diskKind, "four").slot; got != 1 {
		t.Errorf("the last disk is in slot %d", got)
	}
	if m.b.slots != spareSlots {
		t.Errorf("%d slots", m.b.slots)
	}
	b.sameAgain("after hot-plug", state)
	if err := b.vm.Resume(ctx); err != nil {
		t.Error(err)
	}
}

// TestUnpluggedBeside: a copy beside its original has adapters without a network,
// which are pulled out, and new ones.
func TestUnpluggedBeside(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	nic := host.NICConfig{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}
	if err := b.vm.AttachNIC(ctx, nic); err != nil {
		t.Fatal(err)
	}
	b.start()
	state := b.saved(host.AfterSaveGoOn)
	if _, err := b.mgr.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "x"}); !errors.Is(err, host.ErrExists) {
		t.Errorf("with the original's address: %v", err)
	}
	v, err := b.mgr.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "copy", Unplugged: true, NewGeneration: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetLink(ctx, "nic0", true); err != nil {
		t.Error(err)
	}
	if err := v.DetachNIC(ctx, "nic0", true); err != nil {
		t.Fatal(err)
	}
	nic.MAC = "52:54:00:00:00:02"
	if err := v.AttachNIC(ctx, nic); err != nil {
		t.Fatal(err)
	}
	if got := v.(*Machine).b.device(nicKind, "nic0").slot; got != 1 {
		t.Errorf("the new adapter is in slot %d", got)
	}
	if err := v.Resume(ctx); err != nil {
		t.Error(err)
	}
	b.state(host.StateRunning)
	if err := v.Stop(ctx); err != nil {
		t.Error(err)
	}
	if err := b.mgr.Delete("copy"); err != nil {
		t.Error(err)
	}
}

// TestOtherConfig: only what the guest does not see may differ from the state.
func TestOtherConfig(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	if err := b.vm.AttachNIC(ctx, host.NICConfig{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}); err != nil {
		t.Fatal(err)
	}
	b.start()
	state := b.saved(host.AfterSaveStop)
	for field, edit := range map[string]func(c *host.Config){
		"cpus":            func(c *host.Config) { c.CPUs = 2 },
		"memoryMiB":       func(c *host.Config) { c.MemoryMiB = 16 },
		"cpuLevel":        func(c *host.Config) { c.CPULevel = "x86-64-v2" },
		"disks":           func(c *host.Config) { c.Disks = append(c.Disks, nullConfig("d")) },
		"nics":            func(c *host.Config) { c.NICs = nil },
		"nics[0]":         func(c *host.Config) { c.NICs[0].MAC = "52:54:00:00:00:02" },
		"nics[0].network": func(c *host.Config) { c.NICs[0].Network = "lab" },
		"hardware":        func(c *host.Config) { c.Hardware = 0 },
	} {
		c := b.vm.Config()
		edit(&c)
		err := b.vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{Config: &c})
		var ce *host.ConfigError
		if !errors.As(err, &ce) || ce.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	b.state(host.StateOff)
}

// TestBadLayout: places that no machine can have.
func TestBadLayout(t *testing.T) {
	b := newBench(t, load()...)
	b.start()
	state := b.saved(host.AfterSaveStop)
	for name, conf := range map[string]string{
		"many slots":   `{"CPUs":1,"MemoryMiB":8,"Layout":{"Slots":1000000000,"Places":null}}`,
		"negative":     `{"CPUs":1,"MemoryMiB":8,"Layout":{"Slots":-1}}`,
		"unknown":      `{"CPUs":1,"MemoryMiB":8,"Layout":{"Slots":4,"Places":[{"Name":"x","Slot":0}]}}`,
		"no place":     `{"CPUs":1,"MemoryMiB":8,"Disks":[{"Name":"d","Kind":"null","SizeMiB":1}],"Layout":{"Slots":4}}`,
		"out of range": `{"CPUs":1,"MemoryMiB":8,"Disks":[{"Name":"d","Kind":"null","SizeMiB":1}],"Layout":{"Slots":4,"Places":[{"Name":"d","Slot":4}]}}`,
		"twice":        `{"CPUs":1,"MemoryMiB":8,"Disks":[{"Name":"d","Kind":"null","SizeMiB":1},{"Name":"e","Kind":"null","SizeMiB":1}],"Layout":{"Slots":4,"Places":[{"Name":"d","Slot":1},{"Name":"e","Slot":1}]}}`,
		"queues":       `{"CPUs":1,"MemoryMiB":8,"Disks":[{"Name":"d","Kind":"null","SizeMiB":1}],"Layout":{"Slots":4,"Places":[{"Name":"d","Slot":1,"Queues":5}]}}`,
		"hardware":     `{"CPUs":1,"MemoryMiB":8,"Hardware":99}`,
	} {
		in, err := checkpoint.NewReader(bytes.NewReader(state))
		if err != nil {
			t.Fatal(err)
		}
		h := *in.Header()
		h.Config = []byte(conf)
		var w bytes.Buffer
		s, err := checkpoint.NewWriter(&w, &h)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		_, err = b.mgr.Restore(context.Background(), &w, host.RestoreOptions{ID: "x"})
		if !errors.Is(err, host.ErrBadState) && !errors.Is(err, host.ErrIncompatible) || !strings.Contains(err.Error(), "layout: ") && name != "hardware" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStillLeaving: a device that the guest was asked to let go before the save is
// taken out of the books when the guest lets it go after the restore.
func TestStillLeaving(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, load()...)
	b.f.Loop = true
	b.start()
	if err := b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one")); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	m.b.device(diskKind, "one").leaving = make(chan struct{})
	state := b.saved(host.AfterSaveStop)
	if err := b.vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{Boot: host.Boot{Disks: []host.Disk{newNull(t, "one")}}}); err != nil {
		t.Fatal(err)
	}
	d := m.b.device(diskKind, "one")
	if d.leaving == nil {
		t.Fatal("nobody waits for the device")
	}
	if err := m.b.pci.Remove(d.at); err != nil { // as when the guest turns the slot off
		t.Fatal(err)
	}
	b.until(`disk "one" detached`)
	if c := b.vm.Config(); len(c.Disks) != 0 {
		t.Errorf("%+v", c.Disks)
	}
}

// TestRestoreAfterProcessorsCame: a device keeps the queues that it was made with,
// however many processors the machine has by the time it is saved.
func TestRestoreAfterProcessorsCame(t *testing.T) {
	ctx := context.Background()
	b := newTable(t, load()...)
	b.f.Loop = true
	nic := host.NICConfig{Name: "old", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}
	b.create(64<<20, host.Config{ID: "vm-1", CPUs: 1, MaxCPUs: 3, MemoryMiB: 8})
	if err := errors.Join(b.vm.AttachNIC(ctx, nic), b.vm.AttachDisk(ctx, nullConfig("one"), newNull(t, "one"))); err != nil {
		t.Fatal(err)
	}
	boot := kernel(&b.closed)
	boot.Disks = []host.Disk{newNull(t, "one")}
	if err := b.vm.Start(ctx, boot); err != nil {
		t.Fatal(err)
	}
	nic.Name, nic.MAC = "new", "52:54:00:00:00:02"
	if err := errors.Join(b.vm.AddCPUs(ctx, 1), b.vm.AttachNIC(ctx, nic), b.vm.AttachDisk(ctx, nullConfig("two"), newNull(t, "two")), b.vm.AddCPUs(ctx, 1)); err != nil {
		t.Fatal(err)
	}
	state := b.saved(host.AfterSaveStop)
	disks := []host.Disk{newNull(t, "one"), newNull(t, "two")}
	if err := b.vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{Boot: host.Boot{Disks: disks}}); err != nil {
		t.Fatal(err)
	}
	b.sameAgain("after processors came", state)
	if err := b.vm.Resume(ctx); err != nil {
		t.Error(err)
	}
}

// sameAgain: the machine, which is paused, still has the state, but for the wall clock.
func (b *bench) sameAgain(what string, state []byte) {
	b.t.Helper()
	first, second := parts(b.t, state), parts(b.t, b.saved(host.AfterSavePause))
	delete(first, "device/rtc")
	delete(second, "device/rtc")
	same(b.t, what, first, second)
}
