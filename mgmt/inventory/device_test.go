package inventory

import (
	"errors"
	"strings"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func TestDevices(t *testing.T) {
	v, h, f := fixture(t, fakehost.Options{})
	ctx := t.Context()
	for _, n := range []string{"a.img", "b.img"} {
		if _, err := f.Create(n, 64<<20); err != nil {
			t.Fatal(err)
		}
	}
	s := spec()
	s.Disks = []host.DiskConfig{{Kind: host.DiskImage, Image: "a.img"}, {Kind: host.DiskRAM, SizeMiB: 4}, {Kind: host.DiskNull, SizeMiB: 1 << 20}}
	s.NICs = []host.NICConfig{{Network: "nat"}, {Network: "lab", MAC: "52:54:00:AA:bb:01", VLAN: 5}}
	s.CPULevel = "x86-64-v3"
	vm, err := v.Create(s, "root")
	if err != nil {
		t.Fatal(err)
	}
	if d, n := vm.Spec.Disks, vm.Spec.NICs; d[0].Name != "disk0" || d[2].Name != "disk2" || n[0].Name != "nic0" ||
		!strings.HasPrefix(n[0].MAC, "52:54:00:") || n[1].MAC != "52:54:00:aa:bb:01" || vm.Spec.CPULevel != "x86-64-v3" {
		t.Errorf("%+v", vm.Spec)
	}
	act := func(id string, a Action) error {
		tk, err := v.Act(id, a, "root")
		if err != nil {
			return err
		}
		return tk.Wait(ctx)
	}
	if err := act("web", Start); err != nil {
		t.Fatal(err)
	}
	// A second machine: not the image, not the address.
	var ce *host.ConfigError
	s2 := spec()
	s2.Name, s2.Disks = "db", []host.DiskConfig{{Kind: host.DiskImage, Image: "a.img"}}
	if _, err := v.Create(s2, "root"); !errors.As(err, &ce) || ce.Field != "disks[0].image" || !errors.Is(err, host.ErrInUse) || !strings.Contains(err.Error(), "machine web") {
		t.Errorf("an image of a running machine: %v", err)
	}
	s2.Disks, s2.NICs = nil, []host.NICConfig{{Network: "nat"}, {Network: "nat", MAC: "52:54:00:aa:bb:01"}}
	if _, err := v.Create(s2, "root"); !errors.As(err, &ce) || ce.Field != "nics[1].mac" || !strings.Contains(err.Error(), "nic1 of web") {
		t.Errorf("an address of another machine: %v", err)
	}
	s2.NICs = nil
	if _, err := v.Create(s2, "root"); err != nil {
		t.Fatal(err)
	}
	_, err = v.AttachDisk(ctx, "db", host.DiskConfig{Kind: host.DiskImage, Image: "a.img"}, "root")
	if !errors.As(err, &ce) || ce.Field != "image" || !errors.Is(err, host.ErrInUse) {
		t.Errorf("attach an image of a running machine: %v", err)
	}
	// While it runs.
	if vm, err = v.AttachDisk(ctx, "web", host.DiskConfig{Kind: host.DiskImage, Image: "b.img"}, "root"); err != nil || vm.Spec.Disks[3].Name != "disk3" {
		t.Errorf("attach: %+v %v", vm.Spec.Disks, err)
	}
	if err := f.Remove("b.img"); !errors.Is(err, host.ErrInUse) {
		t.Errorf("remove an attached image: %v", err)
	}
	if _, err = v.AttachDisk(ctx, "web", host.DiskConfig{Name: "disk0", Kind: host.DiskRAM, SizeMiB: 1}, "root"); !errors.As(err, &ce) || ce.Field != "name" {
		t.Errorf("a name twice: %v", err)
	}
	h.UseDevice(vm.ID, "disk3", true)
	if _, err = v.DetachDisk(ctx, "web", "disk3", false, "root"); !errors.Is(err, host.ErrInUse) {
		t.Errorf("detach a disk in use: %v", err)
	}
	if _, err = v.ResizeDisk(ctx, "web", "disk3", 128<<20, false, "root"); err != nil || f.List("b.img")[0].Bytes != 128<<20 {
		t.Errorf("resize: %v", err)
	}
	if vm, err = v.DetachDisk(ctx, "web", "disk3", true, "root"); err != nil || len(vm.Spec.Disks) != 3 {
		t.Errorf("pull out: %v", err)
	}
	if err := f.Remove("b.img"); err != nil {
		t.Errorf("remove a detached image: %v", err)
	}
	if vm, err = v.AttachNIC(ctx, "web", host.NICConfig{Network: "nat"}, "root"); err != nil || vm.Spec.NICs[2].Name != "nic2" || vm.Spec.NICs[2].MAC == "" {
		t.Errorf("attach an adapter: %+v %v", vm.Spec.NICs, err)
	}
	if _, err = v.SetLink(ctx, "web", "nic2", false, "root"); err != nil || v.List()[0].Status.NICs[2].Link {
		t.Errorf("link: %v", err)
	}
	mac := vm.Spec.NICs[2].MAC
	if _, err = v.DetachNIC(ctx, "web", "nic2", false, "root"); err != nil {
		t.Error(err)
	}
	if vm, err = v.AttachNIC(ctx, "db", host.NICConfig{Network: "nat", MAC: mac}, "root"); err != nil {
		t.Errorf("an address that was given back: %v", err)
	}
	if err := act("web", NMI); err != nil {
		t.Error(err)
	}
	if err := act("web", Shutdown); err != nil || v.List()[0].Status.State != host.StateOff {
		t.Errorf("shutdown: %v", err)
	}
	// Off: the files are free, and sizes change in the store.
	if _, err = v.ResizeDisk(ctx, "web", "disk0", 32<<20, false, "root"); err != nil || f.List("a.img")[0].Bytes != 32<<20 {
		t.Errorf("resize while off: %v", err)
	}
	if err := act("web", Start); err != nil {
		t.Errorf("start again: %v", err)
	}
	if err := act("web", Stop); err != nil {
		t.Error(err)
	}
	f.Remove("a.img")
	if err := act("web", Start); !errors.Is(err, host.ErrNotFound) || !strings.Contains(err.Error(), "disks[0].image") {
		t.Errorf("start without its disk: %v", err)
	}
	for _, n := range []string{"web", "db"} {
		if err := v.Delete(ctx, n, "root"); err != nil {
			t.Error(err)
		}
	}
	if len(v.macs) != 0 {
		t.Errorf("addresses stay taken: %v", v.macs)
	}
}
