package metrics

import (
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
	}
}
