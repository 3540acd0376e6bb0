package wire

import "time"

// Disk is a disk of a virtual machine, and the body of POST
// /api/v1/vms/{id}/disks.
type Disk struct {
	Name     string `json:"name,omitempty" maxLength:"20" doc:"Unique among the machine's devices: lower-case letters, digits and '-'. disk0 and so on when left out."`
	Kind     string `json:"kind" enum:"image,ram,null" doc:"image: a raw image of the file store. ram: memory, zeroes at each start. null: reads zeroes and forgets writes, for benchmarks."`
	Image    string `json:"image,omitempty" maxLength:"255" doc:"The image's path in the file store."`
	SizeMiB  int    `json:"sizeMiB,omitempty" minimum:"1" doc:"For ram and null; an image has its own size."`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// DiskChange is the body of PATCH /api/v1/vms/{id}/disks/{name}.
type DiskChange struct {
	Bytes int64 `json:"bytes" minimum:"512" doc:"New size, a multiple of 512."`
	Cut   bool  `json:"cut,omitempty" doc:"Allow a smaller size that cuts data off."`
}

// NIC is a network adapter of a virtual machine, and the body of POST
// /api/v1/vms/{id}/nics.
type NIC struct {
	Name    string `json:"name,omitempty" maxLength:"20" doc:"As a disk's; nic0 and so on when left out."`
	Network string `json:"network" minLength:"1" maxLength:"63" doc:"nat, or a switch's name."`
	MAC     string `json:"mac,omitempty" maxLength:"17" doc:"Unicast address; chosen by the host when left out."`
	VLAN    int    `json:"vlan,omitempty" minimum:"0" maximum:"4094" doc:"0: none."`
	// Forwards are for the NAT network only.
	Forwards []Forward `json:"forwards,omitempty" maxItems:"1024" doc:"Ports of the host that lead to the guest while the machine runs; on nat only."`
	Address  string    `json:"address,omitempty" maxLength:"64" readOnly:"true" doc:"The guest's address on nat, leased or reserved; set by the host."`
}

// NICChange is the body of PATCH /api/v1/vms/{id}/nics/{name}.
type NICChange struct {
	LinkUp bool `json:"linkUp" doc:"Plug the cable in or out, until the next start."`
}

// Console is a port of a machine's virtio console device.
type Console struct {
	Name     string `json:"name" minLength:"1" maxLength:"64" doc:"Unique among the machine's ports: a letter, then letters, digits, '.', '_' or '-'. Linux has /dev/virtio-ports/NAME."`
	Terminal bool   `json:"terminal,omitempty" doc:"A terminal, in Linux /dev/hvc0 and so on, instead of a port for programs."`
}

// CPUs is the body of PUT /api/v1/vms/{id}/cpus.
type CPUs struct {
	CPUs int `json:"cpus" minimum:"1" maximum:"64" doc:"How many the machine has from now on: as many as now or more, up to maxCPUs."`
}

// Memory is the body of PUT /api/v1/vms/{id}/memory.
type Memory struct {
	MemoryMiB int `json:"memoryMiB" minimum:"1" maximum:"1073741824" doc:"How much the machine has from now on: as much as now, or more by a multiple of 128, up to maxMemoryMiB."`
}

// MemoryTarget is the body of PUT /api/v1/vms/{id}/memory-target.
type MemoryTarget struct {
	MiB int `json:"mib" minimum:"1" maximum:"1073741824" doc:"What the guest is to live with; all of the machine's memory lets it take everything back."`
}

// Stats is GET /api/v1/stats: counters that only grow while a machine runs. Rates
// come from two answers and the difference of their hostSeconds.
type Stats struct {
	At          time.Time `json:"at"`
	HostSeconds float64   `json:"hostSeconds" doc:"The host's uptime: a clock that never jumps."`
	HostCPUs    int       `json:"hostCPUs"`
	VMs         []VMStats `json:"vms"`
	Pools       []Pool    `json:"pools" doc:"The resource pools, each before those in it."`
}

// VMStats is one machine's counters since its start.
type VMStats struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	State           string            `json:"state" enum:"off,starting,running,paused,crashed,suspended"`
	UptimeSeconds   float64           `json:"uptimeSeconds"`
	MemoryBytes     uint64            `json:"memoryBytes"`
	MemoryUsedBytes uint64            `json:"memoryUsedBytes"`
	CPUSeconds      float64           `json:"cpuSeconds"`
	Pool            string            `json:"pool,omitempty" doc:"The resource pool that it is in; left out for the host's own."`
	Exits           map[string]uint64 `json:"exits" doc:"Exits by kind."`
	CPUs            []CPUStats        `json:"cpus,omitempty" doc:"Left out where the host does not count, as are the next two."`
	Disks           []DiskStats       `json:"disks,omitempty"`
	NICs            []NICStats        `json:"nics,omitempty"`
}

// CPUStats is one virtual CPU. Times that the host does not count are left out.
type CPUStats struct {
	RunSeconds    float64  `json:"runSeconds" doc:"Executing the guest or serving its exits."`
	ReadySeconds  *float64 `json:"readySeconds,omitempty" doc:"It could have run, but had no processor."`
	CoStopSeconds *float64 `json:"coStopSeconds,omitempty" doc:"It was held so that its siblings could catch up."`
	WaitSeconds   *float64 `json:"waitSeconds,omitempty" doc:"It had nothing to do."`
}

// DiskStats is one disk: requests completed, and bytes.
type DiskStats struct {
	Name         string `json:"name"`
	Reads        uint64 `json:"reads"`
	Writes       uint64 `json:"writes"`
	ReadBytes    uint64 `json:"readBytes"`
	WrittenBytes uint64 `json:"writtenBytes"`
	Flushes      uint64 `json:"flushes"`
	Discards     uint64 `json:"discards" doc:"Writes of zeroes too."`
	Errors       uint64 `json:"errors"`
	InFlight     int    `json:"inFlight"`
}

// NICStats is one network adapter from the guest's side: tx is what it sent.
type NICStats struct {
	Name      string `json:"name"`
	Link      bool   `json:"link"`
	RxPackets uint64 `json:"rxPackets"`
	TxPackets uint64 `json:"txPackets"`
	RxBytes   uint64 `json:"rxBytes"`
	TxBytes   uint64 `json:"txBytes"`
	RxDropped uint64 `json:"rxDropped"`
	TxDropped uint64 `json:"txDropped"`
}
