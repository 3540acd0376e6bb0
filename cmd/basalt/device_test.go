package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host/fakehost"
)

func TestDeviceCommands(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{MemoryTotal: 512 << 20}, mgmt.Config{})
	f.Put(t, "k", mgmttest.BzImage)
	f.Put(t, "one", "x")
	c := newTool(t)
	c.env = []string{"BASALT_PASSWORD=" + mgmttest.Password}
	c.expect(exitOK, "", words("login "+f.Addr+" --trust"))

	c.expect(exitOK, "", words("file create --size 10G data.img"), "data.img: 10737418240 bytes")
	c.expect(exitConflict, "", words("file create --size 1G data.img"), "already exists")
	c.expect(exitUsage, "", words("file create --size 0 x"), "512")
	c.expect(exitUsage, "", words("file create --size 513B x"), "not a multiple of 512")
	c.expect(exitUsage, "", words("file create --size 17T x"), "at most")
	c.expect(exitUsage, "", words("file create --size lots x"), "not a size")
	c.expect(exitUsage, "", words("file create x"), `"size" not set`)

	create := func(more string) []string {
		return append(words("vm create web --kernel k --memory 64"), words(more)...)
	}
	c.expect(exitUsage, "", create("--disk image=one"), "disks[0].image", "1 bytes")
	c.expect(exitUsage, "", create("--disk image=none"), "not found")
	c.expect(exitUsage, "", create("--disk floppy"), "is not understood")
	c.expect(exitUsage, "", create("--disk ram=0"), "whole MiB")
	c.expect(exitUsage, "", create("--disk image=data.img --disk image=data.img,ro"), "share an image")
	c.expect(exitUsage, "", create("--nic nat,mac=01:00:5e:00:00:01"), "multicast")
	c.expect(exitUsage, "", create("--nic nat,vlan=4095"), "1 to 4094")
	c.expect(exitUsage, "", create("--vsock 2"), "vsockCID", "3 to 4294967294")
	c.expect(exitUsage, "", create("--cpu-level x86-64-v9"), "unknown level", "x86-64-v2")
	c.expect(exitUsage, "", create(strings.Repeat(" --disk null=1", 300)), "300 disks", "32")
	c.expect(exitUsage, "", create("--disk null=1,name=a --nic nat,name=a"), "already exists")
	c.expect(exitOK, "", create("--disk image=data.img --disk ram=8M --nic nat --nic lab,mac=52:54:00:00:00:01,vlan=7 --cpu-level x86-64-v3 --vsock 42 --start"))
	c.expect(exitOK, "", words("vm show web"), "image data.img", "ram 8 MiB", "lab, 52:54:00:00:00:01, VLAN 7", "x86-64-v3", "Vsock         42")
	c.expect(exitOK, "", words("file ls"), "data.img", "10.0 GiB", "web")
	c.expect(exitConflict, "", words("file rm data.img"), "in use by virtual machine web")
	c.expect(exitConflict, "", words("file get data.img -"), "in use by virtual machine web")
	c.expect(exitUsage, "", words("vm create db --kernel k --memory 64 --disk image=data.img"), "in use by virtual machine web")

	c.expect(exitOK, "", words("file create --size 64 more.img"))
	c.expect(exitOK, "", words("vm disk add web image=more.img,name=more"), "more", "image more.img")
	c.expect(exitOK, "", words("vm disk resize web more 128M"), "more")
	c.expect(exitUsage, "", words("vm disk resize web more 1000B"), "multiple of 512")
	c.expect(exitNotFound, "", words("vm disk resize web none 1G"), "not found")
	var vm wire.VM
	if r := c.run("", "vm", "disk", "list", "web", "--json"); json.Unmarshal([]byte(r.out), &vm) != nil || len(vm.Disks) != 3 {
		t.Errorf("disk list --json: %s", r.out)
	}
	f.Host.UseDevice(vm.ID, "more", true)
	c.expect(exitConflict, "", words("vm disk remove web more"), "in use by the guest")
	c.expect(exitOK, "", words("vm disk remove --force web more"), "disk0", "!more.img")
	c.expect(exitOK, "", words("vm nic add web lab,vlan=9"), "nic2", "9")
	c.expect(exitUsage, "", words("vm nic add web lab,name=nic2"), "already exists")
	c.expect(exitUsage, "", words("vm nic link web nic2 sideways"), "neither up nor down")
	c.expect(exitOK, "", words("vm nic link web nic2 down"), "nic2")
	c.expect(exitOK, "", words("vm top --once"), "cpu0", "run", "costop", "exits", "pio", "disk0", "IOPS", "nic2   down", "packets/s", "!\x1b")
	c.expect(exitOK, "", words("vm nic remove web nic2"), "!nic2")
	networks(t, c, vm.ID)
	var s wire.Stats
	if r := c.run("", words("vm top web --once --json")...); json.Unmarshal([]byte(r.out), &s) != nil || len(s.VMs) != 1 || len(s.VMs[0].CPUs) != 1 || s.VMs[0].Exits["pio"] == 0 ||
		len(s.VMs[0].Disks) != 2 || s.VMs[0].Disks[0].Name != "disk0" || s.VMs[0].Disks[0].Reads == 0 || len(s.VMs[0].NICs) != 2 || s.VMs[0].NICs[1].TxPackets == 0 {
		t.Errorf("top --json: %s", r.out)
	}
	c.expect(exitNotFound, "", words("vm top none --once"), "not found")
	c.expect(exitUsage, "", words("vm top --interval 1ms"), "too short")

	c.expect(exitOK, "", words("vm nmi web"), "running")
	c.expect(exitOK, "", words("vm log web"), "NMI 1")
	c.expect(exitOK, "", words("vm shutdown web --wait 30s"), "off")
	c.expect(exitConflict, "", words("vm shutdown web"), "that is off")
	c.expect(exitConflict, "", words("vm nmi web"), "that is off")
	c.expect(exitOK, "", words("vm create deaf --kernel k --memory 64 --cmdline nobutton --start"))
	c.expect(exitTimeout, "", words("vm shutdown deaf --wait 300ms"), "did not become off")
	c.expect(exitOK, "", []string{"__complete", "vm", "disk", "remove", "web", ""}, "disk0\timage data.img")
	c.expect(exitOK, "", []string{"__complete", "vm", "disk", "add", "web", "image=m"}, "image=more.img", "!deaf")
	c.expect(exitOK, "", []string{"__complete", "vm", "nic", "link", "web", "nic0", ""}, "up", "down")
	c.expect(exitOK, "", []string{"__complete", "vm", "create", "x", "--disk", "image=d"}, "image=data.img")
}

// TestTopRates: figures are those of the interval, of a machine that was started
// anew those since the start, and what is not counted is not shown.
func TestTopRates(t *testing.T) {
	at := func(host, up float64, exits, reads uint64, run, ready float64) wire.Stats {
		return wire.Stats{At: time.Unix(0, 0), HostSeconds: host, HostCPUs: 2, VMs: []wire.VMStats{{ID: "vm-1", Name: "web\x1b", State: "running", UptimeSeconds: up,
			Exits: map[string]uint64{"hlt": exits, "pio": 2 * exits}, CPUSeconds: run, CPUs: []wire.CPUStats{{RunSeconds: run, ReadySeconds: &ready}},
			Disks: []wire.DiskStats{{Name: "disk0", Reads: reads, ReadBytes: 1024 * reads}}}}}
	}
	picture := func(before, now wire.Stats) string {
		var b strings.Builder
		printTop(&b, before, now)
		return b.String()
	}
	first := at(100, 10, 1000, 50, 5, 1)
	for name, tc := range map[string]struct {
		got   string
		wants []string
	}{
		"first":   {picture(wire.Stats{}, first), []string{"exits 300/s", "run 50.0%", "ready 10.0%", "5 IOPS", "5.0 KiB/s", "pio 200/s  hlt 100/s", "web?"}},
		"second":  {picture(first, at(102, 12, 3000, 250, 6, 1)), []string{"exits 3000/s", "run 50.0%", "ready 0.0%", "100 IOPS", "pio 2000/s"}},
		"renewed": {picture(first, at(102, 1, 7, 3, 0.5, 0)), []string{"exits 21/s", "run 50.0%", "3 IOPS"}},
	} {
		for _, w := range tc.wants {
			if !strings.Contains(tc.got, w) {
				t.Errorf("%s: no %q in\n%s", name, w, tc.got)
			}
		}
		if strings.Contains(tc.got, "costop") || strings.Contains(tc.got, "packets") || strings.Contains(tc.got, "\x1b") {
			t.Errorf("%s: shows what is not counted\n%s", name, tc.got)
		}
	}
}

// networks is about port forwards and networks of a running machine with adapters on
// nat and lab.
func networks(t *testing.T, c *tool, id string) {
	c.expect(exitUsage, "", words("vm nic forward web nic0 tcp:2222"), "tcp:2222:22")
	c.expect(exitUsage, "", words("vm nic forward web nic0 tcp:0:22"), "tcp:2222:22")
	c.expect(exitUsage, "", words("vm nic forward web nic0 tcp:443:22"), "belongs to the host")
	c.expect(exitUsage, "", words("vm nic forward web nic0 tcp:2222:22 tcp:2222:23"), "twice")
	c.expect(exitUsage, "", words("vm nic forward web nic1 tcp:2222:22"), `on network "nat"`)
	c.expect(exitNotFound, "", words("vm nic forward web none tcp:2222:22"), "not found")
	c.expect(exitOK, "", words("vm nic forward web nic0 tcp:2222:22 udp:5353:53"), "198.51.100.15", "tcp:2222:22 udp:5353:53")
	c.expect(exitOK, "", words("vm show web"), "the guest has 198.51.100.15, forwards tcp:2222:22 udp:5353:53")
	c.expect(exitUsage, "", words("vm create other --kernel k --memory 64 --nic nat,forward=tcp:2222:80"), "nics[0].forwards", "nic0 of web already")
	c.expect(exitUsage, "", words("vm create other --kernel k --memory 64 --nic nat,forward=22"), "tcp:2222:22")
	c.expect(exitOK, "", words("network ls"), "nat", "vswitch0", "lab", "198.51.100.2/24")
	c.expect(exitOK, "", words("network show nat"), id+"/nic0", "web", "full 1", "tcp 2222", "198.51.100.15:22", "udp 5353")
	c.expect(exitNotFound, "", words("network show none"), "not found")
	c.expect(exitNotFound, "", words("network capture nat web/none"), "not found")
	c.expect(exitUsage, "", words("network capture nat web/nic0 --snap 3"), "14 to 65550")
	var list []wire.Network
	if r := c.run("", words("network ls --json")...); json.Unmarshal([]byte(r.out), &list) != nil || len(list) != 3 || list[0].Ports[0].VM != "web" || len(list[0].Forwards) != 2 {
		t.Errorf("network ls --json: %s", r.out)
	}
	c.expect(exitOK, "", words("vm nic forward web nic0"), "!2222")
	c.expect(exitOK, "", words("vm create other --kernel k --memory 64 --nic nat,forward=tcp:2222:80"))
	c.expect(exitUsage, "", words("vm nic forward web nic0 tcp:2222:22"), "nic0 of other already")
	c.expect(exitOK, "", words("vm rm other"))
	c.expect(exitOK, "", words("vm nic forward web nic0 tcp:2222:22"), "tcp:2222:22")
}
