package cases

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
)

// deviceRows are wishes about devices, levels and memory that a host has to refuse.
var deviceRows = []struct {
	name string
	run  func(t *testing.T, n *node)
}{
	{"300-devices", manyDevices},
	{"hot-add-beyond-the-limit", hotBeyond},
	{"disk-of-a-byte", byteDisk},
	{"detach-in-use", detachBusy},
	{"memory-over-promised", overPromised},
	{"unknown-network", unknownNetwork},
	{"cpu-level", wrongLevel},
	{"image-twice", imageTwice},
	{"image-in-use", imageInUse},
	{"mac-in-use", macTwice},
}

// TestBadDevices gives each row a host with a machine that runs: the host says what is
// wrong, the machine runs on, and what the host counts is as before.
func TestBadDevices(t *testing.T) {
	t.Parallel()
	for _, h := range hostileHosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			m := h.machine
			m.MemMiB, m.Limit = 512, 8*time.Minute
			n := boot(t, m)
			for _, name := range []string{"hello", "spin", "loop-cpuid"} {
				n.put(t, name, guests.Build(name))
			}
			bystander := n.create(t, wire.VMCreate{Name: "bystander", MemoryMiB: 32, Boot: wire.Boot{Kernel: "loop-cpuid"},
				Disks: []wire.Disk{{Kind: "ram", SizeMiB: 4}}, NICs: []wire.NIC{{Network: "nat", MAC: "52:54:00:aa:00:01"}}})
			bystander.act("start")
			for _, c := range deviceRows {
				before := n.counts(t)
				t.Run(c.name, func(t *testing.T) { c.run(t, n) })
				if after := n.counts(t); !reflect.DeepEqual(before, after) {
					t.Errorf("%s: the host had %v, has %v", c.name, before, after)
				}
				bystander.progress(bystander.show().ExitsTotal)
			}
			n.quiet(t)
		})
	}
}

// counts is what the host has: machines, files and who has them open, and memory in
// use by machines, all but the one that runs.
func (n *node) counts(t *testing.T) map[string]string {
	t.Helper()
	h := n.alive(t)
	all := map[string]string{"machines": fmt.Sprint(h.VMs, " running ", h.RunningVMs)}
	l, err := n.api.Files(n.ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range l.Files {
		all[f.Path] = fmt.Sprint(f.Bytes, f.UsedBytes, f.Machines)
	}
	vms, err := n.api.VMs(n.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vms {
		all[v.Name] = fmt.Sprint(v.State, v.Disks, v.NICs)
	}
	return all
}

// small is a machine for a row.
func small(name, kernel string) wire.VMCreate {
	return wire.VMCreate{Name: name, CPUs: 1, MemoryMiB: 32, Boot: wire.Boot{Kernel: kernel}}
}

func manyDevices(t *testing.T, n *node) {
	const many = 300
	in := small("disks", "hello")
	for range many {
		in.Disks = append(in.Disks, wire.Disk{Kind: "null", SizeMiB: 1})
	}
	n.refuses(t, in, http.StatusUnprocessableEntity, "300 disks", "a machine can have 32")
	in = small("nics", "hello")
	for range many {
		in.NICs = append(in.NICs, wire.NIC{Network: "nat"})
	}
	n.refuses(t, in, http.StatusUnprocessableEntity, "300 network adapters", "a machine can have 16")

	// One after the other.
	g := n.create(t, small("one-by-one", "hello"))
	taken := 0
	for range many {
		if _, err := n.api.AttachDisk(n.ctx, g.id, wire.Disk{Kind: "null", SizeMiB: 1}); err == nil {
			taken++
		} else {
			refused(t, err, http.StatusUnprocessableEntity, "33 disks", "a machine can have 32")
		}
	}
	if vm := g.show(); taken != 32 || len(vm.Disks) != 32 {
		t.Errorf("%d disks were taken, the machine has %d", taken, len(vm.Disks))
	}
	// All of them fit into the machine.
	g.act("start")
	g.console().expect(`hello from the guest`)
}

// hotBeyond takes more slots than the machine was started with.
func hotBeyond(t *testing.T, n *node) {
	g := n.create(t, small("hot", "loop-cpuid"))
	g.act("start")
	taken := 0
	for range 10 {
		_, err := n.api.AttachDisk(n.ctx, g.id, wire.Disk{Kind: "null", SizeMiB: 1})
		if err == nil {
			taken++
			continue
		}
		refused(t, err, http.StatusConflict, "slot")
	}
	if vm := g.show(); taken != 4 || len(vm.Disks) != taken || vm.State != "running" {
		t.Errorf("%d disks were taken, the machine has %d and is %s", taken, len(vm.Disks), vm.State)
	}
	_, err := n.api.AttachNIC(n.ctx, g.id, wire.NIC{Network: "nat"})
	refused(t, err, http.StatusConflict, "slot")
	// One that leaves makes room for one.
	if _, err := n.api.DetachDisk(n.ctx, g.id, "disk1", true); err != nil {
		t.Error(err)
	}
	if _, err := n.api.AttachNIC(n.ctx, g.id, wire.NIC{Network: "nat"}); err != nil {
		t.Error(err)
	}
}

func byteDisk(t *testing.T, n *node) {
	_, err := n.api.CreateImage(n.ctx, "byte", 1)
	refused(t, err, http.StatusUnprocessableEntity, "bytes", "512")
	_, err = n.api.CreateImage(n.ctx, "byte", 513)
	refused(t, err, http.StatusUnprocessableEntity, "513", "512")
	n.put(t, "byte", []byte{1})
	defer n.api.RemoveFile(n.ctx, "byte")
	in := small("byte", "hello")
	in.Disks = []wire.Disk{{Kind: "image", Image: "byte"}}
	vm, err := n.api.CreateVM(n.ctx, in)
	if err == nil { // an image is looked at when it is opened
		_, err = n.api.Act(n.ctx, vm.ID, "start")
		defer n.api.DeleteVM(n.ctx, vm.ID)
	}
	refused(t, err, http.StatusUnprocessableEntity, "byte", "512")
	in.Disks = []wire.Disk{{Kind: "ram", SizeMiB: -1}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "sizeMiB")
	g := n.create(t, small("whole", "loop-cpuid"))
	g.act("start")
	_, err = n.api.AttachDisk(n.ctx, g.id, wire.Disk{Kind: "image", Image: "byte"})
	refused(t, err, http.StatusUnprocessableEntity, "byte", "512")
	_, err = n.api.AttachDisk(n.ctx, g.id, wire.Disk{Kind: "image", Image: "none"})
	refused(t, err, http.StatusUnprocessableEntity, "none", "not found")
	if vm := g.show(); len(vm.Disks) != 0 {
		t.Errorf("the machine has %v", vm.Disks)
	}
}

// detachBusy takes a disk from a guest that does not know what a slot is.
func detachBusy(t *testing.T, n *node) {
	in := small("busy", "loop-cpuid")
	in.Disks = []wire.Disk{{Kind: "ram", SizeMiB: 1}}
	in.NICs = []wire.NIC{{Network: "nat"}}
	g := n.create(t, in)
	g.act("start")
	_, err := n.api.DetachDisk(n.ctx, g.id, "disk0", false)
	refused(t, err, http.StatusConflict, "disk0", "in use")
	_, err = n.api.DetachNIC(n.ctx, g.id, "nic0", false)
	refused(t, err, http.StatusConflict, "nic0", "in use")
	_, err = n.api.DetachDisk(n.ctx, g.id, "disk7", false)
	refused(t, err, http.StatusNotFound, "disk7")
	if vm := g.show(); len(vm.Disks) != 1 || len(vm.NICs) != 1 || vm.State != "running" {
		t.Errorf("%+v", vm)
	}
	g.progress(g.show().ExitsTotal)
}

// overPromised: machines that fit alone, and not together; the one that runs keeps all
// that it was promised.
func overPromised(t *testing.T, n *node) {
	free := int(n.alive(t).MemoryFreeBytes >> 20)
	in := small("first", "spin")
	in.MemoryMiB = free * 2 / 3
	first := n.create(t, in)
	in.Name = "second"
	second, err := n.api.CreateVM(n.ctx, in)
	if err == nil {
		defer n.api.DeleteVM(n.ctx, second.ID)
	}
	first.act("start")
	first.console().expect(`spinning`)
	if err == nil {
		_, err = n.api.Act(n.ctx, second.ID, "start")
	}
	var e *client.Error
	if !errors.As(err, &e) || e.Status != http.StatusInsufficientStorage && e.Status != http.StatusUnprocessableEntity || !strings.Contains(e.Error(), "free") {
		t.Errorf("the second machine: %v", err)
	}
	// A file takes nothing of it either: not of what the machine never touched, which is
	// half of what was free.
	_, err = n.api.PutFile(n.ctx, "large", &counted{}, int64(free/2)<<20, false)
	refused(t, err, http.StatusInsufficientStorage, "does not fit", "bytes are free")
	if vm := first.show(); vm.State != "running" {
		t.Errorf("the first machine is %s: %s", vm.State, vm.Reason)
	}
	first.act("stop")
	if second.ID != "" {
		if _, err := n.api.Act(n.ctx, second.ID, "start"); err != nil {
			t.Errorf("alone: %v", err)
		}
		if _, err := n.api.Act(n.ctx, second.ID, "stop"); err != nil {
			t.Error(err)
		}
	}
}

func unknownNetwork(t *testing.T, n *node) {
	in := small("net", "hello")
	in.NICs = []wire.NIC{{Network: "mars"}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "network", "mars")
	in.NICs = []wire.NIC{{Network: "nat/../x"}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "network")
	g := n.create(t, small("net", "loop-cpuid"))
	g.act("start")
	_, err := n.api.AttachNIC(n.ctx, g.id, wire.NIC{Network: "mars"})
	refused(t, err, http.StatusUnprocessableEntity, "network", "mars")
	if vm := g.show(); len(vm.NICs) != 0 {
		t.Errorf("the machine has %v", vm.NICs)
	}
}

// wrongLevel: neither emulator has AVX-512.
func wrongLevel(t *testing.T, n *node) {
	in := small("level", "hello")
	in.CPULevel = "x86-64-v9"
	n.refuses(t, in, http.StatusUnprocessableEntity, "cpuLevel", "unknown level", "x86-64-v9", "x86-64-v3")
	in.CPULevel = "x86-64-v4"
	n.refuses(t, in, http.StatusUnprocessableEntity, "cpuLevel", "x86-64-v4", "lacks", "AVX512F")
}

// imageTwice: one writer, or any number of readers.
func imageTwice(t *testing.T, n *node) {
	n.image(t, "shared")
	defer n.api.RemoveFile(n.ctx, "shared")
	in := small("writer", "loop-cpuid")
	in.Disks = []wire.Disk{{Kind: "image", Image: "shared"}}
	a := n.create(t, in)
	a.act("start")
	in.Name = "other"
	for _, ro := range []bool{false, true} {
		in.Disks[0].ReadOnly = ro
		vm, err := n.api.CreateVM(n.ctx, in)
		if err == nil {
			_, err = n.api.Act(n.ctx, vm.ID, "start")
			defer n.api.DeleteVM(n.ctx, vm.ID)
			in.Name += "2"
		}
		refused(t, err, http.StatusUnprocessableEntity, "disks[0].image", "shared", "in use", "writer")
	}
	in = small("same", "hello")
	in.Disks = []wire.Disk{{Kind: "image", Image: "shared"}, {Kind: "image", Image: "shared"}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "shared", "read-only")
	if a.show().State != "running" {
		t.Error("the writer does not run")
	}
	a.act("stop")
}

// imageInUse: it is neither removed nor replaced, and then it is.
func imageInUse(t *testing.T, n *node) {
	n.image(t, "held")
	in := small("holder", "loop-cpuid")
	in.Disks = []wire.Disk{{Kind: "image", Image: "held"}}
	a := n.create(t, in)
	a.act("start")
	refused(t, n.api.RemoveFile(n.ctx, "held"), http.StatusConflict, "held", "in use", "holder")
	_, err := n.api.PutFile(n.ctx, "held", strings.NewReader("x"), 1, false)
	refused(t, err, http.StatusConflict, "held", "in use", "holder")
	l, err := n.api.Files(n.ctx, "held")
	if err != nil || len(l.Files) != 1 || l.Files[0].Bytes != 1<<20 || len(l.Files[0].Machines) != 1 {
		t.Errorf("%+v, %v", l, err)
	}
	a.act("stop")
	if err := n.api.RemoveFile(n.ctx, "held"); err != nil {
		t.Error(err)
	}
	// Without its image the machine says so, and does not start.
	_, err = n.api.Act(n.ctx, a.id, "start")
	refused(t, err, http.StatusUnprocessableEntity, "held", "not found")
	if vm := a.show(); vm.State != "off" {
		t.Errorf("state %s", vm.State)
	}
}

// image makes an image of 1 MiB.
func (n *node) image(t *testing.T, path string) {
	t.Helper()
	if _, err := n.api.CreateImage(n.ctx, path, 1<<20); err != nil {
		t.Fatal(err)
	}
}

// macTwice wants the address of the machine that runs.
func macTwice(t *testing.T, n *node) {
	const mac = "52:54:00:aa:00:01"
	in := small("mac", "loop-cpuid")
	in.NICs = []wire.NIC{{Network: "nat", MAC: mac}}
	vm, err := n.api.CreateVM(n.ctx, in)
	if err == nil {
		_, err = n.api.Act(n.ctx, vm.ID, "start")
		defer n.api.DeleteVM(n.ctx, vm.ID)
	}
	refused(t, err, http.StatusUnprocessableEntity, "mac", mac, "bystander")
	in = small("twice", "loop-cpuid")
	in.NICs = []wire.NIC{{Network: "nat", MAC: "52:54:00:bb:00:01"}, {Network: "nat", MAC: "52:54:00:BB:00:01"}}
	n.refuses(t, in, http.StatusUnprocessableEntity, "52:54:00:bb:00:01", "nic0")
	for _, bad := range []string{"01:00:5e:00:00:01", "00:00:00:00:00:00", "nonsense"} {
		in.NICs = []wire.NIC{{Network: "nat", MAC: bad}}
		n.refuses(t, in, http.StatusUnprocessableEntity, "mac", bad)
	}
	g := n.create(t, small("later", "loop-cpuid"))
	g.act("start")
	_, err = n.api.AttachNIC(n.ctx, g.id, wire.NIC{Network: "nat", MAC: mac})
	refused(t, err, http.StatusUnprocessableEntity, "mac", mac, "bystander")
	if vm := g.show(); len(vm.NICs) != 0 {
		t.Errorf("the machine has %v", vm.NICs)
	}
}
