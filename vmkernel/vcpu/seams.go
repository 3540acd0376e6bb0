package vcpu

// IO is the machine around the CPU. Every access ends: what nobody answers
// reads as all ones. len(data) is 1, 2, 4 or 8.
type IO interface {
	ReadPort(port uint16, data []byte)
	WritePort(port uint16, data []byte)
	ReadMMIO(gpa uint64, data []byte)
	WriteMMIO(gpa uint64, data []byte)
	// Backed handles a first touch: true when gpa is memory and is mapped now,
	// so that the instruction only has to run again. An error ends the machine.
	Backed(gpa uint64, write bool) (bool, error)
}

// FastIO answers accesses in W1, if it can: the devices behind it keep to W1's rules.
// ok is false, and nothing has happened, when ordinary Go has to. None raises an
// interrupt but FastWriteMMIO when it is not silent: the processor's own APIC is there.
type FastIO interface {
	FastReadPort(port uint16, size uint8) (value uint32, ok bool)
	FastWritePort(port uint16, size uint8, value uint32) (ok bool)
	// The size is 1, 2, 4 or 8, and the access does not cross a page.
	FastReadMMIO(gpa uint64, size uint8) (value uint64, ok bool)
	FastWriteMMIO(gpa uint64, size uint8, value uint64) (silent, ok bool)
}

// APIC is the processor's local APIC. The methods are W1 and are called by the
// processor's own thread only.
type APIC interface {
	// ReadMSR and WriteMSR are IA32_APIC_BASE, IA32_TSC_DEADLINE and
	// 0x800-0x8ff. ok is false for #GP.
	ReadMSR(index uint32) (value uint64, ok bool)
	WriteMSR(index uint32, value uint64) (ok bool)
	// WriteEOI is a write of 0 to the EOI register in x2APIC mode; ok is false
	// outside that mode. quiet says that no vector is requested after it.
	WriteEOI() (quiet, ok bool)
	// Pending is the vector above the processor priority, if any. It looks at
	// the timer too.
	Pending() (vector uint8, ok bool)
	// Accept moves vector from IRR to ISR.
	Accept(vector uint8)
	// EOI ends the highest vector in service.
	EOI()
	// CanSkipEOI says that nothing waits for the end of vector: no lower
	// vector is requested and its trigger is an edge.
	CanSkipEOI(vector uint8) bool
	// TPR is CR8: bits 7:4 of the task priority register.
	TPR() uint8
	SetTPR(cr8 uint8)
	// DeadlineTSC is when the timer fires, in the guest's counter; 0 for never.
	DeadlineTSC() uint64
	// HasEvents says that TakeEvents has something; any thread.
	HasEvents() bool
	// TakeEvents gives what came besides vectors. W2.
	TakeEvents() Events
	// Reset is the state after power-on, Init the state after an INIT. Events
	// that have come since stay.
	Reset()
	Init()
}

// Events are what a local APIC has got besides vectors. An INIT came before the
// rest.
type Events struct {
	NMI, INIT, StartUp bool
	// NMIAgain says that two NMIs came: one may be handled while the other waits.
	NMIAgain bool
	// Vector is the start-up IPI's: the processor begins at Vector<<12.
	Vector uint8
}

// CPU is what the emulator may do with a processor.
type CPU interface {
	Regs() *Regs
	// Mode has CR0, CR3, CR4, EFER, CS and SS; System has everything. Both are
	// read from the engine at most once for each exit.
	Mode() *System
	System() *System
	// XSAVE is the extended state, in the standard format of XSAVE, or 512 bytes in
	// the format of FXSAVE.
	XSAVE() []byte
}

// Result is how an emulated instruction ended.
type Result uint8

// The results.
const (
	Done    Result = iota // RIP moved past it
	Again                 // part of a REP is done, RIP still at it: enter the guest
	Faulted               // the event is to be injected
	Unable                // not an instruction that the emulator knows
)

// Emulator completes single instructions that the processor left to us.
type Emulator interface {
	// Memory emulates the instruction at RIP, which touched x.Mem.
	Memory(c CPU, x *Exit) (Result, Event)
	// Quick is Memory in W1, for what can be done there.
	Quick(c CPU, x *Exit, io FastIO) Quick
	// String emulates the INS or OUTS at RIP.
	String(c CPU, x *Exit) (Result, Event)
	// Length is the length of the instruction at RIP, 0 with a fault otherwise.
	Length(c CPU) (n uint8, ev Event)
	// CR fills x.CR and x.InstLen from the instruction at RIP, a MOV to or from
	// a control or debug register, CLTS, LMSW or SMSW.
	CR(c CPU, x *Exit) (Result, Event)
	// TaskSwitch does the task switch x.Task in s, which is all of the state, and in
	// the registers. Faulted is a fault of the old task, for which nothing has changed;
	// Done with an event one in the new task.
	TaskSwitch(c CPU, s *System, x *Exit) (Result, Event)
	// Code copies the bytes at RIP for a message, as far as they can be read.
	Code(c CPU, p []byte) int
}
