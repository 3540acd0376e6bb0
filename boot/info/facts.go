package info

// Sizes of the fixed arrays.
const (
	MaxRegions = 128
	MaxModules = 8
	MaxCmdLine = 4096
	MaxName    = 64
)

// Protocol is how the kernel was entered; the numbers are boot/stub's.
type Protocol uint8

// The protocols.
const (
	PVH        Protocol = 1
	Multiboot2 Protocol = 2
	UEFI       Protocol = 3
)

// String names the protocol.
func (p Protocol) String() string {
	switch p {
	case PVH:
		return "PVH"
	case Multiboot2:
		return "Multiboot2"
	case UEFI:
		return "UEFI"
	}
	return "unknown protocol"
}

// Facts is everything a loader told. The zero value is ready for a parser.
type Facts struct {
	Protocol Protocol
	Flags    Flags

	NumRegions int
	Regions    [MaxRegions]Region

	// RSDP is the physical address of the ACPI root pointer, 0 if the loader
	// gave none; RSDPCopy are its bytes (RSDPLen of them: 0, 20 or 36),
	// checksums verified. With multiboot2 the address is in the loader's
	// information, not in the firmware's memory: prefer the copy.
	RSDP     uint64
	RSDPLen  int
	RSDPCopy [rsdpSize2]byte

	// CmdLine is not terminated.
	CmdLineLen int
	CmdLine    [MaxCmdLine]byte

	NumModules int
	Modules    [MaxModules]Module

	Framebuffer Framebuffer

	// SystemTable is the UEFI system table (UEFI only), else 0.
	SystemTable uint64

	scratch [64]byte // reads go here: a buffer on the stack would escape
}

// Flags says what was left out or ignored.
type Flags uint16

// The flags.
const (
	TruncatedRegions Flags = 1 << iota // the memory map has more regions than fit: some memory stays unused
	TruncatedCmdLine
	TruncatedModules
	BadRegion  // an entry with impossible bounds was ignored
	BadRSDP    // the loader's RSDP is not one
	BadTag     // a malformed tag ended the parsing of a tag list, or was skipped
	Unreadable // something the loader pointed to lies where memory cannot be read
)

// Region is physical memory [Start, End) of one kind.
type Region struct {
	Start, End uint64
	Kind       Kind
}

// Kind is what a region may be used for. A larger number is more restrictive.
type Kind uint8

// The kinds.
const (
	Usable          Kind = iota + 1
	ACPIReclaimable      // tables: usable once they are read
	Persistent           // non-volatile memory: not to be used as RAM
	ACPINVS              // the firmware's: keep
	Reserved
	Defective
)

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"?", "usable", "ACPI tables", "persistent", "ACPI NVS", "reserved", "defective"}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// EagerBSS is how many bytes of the kernel's BSS the kernel backs from the start, at
// their own physical addresses: loaders have to keep them free.
const EagerBSS = 4 << 20

// Module is a file that the loader brought: [Start, End) in physical memory.
type Module struct {
	Start, End uint64
	NameLen    int
	Name       [MaxName]byte
}

// FramebufferKind says what Framebuffer describes.
type FramebufferKind uint8

// The kinds of framebuffer.
const (
	NoFramebuffer FramebufferKind = iota
	RGB                           // linear, 15 to 32 bits a pixel
	Text                          // VGA text: Width and Height in characters
)

// Framebuffer is the screen that the loader set up.
type Framebuffer struct {
	Kind          FramebufferKind
	BPP           uint8 // bits a pixel
	Addr          uint64
	Pitch         uint32 // bytes a line
	Width, Height uint32
	// A colour's bits in a pixel: position of the lowest, and count.
	RedPos, RedSize, GreenPos, GreenSize, BluePos, BlueSize uint8
}

// Problem is why a loader's structure was refused. It is a plain number so
// that it can be used before the runtime runs; None is success.
type Problem uint8

// The problems.
const (
	None           Problem = iota
	ErrUnreadable          // the structure lies where memory cannot be read
	ErrMagic               // it does not begin with its protocol's mark
	ErrVersion             // its version is not supported
	ErrSize                // its size is impossible
	ErrNoMemoryMap         // it has no memory map
	ErrNoMemory            // its memory map has no usable memory
)

// Error describes the problem.
func (p Problem) Error() string {
	names := [...]string{"no problem", "information cannot be read", "wrong magic number", "unsupported version",
		"impossible size", "no memory map", "no usable memory in the memory map"}
	if int(p) >= len(names) {
		return "boot/info: unknown problem"
	}
	return "boot/info: " + names[p]
}

// Err gives the problem as an error, nil for None.
func (p Problem) Err() error {
	if p == None {
		return nil
	}
	return p
}

// Reader reads physical memory at pa into all of buf, or nothing and false.
// It must not keep buf.
type Reader func(pa uint64, buf []byte) bool

// CommandLine is the command line as bytes of f.
func (f *Facts) CommandLine() []byte { return f.CmdLine[:f.CmdLineLen] }

// UsableBytes sums the usable regions.
func (f *Facts) UsableBytes() (n uint64) {
	for i := range f.Regions[:f.NumRegions] {
		if r := &f.Regions[i]; r.Kind == Usable {
			n += r.End - r.Start
		}
	}
	return n
}
