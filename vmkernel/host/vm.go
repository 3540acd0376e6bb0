package host

import (
	"context"
	"io"
	"slices"
	"time"
)

// State is what a virtual machine is doing.
type State uint8

// The states. Allowed ways: off -> starting -> running <-> paused; running,
// paused and crashed -> off by Stop; crashed -> starting by Start; running ->
// crashed by the guest's own doing; running -> off when the guest powers off.
const (
	StateOff State = iota
	StateStarting
	StateRunning
	StatePaused
	StateCrashed
	// StateSuspended is management's: the machine is off, and its saved state lies in
	// a file. No host.VM is ever in it.
	StateSuspended
)

// String is the state's name in the API.
func (s State) String() string {
	switch s {
	case StateOff:
		return "off"
	case StateStarting:
		return "starting"
	case StateRunning:
		return "running"
	case StatePaused:
		return "paused"
	case StateCrashed:
		return "crashed"
	case StateSuspended:
		return "suspended"
	}
	return "unknown"
}

// Config is what a virtual machine is made of. The caller chooses the ID.
type Config struct {
	ID   string // unique on this host, for instance "vm-7k3q9d2x"
	Name string // for messages only
	CPUs int
	// MaxCPUs is how many AddCPUs can make of CPUs while the machine runs; 0: none
	// can come. It is fixed for the machine's life.
	MaxCPUs   int `json:",omitempty"`
	MemoryMiB int
	// MaxMemoryMiB is how much AddMemory can make of MemoryMiB while the machine runs; 0:
	// none can come. It is fixed for the machine's life.
	MaxMemoryMiB int `json:",omitempty"`
	// NUMANodes divides CPUs and memory evenly among so many nodes, 1 to MaxNUMANodes; 0
	// is one. Memory that comes is in the last.
	NUMANodes int          `json:",omitempty"`
	CPU       CPUSpec      // its part of the host's processors
	Disks     []DiskConfig // in the order of their places on the bus
	NICs      []NICConfig
	// CPULevel is the CPU compatibility level for the machine's life: "" or "host"
	// for everything that the host has, or another one of CPULevels.
	CPULevel string
	// UUID is the system's UUID in SMBIOS, as text; "": SystemUUID makes one.
	UUID string `json:",omitempty"`
	// VsockCID gives the machine a virtio socket device with this address, 3 to
	// MaxVsockCID; 0: none. Machines may have the same: no guest reaches another.
	VsockCID uint32
	// Consoles are the ports of a virtio console device, for the machine's life; none:
	// it has no such device.
	Consoles []ConsoleConfig `json:",omitempty"`
	// Hardware is the version of the board, for the machine's life: HardwareOldest to
	// HardwareNewest. 0 is the newest for a machine that is created, and 1 in a saved
	// state, where it is older than the field.
	Hardware int `json:",omitempty"`
	// TestDevice gives the machine the device of package vdev/testdev, for test suites
	// only.
	TestDevice bool
	// XAPICOnly takes x2APIC mode away from the processors, for guests that do not
	// get along with it.
	XAPICOnly bool `json:",omitempty"`
	// APICIDStep spreads the APIC IDs: that of CPU n is n*APICIDStep. A power of two, for
	// the machine's life; 0 is 1. No ID may be over MaxAPICID, or MaxXAPICID with
	// XAPICOnly, of CPUs that can come either.
	APICIDStep int `json:",omitempty"`
}

// MinVsockCID and MaxVsockCID are the least and the greatest address of a guest
// (virtio 1.2 section 5.10.4).
const (
	MinVsockCID = 3
	MaxVsockCID = 1<<32 - 2
)

// Clone is a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Disks, c.NICs, c.Consoles = slices.Clone(c.Disks), slices.Clone(c.NICs), slices.Clone(c.Consoles)
	for i := range c.NICs {
		c.NICs[i].Forwards = slices.Clone(c.NICs[i].Forwards)
	}
	return c
}

// Image is the content of an uploaded file. It does not change while it is open,
// even if the file is replaced or removed.
type Image interface {
	io.ReaderAt
	io.Closer
	Name() string // the path in the file store, for messages
	Size() int64  // bytes
}

// Boot is what a start needs. Kernel is always there.
type Boot struct {
	Kernel  Image
	Initrd  Image // nil when there is none
	Cmdline string
	Modules []Module // Multiboot modules in order
	// Disks stand behind Config.Disks, one for each in the same order. Check
	// takes a boot without them.
	Disks []Disk
}

// Module is one Multiboot module and its string.
type Module struct {
	Image  Image
	String string
}

// Close closes every image and disk of the boot.
func (b Boot) Close() {
	if b.Kernel != nil {
		b.Kernel.Close()
	}
	if b.Initrd != nil {
		b.Initrd.Close()
	}
	for _, m := range b.Modules {
		if m.Image != nil {
			m.Image.Close()
		}
	}
	for _, d := range b.Disks {
		if d != nil {
			d.Close()
		}
	}
}

// KernelFormat is how a kernel image is loaded, recognised by its content.
type KernelFormat string

// The formats that the loader knows.
const (
	FormatBzImage    KernelFormat = "bzimage"
	FormatPVH        KernelFormat = "pvh"
	FormatMultiboot1 KernelFormat = "multiboot1"
)

// VMs is the table of virtual machines of one host.
type VMs interface {
	// Check says whether this host could start such a machine now, and the
	// kernel's format. It reads the images and keeps nothing. Errors: ConfigError
	// with ErrBadImage, ErrNoMemory or a text about the field.
	Check(Config, Boot) (KernelFormat, error)
	// Create adds a machine in StateOff; it takes no guest memory yet. Errors:
	// ConfigError, ErrExists. It works on a host with no engine too.
	Create(Config) (VM, error)
	// List is in order of creation.
	List() []VM
	// Get gives ErrNotFound for an unknown id.
	Get(id string) (VM, error)
	// Delete removes a machine that is off or crashed, and closes its console.
	// Errors: ErrNotFound, StateError, ErrBusy.
	Delete(id string) error
	// Restore makes a machine from what VM.Save wrote, paused and with its time
	// standing where it stood; Resume lets it go on. It reads exactly one state and
	// nothing behind it. Nothing is visible, and no memory kept, unless it returns
	// nil. Errors: ErrExists, ErrNoEngine, ErrNoMemory, ErrBadState (damaged: the
	// text says which section and where), ErrIncompatible, ConfigError, and those of
	// the reader and of ctx.
	Restore(ctx context.Context, r io.Reader, o RestoreOptions) (VM, error)
}

// VM is one virtual machine. An action that finds another one under way returns
// ErrBusy; one that the state forbids returns a StateError.
type VM interface {
	// Config is the machine's own copy: what is attached now included.
	Config() Config
	Status() Status
	Console() *Console
	// Serial is serial port n, 1 to NumSerial, as the guest counts them; the first
	// is Console. What a guest writes to the others is kept in a smaller ring. nil
	// for other numbers.
	Serial(n int) *Console
	// Port is what stands behind the port of Config.Consoles with this name, as Serial
	// is behind a serial port; nil when there is none.
	Port(name string) *Console

	// Start loads the images and runs the guest from off or crashed. It returns
	// when the guest runs. The machine owns the images from the call on, whatever
	// it returns: it keeps them for Reset and closes them when it is off.
	// Errors: StateError, ErrBusy, ErrNoEngine, ErrNoMemory, ErrBadImage.
	Start(context.Context, Boot) error
	// Stop cuts the power: from starting, running, paused or crashed to off.
	Stop(context.Context) error
	// Reset is the reset button: from running, paused or crashed to running,
	// with freshly loaded images.
	Reset(context.Context) error
	// Pause holds the vCPUs and the machine's clock: running to paused.
	Pause(context.Context) error
	// Resume is the way back.
	Resume(context.Context) error
	// AddCPUs adds n virtual CPUs, up to Config.MaxCPUs in all: to the configuration
	// of a machine that is off, and to one that runs or is paused at once; its guest
	// is told and decides when it uses them. They stay. Errors: StateError, ErrBusy,
	// ConfigError with ErrTooMany.
	AddCPUs(ctx context.Context, n int) error
	// SetCPU changes what the machine is entitled to of the host's processors, and its
	// pool: of one that runs or is paused at once. Errors: StateError, ErrBusy,
	// ConfigError, ErrNoCPU, ErrUnsupported where the host shares nothing out; then it
	// has what it had.
	SetCPU(ctx context.Context, s CPUSpec) error
	// AddMemory adds mib MiB of memory, a multiple of MemoryStepMiB, up to
	// Config.MaxMemoryMiB in all: to the configuration of a machine that is off, and to
	// one that runs or is paused at once; its guest is told and decides when it uses it.
	// It stays. Errors: StateError, ErrBusy, ErrNoMemory, ConfigError with ErrTooMany.
	AddMemory(ctx context.Context, mib int) error
	// SetMemoryTarget asks the guest of a machine that runs or is paused to live with
	// so many bytes of its memory, and to give the rest back to the host; a number as
	// large as its memory lets it take all again. The guest takes its time, or does
	// not do it at all: Status tells. What it gave back stays promised to it. It
	// holds until the next start. Errors: StateError, ErrBusy, ConfigError.
	SetMemoryTarget(ctx context.Context, bytes uint64) error
	// Save writes the whole machine to w: from running or paused to what o.Then
	// says. It stands still meanwhile; other actions get ErrBusy. When it fails, or
	// ctx ends, the machine goes on as before and what w got is worthless. Errors:
	// StateError, ErrBusy, ErrNotSavable with the name of the device, and those of
	// the writer and of ctx.
	Save(ctx context.Context, w io.Writer, o SaveOptions) error
	// Restore is VMs.Restore into this machine: from off to paused, with the console
	// that it has. o.ID and o.Name are not looked at; without o.Config the
	// configuration is the machine's own. On an error it is off as before.
	Restore(ctx context.Context, r io.Reader, o RestoreOptions) error

	Buttons
	Devices
}

// Status is a snapshot of what a machine does and has done. The counters start
// at zero with every Start.
type Status struct {
	State   State
	Reason  string        // why it is off or crashed, such as "triple fault at rip 0x..."; may be empty
	Since   time.Time     // when it entered State
	Uptime  time.Duration // since Start, paused time included; 0 when off
	CPUTime time.Duration // host CPU time in guest mode and in its exits, all vCPUs
	Exits   []ExitCount   // only kinds that happened, in the exit table's order
	// MemoryUsed is guest memory backed by host frames now, in bytes.
	MemoryUsed uint64
	// MemoryHuge is what of it has its frames next to each other in the host, a GiB at a
	// time, so that one entry of the nested table maps it where the processor has such.
	MemoryHuge uint64
	// MemoryOverhead is what is promised of the host's own memory for the machine, in
	// bytes: the most that its guest can make the host need beside its memory.
	MemoryOverhead uint64
	// MemoryTarget is what the guest was asked to live with, MemoryBalloon what it
	// does without now, and MemoryReclaimed what came back to the host from it since
	// the start, by the balloon or as free pages that it reported, in bytes. All are
	// 0 when off.
	MemoryTarget, MemoryBalloon, MemoryReclaimed uint64
	// CPUs, Disks and NICs are what the host counts for each of them, since the
	// start; nil for what it does not count, and when off.
	CPUs  []CPUStats
	Disks []DiskStats
	NICs  []NICStats
}

// ExitCount is how often a kind of exit happened.
type ExitCount struct {
	Kind  string // the exit table's name, such as "cpuid"
	Count uint64
}
