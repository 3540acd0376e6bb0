package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"basalt/mgmt/auth"
	"basalt/mgmt/files"
	"basalt/mgmt/inventory"
	"basalt/vmkernel/host"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("basalt_"+name, help, labels, nil)
}

var (
	hostInfo     = desc("host_info", "Always 1; the labels describe the host.", "name", "version", "engine")
	hostCPUs     = desc("host_cpus", "Logical processors online.")
	memTotal     = desc("host_memory_total_bytes", "Usable memory.")
	memFree      = desc("host_memory_free_bytes", "Memory that virtual machines and files could take.")
	uptime       = desc("host_uptime_seconds", "Seconds since kernel entry.")
	failedLogins = desc("failed_logins_total", "Failed logins since boot.")
	fileCount    = desc("files", "Files in the store.")
	fileBytes    = desc("files_bytes", "Bytes in the store.")
	vmState      = desc("vm_state", "1 for the state that the machine is in.", "id", "name", "state")
	vmExits      = desc("vm_exits_total", "Exits by kind since the machine's start.", "id", "name", "kind")
	vmCPU        = desc("vm_cpu_seconds_total", "Host CPU time since the machine's start.", "id", "name")
	vmUptime     = desc("vm_uptime_seconds", "Seconds since the machine's start.", "id", "name")
	vmMemory     = desc("vm_memory_bytes", "Configured memory.", "id", "name")
	vmMemoryUsed = desc("vm_memory_used_bytes", "Memory backed by host frames.", "id", "name")

	vcpuSeconds   = desc("vm_vcpu_seconds_total", "Time of a virtual CPU since the machine's start: run, ready, costop, wait.", "id", "name", "cpu", "what")
	diskRequests  = desc("vm_disk_requests_total", "Completed requests of a disk: read, write, flush, discard.", "id", "name", "disk", "op")
	diskBytes     = desc("vm_disk_bytes_total", "Bytes of a disk: read, write.", "id", "name", "disk", "op")
	diskErrors    = desc("vm_disk_errors_total", "Requests of a disk that failed.", "id", "name", "disk")
	diskInFlight  = desc("vm_disk_requests_in_flight", "Requests of a disk under way.", "id", "name", "disk")
	nicLink       = desc("vm_nic_link_up", "1 while a network adapter's link is up.", "id", "name", "nic")
	nicPackets    = desc("vm_nic_packets_total", "Packets of a network adapter: rx is what the guest received.", "id", "name", "nic", "direction")
	nicBytes      = desc("vm_nic_bytes_total", "Bytes of a network adapter.", "id", "name", "nic", "direction")
	nicDropped    = desc("vm_nic_dropped_total", "Packets of a network adapter that were dropped.", "id", "name", "nic", "direction")
	deviceMetrics = []*prometheus.Desc{vcpuSeconds, diskRequests, diskBytes, diskErrors, diskInFlight, nicLink, nicPackets, nicBytes, nicDropped}
)

// hostCollector reads everything at the moment of a scrape.
type hostCollector struct {
	host  host.Host
	inv   *inventory.Inventory
	files *files.Store
	auth  *auth.Authority
}

// Describe implements prometheus.Collector.
func (c *hostCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{hostInfo, hostCPUs, memTotal, memFree, uptime, failedLogins, fileCount, fileBytes,
		vmState, vmExits, vmCPU, vmUptime, vmMemory, vmMemoryUsed} {
		ch <- d
	}
	for _, d := range deviceMetrics {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *hostCollector) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	in := c.host.Info()
	put(hostInfo, gauge, 1, in.Hostname, in.Version, in.Engine)
	put(hostCPUs, gauge, float64(in.CPUs))
	put(memTotal, gauge, float64(in.MemoryTotal))
	put(memFree, gauge, float64(in.MemoryFree))
	put(uptime, gauge, in.Uptime.Seconds())
	put(failedLogins, counter, float64(c.auth.Failures()))
	list := c.files.List("")
	var bytes int64
	for _, f := range list {
		bytes += f.Bytes
	}
	put(fileCount, gauge, float64(len(list)))
	put(fileBytes, gauge, float64(bytes))
	for _, vm := range c.inv.List() {
		id, name := vm.ID, vm.Spec.Name
		put(vmState, gauge, 1, id, name, vm.Status.State.String())
		for _, e := range vm.Status.Exits {
			put(vmExits, counter, float64(e.Count), id, name, e.Kind)
		}
		put(vmCPU, counter, vm.Status.CPUTime.Seconds(), id, name)
		put(vmUptime, gauge, vm.Status.Uptime.Seconds(), id, name)
		put(vmMemory, gauge, float64(vm.Spec.MemoryMiB)*(1<<20), id, name)
		put(vmMemoryUsed, gauge, float64(vm.Status.MemoryUsed), id, name)
		devices(put, id, name, &vm.Status)
	}
}

// devices puts what the host counts per CPU, disk and network adapter.
func devices(put func(*prometheus.Desc, prometheus.ValueType, float64, ...string), id, name string, st *host.Status) {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	for i, c := range st.CPUs {
		n := strconv.Itoa(i)
		put(vcpuSeconds, counter, c.Run.Seconds(), id, name, n, "run")
		if c.Sched {
			put(vcpuSeconds, counter, c.Ready.Seconds(), id, name, n, "ready")
			put(vcpuSeconds, counter, c.CoStop.Seconds(), id, name, n, "costop")
			put(vcpuSeconds, counter, c.Wait.Seconds(), id, name, n, "wait")
		}
	}
	for _, d := range st.Disks {
		for op, n := range map[string]uint64{"read": d.Reads, "write": d.Writes, "flush": d.Flushes, "discard": d.Discards} {
			put(diskRequests, counter, float64(n), id, name, d.Name, op)
		}
		put(diskBytes, counter, float64(d.ReadBytes), id, name, d.Name, "read")
		put(diskBytes, counter, float64(d.WrittenBytes), id, name, d.Name, "write")
		put(diskErrors, counter, float64(d.Errors), id, name, d.Name)
		put(diskInFlight, gauge, float64(d.InFlight), id, name, d.Name)
	}
	for _, n := range st.NICs {
		link := 0.0
		if n.Link {
			link = 1
		}
		put(nicLink, gauge, link, id, name, n.Name)
		for dir, v := range map[string][3]uint64{"rx": {n.RxPackets, n.RxBytes, n.RxDropped}, "tx": {n.TxPackets, n.TxBytes, n.TxDropped}} {
			put(nicPackets, counter, float64(v[0]), id, name, n.Name, dir)
			put(nicBytes, counter, float64(v[1]), id, name, n.Name, dir)
			put(nicDropped, counter, float64(v[2]), id, name, n.Name, dir)
		}
	}
}
