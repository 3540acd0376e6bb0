package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"time"

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

	vmSeconds       = desc("vm_sched_seconds_total", "Times of all virtual CPUs of a machine since its start: run, ready, costop, wait.", "id", "name", "pool", "what")
	poolSeconds     = desc("pool_sched_seconds_total", "Times of the virtual CPUs of all machines that ran in a resource pool or in those in it: run, ready, costop, wait.", "pool", "what")
	poolShares      = desc("pool_shares", "Weight of a resource pool against what else is in its parent.", "pool", "parent")
	poolReservation = desc("pool_reservation_cpus", "Host CPUs that a resource pool gets whenever it wants them.", "pool", "parent")
	poolLimit       = desc("pool_limit_cpus", "Host CPUs that a resource pool never exceeds for long; left out where there is none.", "pool", "parent")
	poolPromised    = desc("pool_promised_cpus", "Host CPUs that are promised to what is in a resource pool.", "pool", "parent")
	poolVMs         = desc("pool_running_vms", "Machines that run in a resource pool or in those in it.", "pool", "parent")
	cpuMetrics      = []*prometheus.Desc{vmSeconds, poolSeconds, poolShares, poolReservation, poolLimit, poolPromised, poolVMs}

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
	for _, d := range append(slices.Clone(cpuMetrics), deviceMetrics...) {
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
		var all host.CPUStats
		for _, c := range vm.Status.CPUs {
			all.Run, all.Ready, all.CoStop, all.Wait, all.Sched = all.Run+c.Run, all.Ready+c.Ready, all.CoStop+c.CoStop, all.Wait+c.Wait, c.Sched
		}
		if all.Sched {
			times(put, vmSeconds, all, id, name, cmp.Or(vm.Spec.CPU.Pool, host.PoolHost))
		}
		devices(put, id, name, &vm.Status)
	}
	for _, p := range c.host.Pools().List() {
		in := p.CPU.Pool
		times(put, poolSeconds, p.Time, p.Name)
		if p.Name != host.PoolHost {
			put(poolShares, gauge, float64(p.CPU.Shares), p.Name, in)
		}
		put(poolReservation, gauge, float64(p.CPU.Reservation)/1000, p.Name, in)
		if p.CPU.Limit > 0 {
			put(poolLimit, gauge, float64(p.CPU.Limit)/1000, p.Name, in)
		}
		put(poolPromised, gauge, float64(p.Promised)/1000, p.Name, in)
		put(poolVMs, gauge, float64(p.Machines), p.Name, in)
	}
}

// times puts where the time of virtual CPUs went.
func times(put func(*prometheus.Desc, prometheus.ValueType, float64, ...string), d *prometheus.Desc, t host.CPUStats, labels ...string) {
	for _, x := range []struct {
		what string
		time time.Duration
	}{{"run", t.Run}, {"ready", t.Ready}, {"costop", t.CoStop}, {"wait", t.Wait}} {
		put(d, prometheus.CounterValue, x.time.Seconds(), append(slices.Clone(labels), x.what)...)
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
