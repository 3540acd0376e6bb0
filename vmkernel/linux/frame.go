package linux

import "unsafe"

// frame is what entry leaves of an interrupted thread; the last five words are
// the processor's own (SDM Vol. 3A, 6.14.2 "64-Bit Mode Stack Frame").
type frame struct {
	r15, r14, r13, r12, r11, r10, r9, r8 uint64
	rdi, rsi, rbp, rbx, rdx, rcx, rax    uint64
	vector, err                          uint64
	rip, cs, rflags, rsp, ss             uint64
}

// vectorSyscall marks a frame that SYSCALL made: no vector register needs care.
const vectorSyscall = 0x100

// Interrupt vectors of our own (SDM Vol. 3A, 6.2: 32 to 255 are free to use).
const (
	vectorFirstDevice = 0x30
	vectorLastDevice  = 0xdf
	vectorKick        = 0xf0 // look at the run queue; leaves guest mode
	vectorFlush       = 0xf1 // drop translations
	vectorLeave       = 0xf3 // leaves guest mode, and no more
	vectorTimer       = 0xf2
	vectorSpurious    = 0xff
)

const xsaveSize = 3072 // x87, SSE, AVX, AVX-512, PKRU: 2696 bytes

// thread is one thread of the runtime. It lives in two frames of physical memory,
// seen through the direct map, and is named by its address.
type thread struct {
	threadHeader
	_ [512 - unsafe.Sizeof(threadHeader{})]byte

	xs    [xsaveSize]byte // 64-byte aligned
	sigxs [xsaveSize]byte
	_     [64]byte // entry calls with the stack here
	frame frame    // ends 16-byte aligned: the processor pushes into it
}

// threadHeader is the part of a thread that handlers use.
type threadHeader struct {
	self     uintptr
	fsbase   uintptr
	tid      uint32
	state    uint32
	cpu      uint32  // where it runs or ran last
	noX      uint32  // nothing to load from xs
	aff      uint64  // processors it may run on
	next     uintptr // run queue or futex queue
	futex    uintptr // address waited for; 0 if none
	wake     uint64  // TSC value of the time-out; 0 if none
	heap     uint32  // index in the timer heap plus one
	waiting  uint32  // what for
	epfd     uint32
	_        uint32
	epbuf    uintptr
	epmax    uint64
	pending  uint64 // signals
	mask     uint64
	altLow   uintptr
	altSize  uint64
	altFlag  uint32
	inSig    uint32
	sigVec   uint64 // vector of the frame that a signal interrupted
	sigNoX   uint32
	sliceAt  uint32
	started  uint64 // TSC when it was last put on a processor
	ran      uint64 // TSC ticks on a processor
	clearTID uintptr
	word     uintptr // of its run loop: it is a virtual CPU. See Govern
	hurry    uint32  // the policy does not rule over it all the same
	held     uint32  // processor plus one on which the policy believes it to run
	free     uint64  // epoch plus one in which no limit held it
}

const threadFrames = 2 // of 4 KiB

// The processor wants xs 64-byte and the end of frame 16-byte aligned.
const (
	_ = -(unsafe.Offsetof(thread{}.xs) % 64)
	_ = -(unsafe.Offsetof(thread{}.sigxs) % 64)
	_ = -((unsafe.Offsetof(thread{}.frame) + unsafe.Sizeof(frame{})) % 16)
	_ = threadFrames*4096 - unsafe.Sizeof(thread{})
)

// cpuState is one processor. GS points at it.
type cpuState struct {
	self      uintptr
	scratch   uintptr
	frameTop  uintptr // end of the running thread's frame
	kstack    uintptr // top of the handler stack
	handlerFS uintptr
	cur       uintptr // running thread
	inKernel  uint32
	id        uint32
	apicID    uint32
	flush     uint32 // another processor wants our translations dropped
	idle      uintptr
	resched   uint32
	online    uint32
	gone      uint32 // the thread blocked, ended or moved: pick another
	_         uint32
	armed     uint64 // TSC value the timer is set to; 0 if none
	sliceEnd  uint64
	profileAt uint64 // TSC value of the next sample; 0 if none
	flushes   uint64
	irqs      uint64
	exc       uint32 // faults inside handlers
	_         uint32
	tls       [2]uintptr
	g         [64]uintptr // a runtime.g as far as stack checks look
	gdt       [8]uint64
	tssAlign  [8]byte
	tss       [104]byte
	istNMI    uintptr
	istDF     uintptr
	istMC     uintptr
	tscOffset uint64 // ticks that this counter is ahead of the first processor's
	tscLow    int64
	tscHigh   int64
	tscState  uint32
	who       uint32 // what the policy believes to run here; 0: nobody
	look      uint32 // the policy wants to be asked
	bounded   uint32 // the end of the slice matters
	limited   uint32 // and does so whoever waits
	agent     uint32 // the policy believes that the agent wants to run here
	use       uint32 // whose time it is in fact, see lend; 0: nobody's
	loans     uint32 // lent is not empty
	useAt     uint64 // since when
	graceEnd  uint64 // when the policy has to hear of those that woke; 0: nobody did
	unused    uint64 // ticks of the grant that nobody had
	lent      [maxLoans]loan
	kicked    uint64 // interrupts sent to have it look
}

const (
	stateFree = iota
	stateRunnable
	stateRunning
	stateBlocked
)

//go:nosplit
func at(va uintptr) unsafe.Pointer {
	// JUSTIFICATION: threads, processors, tables and the runtime's own arguments
	// are named by address; no safe type reaches memory outside the Go heap.
	// SAFETY: each caller says why the address is good at that moment.
	return *(*unsafe.Pointer)(unsafe.Pointer(&va))
}

// SAFETY: va is a thread that newThread made; its frames are never freed.
//
//go:nosplit
func threadAt(va uintptr) *thread { return (*thread)(at(va)) }

// SAFETY: va is a processor that newCPU made; they live for ever.
//
//go:nosplit
func cpuAt(va uintptr) *cpuState { return (*cpuState)(at(va)) }

func bootStackAt() uintptr   { return uintptr(unsafe.Pointer(&bootStack)) }
func earlyStacksAt() uintptr { return uintptr(unsafe.Pointer(&earlyStacks)) }

// this is the processor that runs the caller, which has interrupts off or does
// not mind being moved.
//
//go:nosplit
func this() *cpuState { return cpuAt(gsBase()) }

// gsBase reads the first word of GS: the address of this processor's cpuState.
func gsBase() uintptr
