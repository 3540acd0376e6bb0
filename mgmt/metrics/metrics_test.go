package metrics

import (
	"strings"
	"testing"

	"basalt/mgmt/auth"
	"basalt/mgmt/files"
	"basalt/mgmt/inventory"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

func TestDevicesOfMachines(t *testing.T) {
	h := fakehost.New(fakehost.Options{})
	f := files.New(h.Memory(), 0, nil)
	if _, _, err := f.Put("k", strings.NewReader("\x7fELF"), 4, false); err != nil {
		t.Fatal(err)
	}
	inv := inventory.New(h, f, task.New(nil), nil)
	vm, err := inv.Create(inventory.Spec{Name: "web", CPUs: 1, MemoryMiB: 8, Boot: inventory.Boot{Kernel: "k"},
		Disks: []host.DiskConfig{{Kind: host.DiskNull, SizeMiB: 1}}, NICs: []host.NICConfig{{Network: "nat"}}}, "root")
	if err != nil {
		t.Fatal(err)
	}
	m := New(h, inv, f, auth.New(auth.Config{Password: "x"}))
	scrape := func() string {
		var b strings.Builder
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if off := scrape(); strings.Contains(off, "basalt_vm_vcpu_seconds_total{") || strings.Contains(off, "basalt_vm_disk_requests_total{") {
		t.Error("a machine that is off has counters")
	}
	tk, err := inv.Act(vm.ID, inventory.Start, "root")
	if err == nil {
		err = tk.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Pools().Create(host.PoolConfig{Name: "prod", CPU: host.CPUSpec{Reservation: 500, Limit: 1000}}); err != nil {
		t.Fatal(err)
	}
	if _, err := inv.SetCPU(t.Context(), vm.ID, host.CPUSpec{Pool: "prod"}, "root"); err != nil {
		t.Fatal(err)
	}
	on := scrape()
	for _, want := range []string{
		`basalt_vm_exits_total{id="` + vm.ID + `",`, `basalt_vm_vcpu_seconds_total{cpu="0",`, `what="costop"`,
		`basalt_vm_disk_requests_total{disk="disk0",`, `op="read"} 1`, `basalt_vm_disk_bytes_total{disk="disk0",`, `basalt_vm_disk_errors_total{disk="disk0",`,
		`basalt_vm_sched_seconds_total{id="` + vm.ID + `",name="web",pool="prod",what="ready"}`,
		`basalt_pool_sched_seconds_total{pool="prod",what="run"}`, `basalt_pool_reservation_cpus{parent="host",pool="prod"} 0.5`,
		`basalt_pool_limit_cpus{parent="host",pool="prod"} 1`, `basalt_pool_promised_cpus{parent="",pool="host"} 0.75`,
		`basalt_pool_running_vms{parent="host",pool="prod"} 1`, `basalt_pool_shares{parent="host",pool="prod"} 4000`,
		`basalt_vm_nic_packets_total{direction="tx",`, `basalt_vm_nic_link_up{`, `basalt_vm_nic_dropped_total{`,
	} {
		if !strings.Contains(on, want) {
			t.Errorf("no %s", want)
		}
	}
}
