package vcpu

// Kind says why the guest stopped, in words that belong to no vendor.
type Kind uint8

// The neutral exit kinds. Every kind has a row in the table in table.go.
const (
	KindNone        Kind = iota
	KindInterrupt        // a host interrupt arrived; the engine already let the host take it
	KindKick             // another goroutine asked for attention
	KindPIO              // IN, OUT, INS, OUTS
	KindMemory           // EPT violation or nested page fault
	KindCPUID            // CPUID
	KindHLT              // HLT with nothing to deliver
	KindMWAIT            // MONITOR or MWAIT
	KindPause            // PAUSE loop
	KindRDMSR            // RDMSR of an intercepted register
	KindWRMSR            // WRMSR of an intercepted register
	KindCR               // MOV to or from CR0, CR3, CR4, CR8; CLTS; LMSW; SMSW
	KindDR               // MOV to or from a debug register
	KindException        // an intercepted exception
	KindHypercall        // VMCALL or VMMCALL
	KindXSETBV           // XSETBV
	KindINVD             // INVD or WBINVD
	KindINVLPG           // INVLPG, only with shadow paging
	KindRDTSC            // RDTSC or RDTSCP
	KindRDPMC            // RDPMC
	KindVirtInst         // an instruction of VMX or SVM: the guest sees #UD
	KindTaskSwitch       // a hardware task switch
	KindTripleFault      // shutdown: the guest is reset or marked crashed
	KindInit             // INIT signal
	KindSIPI             // start-up IPI
	KindNMIWindow        // the guest can take an NMI now
	KindIRQWindow        // the guest can take an interrupt now
	KindSMI              // SMI or RSM
	KindDescriptor       // access to GDTR, IDTR, LDTR or TR
	KindEntryFailed      // the processor refused the guest's state
	KindUnknown          // a code that this table does not know
	NumKinds
)

// Exit is one exit, decoded by the engine. The engine fills the fields that
// belong to Kind and leaves the others as they were. It holds no pointers and
// is reused for every exit, so that no exit allocates.
type Exit struct {
	Kind    Kind
	InstLen uint8  // bytes; 0 when the processor did not say (decode it)
	CPL     uint8  // KindHypercall: the privilege level of the caller
	RIP     uint64 // guest RIP of the instruction that left
	PIO     PIO
	Mem     Memory
	MSR     MSRAccess
	CR      CRAccess
	Task    TaskSwitch
	Event   Event // KindException: the event; else what was being delivered when the exit came, if Valid
	Raw     Raw
}

// PIO is a port access. For the string forms the vcpu emulator walks memory.
type PIO struct {
	Port   uint16
	Size   uint8 // 1, 2 or 4 bytes
	In     bool
	String bool
	Rep    bool
}

// Memory is an access to a guest-physical address that the nested tables refused.
type Memory struct {
	GPA      uint64
	GVA      uint64 // valid when HasGVA
	HasGVA   bool
	Read     bool
	Write    bool
	Fetch    bool
	Present  bool // the nested entry was present: a protection fault
	PageWalk bool // the access was the guest's own page walk
}

// MSRAccess is RDMSR or WRMSR; Value is EDX:EAX of a write.
type MSRAccess struct {
	Index uint32
	Value uint64
}

// CRAccess is a MOV to or from a control or debug register, CLTS or LMSW.
type CRAccess struct {
	Number uint8
	GPR    uint8 // register number in the encoding's order: 0 RAX .. 15 R15
	Op     CROp
	Value  uint64 // OpLMSW: the 16-bit operand
	Known  bool   // false when the processor did not decode it: decode at RIP
}

// TaskSwitch is the new task's TSS and what leads to it.
type TaskSwitch struct {
	Selector uint16
	Source   TaskSource
}

// TaskSource is what switches tasks. TaskGate is a gate in the IDT: Exit.Event is what
// goes through it.
type TaskSource uint8

// The sources, as VT-x counts them (SDM Vol. 3C, Table 28-2).
const (
	TaskCall TaskSource = iota
	TaskIRET
	TaskJMP
	TaskGate
)

// CROp is what a control-register access does.
type CROp uint8

// The control-register operations.
const (
	OpToCR CROp = iota
	OpFromCR
	OpCLTS
	OpLMSW
)

// EventType is the kind of an injected or interrupted event.
type EventType uint8

// The event types; both vendors know these.
const (
	EventExtInt EventType = iota
	EventNMI
	EventException
	EventSoftInt
)

// Event is an interrupt or exception to inject, or one whose delivery was cut
// short by an exit and has to be injected again.
type Event struct {
	Valid    bool
	Vector   uint8
	Type     EventType
	HasError bool
	Error    uint32
	InstLen  uint8 // software interrupts only
	CR2      uint64
}

// Raw is what the hardware said, for messages and for the log only.
type Raw struct {
	Code  uint64 // exit reason or EXITCODE
	Info1 uint64 // exit qualification or EXITINFO1
	Info2 uint64 // guest-physical address or EXITINFO2
}
