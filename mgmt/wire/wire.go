package wire

import "time"

// Host is GET /api/v1/host.
type Host struct {
	Name               string    `json:"name" doc:"The host's name."`
	Product            string    `json:"product"`
	Version            string    `json:"version"`
	Engine             string    `json:"engine" enum:"vt-x,amd-v,none" doc:"What runs virtual machines here."`
	CanRunVMs          bool      `json:"canRunVMs"`
	Reason             string    `json:"reason,omitempty" doc:"Why virtual machines cannot run here."`
	CPUModel           string    `json:"cpuModel"`
	CPUs               int       `json:"cpus" doc:"Logical processors online."`
	Leaks              []Leak    `json:"leaks" doc:"Known leaks of the processor between guests and host, and what is done about each."`
	MemoryTotalBytes   uint64    `json:"memoryTotalBytes"`
	MemoryFreeBytes    uint64    `json:"memoryFreeBytes" doc:"What virtual machines and files could take now."`
	MaxVCPUs           int       `json:"maxVCPUs" doc:"Most CPUs of one virtual machine."`
	MaxDisks           int       `json:"maxDisks" doc:"Most disks of one virtual machine."`
	MaxNICs            int       `json:"maxNICs" doc:"Most network adapters of one virtual machine."`
	HardwareOldest     int       `json:"hardwareOldest" doc:"Versions of a machine's board that this host knows."`
	HardwareNewest     int       `json:"hardwareNewest"`
	CPULevels          []string  `json:"cpuLevels" doc:"What cpuLevel of a virtual machine can be; this host may lack some."`
	Addresses          []string  `json:"addresses" doc:"Addresses of the management interface, CIDR notation."`
	Fingerprint        string    `json:"fingerprint" doc:"SHA-256 fingerprint of the TLS certificate."`
	BootTime           time.Time `json:"bootTime"`
	UptimeSeconds      float64   `json:"uptimeSeconds"`
	TimeToReadySeconds float64   `json:"timeToReadySeconds" doc:"From kernel entry until the API answered."`
	VMs                int       `json:"vms" doc:"Number of virtual machines."`
	RunningVMs         int       `json:"runningVMs"`
	FailedLogins       uint64    `json:"failedLogins" doc:"Failed logins since boot."`
}

// Leak is one known way in which a guest may learn what it should not.
type Leak struct {
	Name  string `json:"name" doc:"As Linux names the files in /sys/devices/system/cpu/vulnerabilities."`
	Open  bool   `json:"open" doc:"The leak is not closed."`
	State string `json:"state" doc:"What is done about it, or why nothing is."`
}

// File is one entry of the file store.
type File struct {
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes"`
	SHA256   string    `json:"sha256" doc:"Lower-case hexadecimal; empty for an image that a machine may have written to."`
	Modified time.Time `json:"modified"`
	// UsedBytes is left out by hosts that do not know it.
	UsedBytes int64    `json:"usedBytes,omitempty" doc:"Memory that it takes: less than bytes if it has holes."`
	Machines  []string `json:"machines,omitempty" doc:"Names of the virtual machines that have it open as a disk."`
}

// FileCreate is the body of POST /api/v1/images.
type FileCreate struct {
	Path  string `json:"path" minLength:"1" maxLength:"255"`
	Bytes int64  `json:"bytes" minimum:"512" doc:"Size, a multiple of 512. The image is all zeroes and takes memory as it is written to."`
}

// FileCopy is the body of POST /api/v1/copies.
type FileCopy struct {
	From    string `json:"from" minLength:"1" maxLength:"255" doc:"The path of the file or image."`
	To      string `json:"to" minLength:"1" maxLength:"255" doc:"The path of the copy."`
	Replace bool   `json:"replace,omitempty" doc:"Replace a file that is there."`
}

// FileList is GET /api/v1/files.
type FileList struct {
	Files     []File `json:"files"`
	FreeBytes uint64 `json:"freeBytes" doc:"Largest file that could be stored now."`
}

// Boot says what a virtual machine starts. Every path is one of the file store.
type Boot struct {
	Kernel  string   `json:"kernel" minLength:"1" maxLength:"255" doc:"bzImage, PVH ELF or Multiboot1 ELF, recognised by its content."`
	Initrd  string   `json:"initrd,omitempty" maxLength:"255"`
	Cmdline string   `json:"cmdline,omitempty" maxLength:"4095" doc:"The kernel's command line."`
	Modules []string `json:"modules,omitempty" maxItems:"64" doc:"Multiboot modules in order: a path, optionally a space and the module's string."`
}

// VMCreate is the body of POST /api/v1/vms.
type VMCreate struct {
	Name         string    `json:"name" minLength:"1" maxLength:"63" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" patternDescription:"a letter or digit, then letters, digits, '.', '_' or '-'" doc:"Unique on the host."`
	CPUs         int       `json:"cpus" minimum:"1" doc:"Virtual CPUs."`
	MemoryMiB    int       `json:"memoryMiB" minimum:"1" maximum:"1073741824" doc:"Memory in MiB."`
	Boot         Boot      `json:"boot"`
	Disks        []Disk    `json:"disks,omitempty" maxItems:"1024" doc:"In the order of their places on the bus."`
	NICs         []NIC     `json:"nics,omitempty" maxItems:"1024"`
	TestDevice   bool      `json:"testDevice,omitempty" doc:"A device for test suites, by which a guest drives its own interrupt lines."`
	XAPICOnly    bool      `json:"xapicOnly,omitempty" doc:"The CPUs have no x2APIC mode: for guests that do not get along with it, for life."`
	APICIDStep   int       `json:"apicIDStep,omitempty" minimum:"0" maximum:"16384" doc:"Spreads the APIC IDs: that of CPU n is n times this power of two, for life; 1 when left out."`
	CPULevel     string    `json:"cpuLevel,omitempty" maxLength:"64" doc:"x86-64-v2, x86-64-v3, x86-64-v4, host or a baseline's name: what the guest's CPUs have, for life. host when left out."`
	VsockCID     uint32    `json:"vsockCID,omitempty" maximum:"4294967294" doc:"Address of a virtio socket device, 3 or more; none when left out."`
	Hardware     int       `json:"hardware,omitempty" minimum:"0" maximum:"65535" doc:"Version of the board; 0: the newest that this host knows."`
	CPU          *CPU      `json:"cpu,omitempty" doc:"Its part of the host's processors."`
	MaxCPUs      int       `json:"maxCPUs,omitempty" minimum:"0" maximum:"64" doc:"What cpus can become while the machine runs, for life; none can come when left out."`
	MaxMemoryMiB int       `json:"maxMemoryMiB,omitempty" minimum:"0" maximum:"1073741824" doc:"What memoryMiB can become while the machine runs, for life; none can come when left out."`
	NUMANodes    int       `json:"numaNodes,omitempty" minimum:"0" maximum:"8" doc:"Divides CPUs and memory evenly among so many NUMA nodes, for life; one when left out."`
	UUID         string    `json:"uuid,omitempty" maxLength:"36" doc:"Of the machine in SMBIOS; chosen by the host when left out."`
	Consoles     []Console `json:"consoles,omitempty" maxItems:"1024" doc:"Ports of a virtio console device, for life; no device when left out."`
}

// VM is one virtual machine.
type VM struct {
	ID                  string            `json:"id"`
	Name                string            `json:"name"`
	CPUs                int               `json:"cpus"`
	MemoryMiB           int               `json:"memoryMiB"`
	Boot                Boot              `json:"boot"`
	KernelFormat        string            `json:"kernelFormat" doc:"bzimage, pvh or multiboot1, as the content said at creation."`
	Created             time.Time         `json:"created"`
	State               string            `json:"state" enum:"off,starting,running,paused,crashed,suspended"`
	Reason              string            `json:"reason,omitempty" doc:"Why it is off or crashed."`
	Since               time.Time         `json:"since" doc:"When it entered this state."`
	UptimeSeconds       float64           `json:"uptimeSeconds"`
	CPUTimeSeconds      float64           `json:"cpuTimeSeconds"`
	MemoryUsedBytes     uint64            `json:"memoryUsedBytes"`
	Exits               map[string]uint64 `json:"exits" doc:"Exits by kind since the start."`
	ExitsTotal          uint64            `json:"exitsTotal"`
	Disks               []Disk            `json:"disks,omitempty"`
	NICs                []NIC             `json:"nics,omitempty"`
	CPULevel            string            `json:"cpuLevel,omitempty"`
	VsockCID            uint32            `json:"vsockCID,omitempty"`
	Hardware            int               `json:"hardware,omitempty" doc:"Version of the board, for life."`
	CPU                 CPU               `json:"cpu" doc:"Its part of the host's processors."`
	MaxCPUs             int               `json:"maxCPUs,omitempty"`
	MaxMemoryMiB        int               `json:"maxMemoryMiB,omitempty"`
	NUMANodes           int               `json:"numaNodes,omitempty"`
	APICIDStep          int               `json:"apicIDStep,omitempty"`
	UUID                string            `json:"uuid" doc:"Of the machine in SMBIOS."`
	Consoles            []Console         `json:"consoles,omitempty"`
	MemoryHugeBytes     uint64            `json:"memoryHugeBytes,omitempty" doc:"What of memoryUsedBytes is in whole GiB of the host's memory, which one nested mapping covers."`
	MemoryOverheadBytes uint64            `json:"memoryOverheadBytes,omitempty" doc:"What is promised of the host's own memory beside the machine's: the most that its guest can make the host need for nested tables, processors and requests in flight."`
	// All three are left out when it is off.
	MemoryTargetBytes    uint64 `json:"memoryTargetBytes,omitempty" doc:"What the guest was asked to live with."`
	MemoryBalloonBytes   uint64 `json:"memoryBalloonBytes,omitempty" doc:"What the guest does without now."`
	MemoryReclaimedBytes uint64 `json:"memoryReclaimedBytes,omitempty" doc:"What came back to the host since the start, by the balloon or as free pages."`
	StateFile            string `json:"stateFile,omitempty" doc:"Where the state of a suspended machine is."`
}

// VMList is GET /api/v1/vms.
type VMList struct {
	VMs []VM `json:"vms"`
}

// Task is a job on an object.
type Task struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind" doc:"Such as vm.start."`
	Object   string     `json:"object"`
	User     string     `json:"user,omitempty"`
	State    string     `json:"state" enum:"running,done,failed"`
	Error    string     `json:"error,omitempty"`
	Failure  *Failure   `json:"failure,omitempty" doc:"What the answer would have been to a request that waited for the task."`
	Started  time.Time  `json:"started"`
	Finished *time.Time `json:"finished,omitempty"`
	// Left out by tasks that do not count.
	DoneBytes  uint64 `json:"doneBytes,omitempty" doc:"How far it is, of totalBytes."`
	TotalBytes uint64 `json:"totalBytes,omitempty"`
}

// Failure is why a task failed, as a Problem says it.
type Failure struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// TaskList is GET /api/v1/tasks.
type TaskList struct {
	Tasks []Task `json:"tasks"`
}

// TokenCreate is the body of POST /api/v1/tokens.
type TokenCreate struct {
	User       string `json:"user" minLength:"1" maxLength:"64"`
	Password   string `json:"password" maxLength:"1024"`
	TTLSeconds int64  `json:"ttlSeconds,omitempty" minimum:"1" maximum:"2592000" doc:"Lifetime; 12 hours when left out, 30 days at most."`
}

// Token is an issued token. The secret is shown once, in the answer to POST.
type Token struct {
	ID      string    `json:"id"`
	Token   string    `json:"token,omitempty" doc:"The secret: send it as Authorization: Bearer."`
	User    string    `json:"user"`
	Address string    `json:"address,omitempty" doc:"Where it was issued to."`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// TokenList is GET /api/v1/tokens.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// Event is one line of GET /api/v1/events.
type Event struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Severity string    `json:"severity" enum:"info,warning,error"`
	Kind     string    `json:"kind"`
	Object   string    `json:"object,omitempty"`
	User     string    `json:"user,omitempty"`
	Message  string    `json:"message"`
}

// Health is GET /healthz.
type Health struct {
	Status string `json:"status" enum:"ok,degraded"`
	Reason string `json:"reason,omitempty" doc:"Only in the degraded state: why virtual machines cannot run."`
}

// Problem is an error, RFC 9457.
type Problem struct {
	Type     string          `json:"type,omitempty"`
	Title    string          `json:"title,omitempty"`
	Status   int             `json:"status,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Instance string          `json:"instance,omitempty"`
	Errors   []ProblemDetail `json:"errors,omitempty"`
}

// ProblemDetail is one field's share of a Problem.
type ProblemDetail struct {
	Message  string `json:"message,omitempty"`
	Location string `json:"location,omitempty"`
	Value    any    `json:"value,omitempty"`
}
