package vcpu

// GPR indices in the order of the instruction encoding (SDM Vol. 2A, 2.1.5).
const (
	RAX = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	NumGPR
)

// Regs are the registers that every exit leaves in memory: cheap to read and
// to change between two calls of Run.
type Regs struct {
	GPR    [NumGPR]uint64
	RIP    uint64
	RFLAGS uint64
}

// Segment is a segment register with its hidden part. Attr is in the format of
// VMX access rights (SDM Vol. 3C, 25.4.1): type 3:0, S 4, DPL 6:5, P 7, AVL 12,
// L 13, D/B 14, G 15, unusable 16.
type Segment struct {
	Base     uint64
	Limit    uint32
	Attr     uint32
	Selector uint16
}

// Table is GDTR or IDTR.
type Table struct {
	Base  uint64
	Limit uint16
}

// System is the rest of the guest's processor state, as the guest sees it
// (CR0, CR4 and EFER without what the engine adds). It costs VMREADs on VT-x,
// so it is read and written only when a handler needs it.
type System struct {
	CR0, CR2, CR3, CR4, CR8                  uint64
	EFER, PAT                                uint64
	DR6, DR7                                 uint64
	DR                                       [4]uint64
	ES, CS, SS, DS, FS, GS, LDTR, TR         Segment
	GDTR, IDTR                               Table
	KernelGSBase, STAR, LSTAR, CSTAR, SFMASK uint64
	SysenterCS, SysenterESP, SysenterEIP     uint64
	XCR0, XSS                                uint64
	TSCAUX                                   uint64
	InterruptShadow, NMIBlocked              bool
}

// Verdict is what a fast handler decided.
type Verdict uint8

// The verdicts.
const (
	Return Verdict = iota // ordinary Go has to look at this exit
	Resume                // handled: enter again; a moved RIP ends the interrupt shadow
	Block                 // handled: nothing to do until a kick or the deadline
	// ResumeQuiet is Resume, and nothing has changed in what PendingInterrupt,
	// Deadline and TaskPriority would say.
	ResumeQuiet
	// Yield is Resume, but another thread should have this processor first, if one
	// waits: the guest spins.
	Yield
)

// Fast is the part of the virtual CPU that the run loop calls without leaving
// the blocking system call. It is world W1: no allocation, no pointer writes, no
// maps, no defer, no panic, no locks that ordinary Go holds across a preemption.
type Fast interface {
	// FastExit handles an exit if it can. It may change Regs and advance RIP.
	FastExit(x *Exit) Verdict
	// PendingInterrupt is the vector to deliver now, if any.
	PendingInterrupt() (vector uint8, ok bool)
	// AckInterrupt says that vector has been put into the processor.
	AckInterrupt(vector uint8)
	// Deadline is the host TSC value at which the run loop must look again
	// (a virtual timer), or 0.
	Deadline() uint64
	// Away says that the guest will not run on this thread's processor for a while:
	// an HLT, an interrupt of the host, other threads. True asks for a call of Back
	// before the guest runs again.
	Away() bool
	// Back ends that. flush says that the guest's translations have to go, as by
	// Engine.FlushTLB, before it runs.
	Back() (flush bool)
}

// Engine is one virtual CPU on one kind of hardware (VT-x, AMD-V or the fake).
// One goroutine owns it; only Kick may be called from others.
type Engine interface {
	// Run enters the guest and fills x with the first exit that FastExit
	// returned for. An error means that the host cannot run this CPU at all.
	Run(x *Exit) error
	// Kick makes a Run in progress, or the next one, return KindKick soon.
	// It also ends a Block. It never blocks.
	Kick()
	// Regs are the live registers. The pointer stays the same for the life of
	// the engine; what it points to is the guest's while Run is not in progress.
	Regs() *Regs
	// LoadMode reads only CR0, CR3, CR4, EFER, CS, DS and SS (whose DPL is the
	// CPL): what decoding, a page walk and most operands need. The other fields
	// stay as they are. Also called by Fast, so it is W1.
	LoadMode(s *System)
	// LoadSystem reads the state that Regs lacks.
	LoadSystem(s *System)
	// StoreSystem writes it; the engine keeps the bits that it needs itself.
	StoreSystem(s *System) error
	// Inject queues an exception, NMI or interrupt for the next entry.
	Inject(e Event)
	// DropEvents forgets every event that waits for an entry: what Inject and
	// SetNMIPending queued, and what the engine itself has to deliver again. A
	// reset needs it: the next guest must not see an exception of the last.
	DropEvents()
	// Events are what DropEvents would forget, for a saved state: the event of the
	// next entry, the interrupt that stands back behind it, and whether an NMI
	// waits. Afterwards Regs and LoadSystem show the guest's own state, without
	// what the engine has put into it for its own use. Injecting behind and then
	// next into an engine without events gives the same. The owner's thread.
	Events() (next, behind Event, nmi bool)
	// SetNMIPending asks for an NMI as soon as the guest can take it. One waits while
	// another is handled, and two, as long as none is; more are lost. A saved state
	// has one.
	SetNMIPending()
	// SetInterruptShadow clears or sets the STI/MOV SS shadow. Also called by
	// Fast, so it is W1; so is Regs.
	SetInterruptShadow(on bool)
	// SetTSCOffset sets what RDTSC adds to the host's counter.
	SetTSCOffset(offset uint64)
	// XSAVE is the guest's extended state in the standard format.
	XSAVE() []byte
	// FlushTLB drops all cached translations before the next entry.
	FlushTLB()
	// Close gives back the hardware structures.
	Close() error
}

// NestedTable is the second-level page table of a virtual machine (EPT or NPT).
// All methods are safe for several goroutines; Map and Unmap may allocate table
// frames from the VM's own budget.
type NestedTable interface {
	// Map maps [gpa, gpa+size) to hpa. size is a multiple of 4 KiB; the
	// largest pages that fit are used.
	Map(gpa, hpa, size uint64, prot Prot) error
	// Unmap removes every mapping in the range and returns after no
	// processor can use it any more.
	Unmap(gpa, size uint64) error
	// Protect changes the rights of what is mapped in the range.
	Protect(gpa, size uint64, prot Prot) error
	// Root is the value for EPTP or nCR3.
	Root() uint64
	Close() error
}

// DirtyTable is a NestedTable in which the processor can note what is written.
type DirtyTable interface {
	NestedTable
	// NotesWrites says whether this host's processor does.
	NotesWrites() bool
	// StartDirty begins to note the pages of the range that are written. What is mapped
	// there is mapped in pages of 4 KiB afterwards; what comes later is to be mapped with
	// Map as always. Protect ends it.
	StartDirty(gpa, size uint64) error
	// CollectDirty calls found for everything in the range that was written since the
	// last call, or was mapped and perhaps written, with the table's lock held. When it
	// returns, the next write of each page is noted again, by all processors. After an
	// error what was not found is found by the next call.
	CollectDirty(gpa, size uint64, found func(gpa, size uint64)) error
}

// Prot are the rights of a nested mapping.
type Prot uint8

// The rights.
const (
	ProtRead Prot = 1 << iota
	ProtWrite
	ProtExec
)

// Caps are the parts of the hardware's virtualisation that decide what CPUID may
// show to a guest.
type Caps struct {
	RDTSCP  bool   // RDTSCP and TSC_AUX work in the guest without an exit
	INVPCID bool   // INVPCID works in the guest without an exit
	XSAVES  bool   // XSAVES and IA32_XSS are switched
	XCR0    uint64 // the state components that XSAVE() carries
	// HasArchCap says that there is an IA32_ARCH_CAPABILITIES, ArchCap what of
	// it holds in a guest.
	HasArchCap bool
	ArchCap    uint64
}

// Finding is one known leak of the host's processor, and what the engine does about it.
type Finding struct {
	Name string // as Linux names the files in /sys/devices/system/cpu/vulnerabilities
	Open bool   // it is not closed
	Text string
}

// Reporter is a Factory that knows the leaks of its processors.
type Reporter interface{ Findings() []Finding }

// Capable is a Factory that says more than the least.
type Capable interface{ Caps() Caps }

// Guarded is an Engine whose word says when its thread belongs to the guest: see
// hostcpu.InGo.
type Guarded interface{ GuestWord() *uint32 }

// Forbidder is an Engine that can take INVPCID away from the guest (#UD). Before the
// first Run.
type Forbidder interface{ ForbidINVPCID() }

// Factory is what a host's hardware offers. Exactly one is chosen at start.
type Factory interface {
	// Name is "vt-x", "amd-v" or "fake".
	Name() string
	// NewTable makes an empty nested table.
	NewTable() (NestedTable, error)
	// NewEngine makes a virtual CPU over the table. index is its number in the VM.
	NewEngine(index int, t NestedTable, f Fast) (Engine, error)
}
