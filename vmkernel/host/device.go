package host

import (
	"context"
	"time"

	"basalt/drivers/blockio"
)

// The kinds of a disk.
const (
	DiskImage = "image" // a raw image of the file store
	DiskRAM   = "ram"   // memory, zeroes at each start
	DiskNull  = "null"  // reads zeroes, forgets writes: for benchmarks
)

// NetworkNAT is the network behind the host's address; every other name is a
// switch's.
const NetworkNAT = "nat"

// DiskConfig describes a disk of a machine.
type DiskConfig struct {
	Name     string // unique among the machine's devices, such as "disk0"
	Kind     string // DiskImage, DiskRAM, DiskNull
	Image    string // path in the file store, for DiskImage only
	SizeMiB  int    // for the other kinds; an image has its own size
	ReadOnly bool
}

// NICConfig describes a network adapter of a machine.
type NICConfig struct {
	Name    string // unique among the machine's devices, such as "nic0"
	Network string // NetworkNAT or a switch's name
	MAC     string // xx:xx:xx:xx:xx:xx, unicast; management chooses one if a person does not
	VLAN    int    // 1 to 4094; 0: none
	// Forwards are open while the machine runs; NetworkNAT only.
	Forwards []Forward
}

// ConsoleConfig is a port of a machine's virtio console device.
type ConsoleConfig struct {
	// Name is unique among the ports: 1 to MaxConsoleName letters, digits, '.', '_' and
	// '-', the first a letter. The guest is told: Linux has /dev/virtio-ports/NAME.
	Name string
	// Terminal makes it a terminal, which Linux has as /dev/hvc0, hvc1 and so on in
	// the order of the ports; otherwise it carries bytes for programs.
	Terminal bool `json:",omitempty"`
}

// Disk is what stands behind a virtual disk. A machine closes the disks that it
// was given; Close of an image's disk ends the machine's use of the image.
type Disk interface {
	blockio.Disk
	// Resize sets the size in bytes while the disk is in use; data behind a
	// smaller size are cut off only if cut is set. Errors: ErrDiskSize, ErrCut,
	// blockio.ErrReadOnly; a disk that is refused has its old size.
	Resize(size int64, cut bool) error
}

// Buttons are what else a person can press on a machine's case.
type Buttons interface {
	// PowerButton presses the ACPI power button of a running machine: the guest
	// may shut down, or not. It returns at once.
	PowerButton(context.Context) error
	// NMI raises the NMI pin of every processor of a running machine (LINT1 of
	// their local APICs, as a guest has set it up). It returns at once.
	NMI(context.Context) error
}

// Devices changes a machine's devices. On a machine that is off they change the
// configuration, on one that runs or is paused the hardware too; the change stays
// over a power cycle. In other states a StateError. Each is refused with
// ErrUnsupported, and changes nothing, where the host lacks what it takes.
type Devices interface {
	// AttachDisk adds a disk. The machine owns d from the call on, whatever it
	// returns: it closes d at power-off, at detach, on an error, and at once when
	// it is off. Errors: ConfigError, ErrExists, ErrNoSlot.
	AttachDisk(ctx context.Context, c DiskConfig, d Disk) error
	// DetachDisk asks the guest to let the disk go and waits for it, for a bounded
	// time. Errors: ErrNotFound; ErrInUse when the guest does not, and then the
	// disk stays. With force it is pulled out at once: the guest's requests fail.
	DetachDisk(ctx context.Context, name string, force bool) error
	// ResizeDisk sets the size in bytes; see Disk.Resize. A machine that is off
	// has no images open: those are resized in the file store, and this is
	// ErrUnsupported for them.
	ResizeDisk(ctx context.Context, name string, size int64, cut bool) error
	// AttachNIC adds a network adapter. Errors as AttachDisk.
	AttachNIC(ctx context.Context, c NICConfig) error
	// DetachNIC is DetachDisk for a network adapter.
	DetachNIC(ctx context.Context, name string, force bool) error
	// SetForwards sets an adapter's port forwards, all of them. Errors: ConfigError
	// with field "forwards", ErrNotFound, ErrInUse for a port that something else on
	// the host has; one that is refused has its old ones.
	SetForwards(ctx context.Context, name string, f []Forward) error
	// SetLink plugs a network adapter's cable in or out, until the next start.
	// Only on a machine that runs or is paused.
	SetLink(ctx context.Context, name string, up bool) error
}

// CPUStats is one virtual CPU since the start.
type CPUStats struct {
	Run time.Duration // executing the guest or serving its exits
	// Sched says that the host counts the other three.
	Sched  bool
	Ready  time.Duration // it could have run but had no processor
	CoStop time.Duration // it was held so that its siblings could catch up
	Wait   time.Duration // it had nothing to do
}

// DiskStats is one disk since the start.
type DiskStats struct {
	Name                    string
	Reads, Writes           uint64 // requests completed
	ReadBytes, WrittenBytes uint64
	Flushes, Discards       uint64 // Discards counts writes of zeroes too
	Errors                  uint64
	InFlight                int
}

// NICStats is one network adapter since the start, from the guest's side: Tx is
// what the guest sent.
type NICStats struct {
	Name                 string
	Link                 bool
	RxPackets, TxPackets uint64
	RxBytes, TxBytes     uint64
	RxDropped, TxDropped uint64
}
