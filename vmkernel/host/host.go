package host

import (
	"net/netip"
	"time"
)

// The engines' names in Info.Engine.
const (
	EngineVTX  = "vt-x"
	EngineAMDV = "amd-v"
	EngineNone = "none"
)

// Host is one machine that runs the VMkernel.
type Host interface {
	// Info is a fresh snapshot; it is cheap (no allocation of note, no waiting).
	Info() Info
	// VMs is the table of virtual machines.
	VMs() VMs
	// Networks are what adapters of machines can be on.
	Networks() Networks
	// Pools are the resource pools that machines can be in.
	Pools() Pools
	// Memory gives management memory outside of the Go heap.
	Memory() Memory
	// Events is the host's event log; management appends to it too.
	Events() *EventLog
	// Log returns the newest bytes of the kernel's log ring, oldest line first,
	// at most max bytes.
	Log(max int) []byte
	// Ready is called once, when the API answers; it fixes Info.TimeToReady.
	Ready()
}

// Info describes the machine.
type Info struct {
	Hostname string
	Product  string // "Basalt"
	Version  string // such as "0.1.0+g811e836"
	Engine   string // EngineVTX, EngineAMDV, EngineNone
	// CannotRun says in a sentence why virtual machines cannot run here
	// ("AMD-V is locked off in the firmware"); it is empty when they can.
	CannotRun string

	CPUModel string // the processor's brand string, trimmed
	CPUs     int    // logical processors online

	Leaks []Leak // known leaks of the processor; nil without an engine

	MemoryTotal uint64 // bytes of RAM that the firmware reported as usable
	MemoryFree  uint64 // bytes that virtual machines or files could take now

	MaxVCPUs     int // most virtual CPUs of one virtual machine
	MinMemoryMiB int // least memory of one virtual machine

	Addresses []netip.Prefix // the management interface's addresses, best first

	BootTime    time.Time     // wall clock at kernel entry
	Uptime      time.Duration // since kernel entry
	TimeToReady time.Duration // kernel entry to Ready; 0 before it
}

// Leak is one way in which a guest may learn what it should not on this processor, and
// what is done about it.
type Leak struct {
	Name string // as Linux names the files in /sys/devices/system/cpu/vulnerabilities
	Open bool   // it is not closed
	Text string
}

// ChunkSize is the size of one chunk of host memory, in bytes: one large page.
const ChunkSize = 2 << 20

// Memory hands out host memory outside of the Go heap for things that are large
// and live long, such as uploaded files. It must not hold Go pointers.
type Memory interface {
	// Free is how many bytes Alloc could still give out now.
	Free() uint64
	// Alloc gives one chunk of ChunkSize bytes with any content, or an error
	// that wraps ErrNoMemory.
	Alloc() (Chunk, error)
}

// Chunk is ChunkSize bytes of host memory.
type Chunk interface {
	// Bytes is the chunk's memory; it must not be used after Release.
	Bytes() []byte
	// Release zeroes it and gives it back; a second call does nothing.
	Release()
}
