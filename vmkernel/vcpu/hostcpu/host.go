package hostcpu

// Host is the host as an engine sees it. All fields are set before the first
// engine is made and never change.
type Host struct {
	// NumCPU is the number of processors; CPU numbers are below it.
	NumCPU int

	// CPU is the number of this processor. W1; interrupts are off.
	CPU func() int
	// RDTSC is the host's time-stamp counter. W1.
	RDTSC func() uint64
	// SetDeadline makes an interrupt arrive on this processor when its TSC
	// reaches tsc (0: no deadline of ours), besides the host's own timers.
	// W1; interrupts are off.
	SetDeadline func(tsc uint64)
	// Kick sends an interrupt to a processor so that it leaves its guest. W1.
	Kick func(cpu int)
	// Park sleeps while *word is val, until Unpark(word), or until the TSC
	// reaches deadline (0: for ever). It may wake for no reason. W1;
	// interrupts are on.
	Park func(word *uint32, val uint32, deadline uint64)
	// Unpark wakes who sleeps on word. W1; it may be called with interrupts off and
	// a guest's extended state in the processor.
	Unpark func(word *uint32)

	// EnterGuest is called by a run loop whose word says MustEnter, and returns when
	// this virtual CPU may run, maybe on another processor. W1; interrupts are off.
	EnterGuest func()
	// Contended says that a thread waits for a processor. It may err: it is asked
	// before a processor is kept busy for nothing. W1. Nil: never known, and then
	// nothing is kept busy.
	Contended func() bool
	// Yield makes an interrupt arrive on this processor that gives it to the next
	// thread that waits for it, if any. W1; interrupts are off. Nil: not possible.
	Yield func()

	// Alloc gives n zeroed contiguous 4 KiB frames aligned to align frames.
	Alloc func(n, align int) (pa uint64, ok bool)
	// Free gives them back.
	Free func(pa uint64, n int)
	// Virt is where the frame at pa can be reached.
	Virt func(pa uint64) uintptr
}

// What an engine's word says about its thread. Between InGuest and InGo it belongs to
// the guest, and the host may keep it off its processor for as long as it likes. The
// engine writes InGo and InGuest, the host MustEnter in place of InGo. Both do so on
// the thread's own processor with interrupts off, or for the thread when it does not
// run: plain stores are enough.
const (
	InGo = iota
	InGuest
	MustEnter
)
