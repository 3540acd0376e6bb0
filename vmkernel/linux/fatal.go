package linux

import (
	"sync/atomic"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
	"basalt/arch/x86/reg"
)

// OnFatal is shown the cause when the host cannot go on: it paints the screen. It
// runs with interrupts off and the runtime dead: no allocation, no locks.
var OnFatal func(cause string, regs *Registers)

// Registers are a copy of the interrupted state for the crash screen.
type Registers struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS, CR0, CR2, CR3, CR4        uint64
	Vector, Error                          uint64
	CPU                                    uint32
	Valid                                  bool
}

var fatalRegs Registers

// die stops the host: registers to the log, the crash screen, then halt.
func die(cause string, f *frame) {
	cpu.CLI()
	owner := atomic.CompareAndSwapUint32(&stopped, 0, this().id+1)
	if stopped != this().id+1 {
		halt() // another processor reports
	}
	r := &fatalRegs
	if f != nil {
		*r = Registers{f.rax, f.rbx, f.rcx, f.rdx, f.rsi, f.rdi, f.rbp, f.rsp, f.r8, f.r9, f.r10, f.r11,
			f.r12, f.r13, f.r14, f.r15, f.rip, f.rflags, 0, 0, 0, 0, f.vector, f.err, this().id, true}
	}
	r.CR0, r.CR2, r.CR3, r.CR4 = cpu.ReadCR0(), cpu.ReadCR2(), cpu.ReadCR3(), cpu.ReadCR4()
	if !owner {
		// A fault while the crash was shown: what is on the screen stays.
		Report(cause, r)
		halt()
	}
	if lapicWindow != 0 {
		apic.BroadcastNMI()
	}
	ttyDrain()
	if OnFatal != nil {
		OnFatal(cause, r)
	} else {
		Report(cause, r)
	}
	if RebootOnFatal {
		delay(rebootAfter)
		Reboot()
	}
	halt()
}

// RebootOnFatal restarts the machine some seconds after a crash instead of
// halting it, so that a person or a camera can still read the screen.
var RebootOnFatal bool

const rebootAfter = 10e9 // nanoseconds

// Reboot restarts the machine: the reset control register of the chipset (Intel
// ICH9 data sheet, 13.7.5), the keyboard controller, and a triple fault.
func Reboot() {
	cpu.CLI()
	ttyDrain()
	io.Out8(0xcf9, 2)
	io.Out8(0xcf9, 6)
	delay(50e6)
	io.Out8(0x64, 0xfe)
	delay(50e6)
	idt = [256][2]uint64{}
	cpu.WriteCR3(0)
	halt()
}

// Crash is what CrashForTest does inside a handler: nothing can mend it.
type Crash uint32

// The ways to end: a store to page 0, pushing below the stack, recursion in Go, a store to
// page 0 with a guest's XCR0 in the processor.
const (
	CrashFault Crash = 1 + iota
	CrashOverflow
	CrashRecursion
	CrashGuest
)

// CrashForTest ends the host inside the next timer interrupt.
func CrashForTest(c Crash) { crashForTest = c }

var crashForTest Crash

func crashNow() {
	switch crashForTest {
	case CrashGuest:
		if useXSAVE != 0 {
			cpu.XSETBV(0, reg.XCR0_X87)
		}
		fallthrough
	case CrashFault:
		// SAFETY: none is meant: page 0 is not mapped.
		*(*uint32)(at(uintptr(crashForTest))) = 0
	case CrashOverflow:
		overflowForTest()
	case CrashRecursion:
		crashForTest = Crash(recurseForTest(1 << 20))
	}
}

func overflowForTest()

// recurseForTest fills the stack by calls that look at its bound.
func recurseForTest(n int) int {
	if n == 0 {
		return 0
	}
	return recurseForTest(n-1) + n
}

// Report writes the cause and the registers over the serial line, past the log:
// before there is a screen, or when the screen's report failed itself. World W1.
func Report(cause string, r *Registers) {
	rawString("\nPANIC: ")
	rawString(cause)
	rawString("\n")
	if !r.Valid {
		return
	}
	for i, v := range [...]struct {
		name string
		v    uint64
	}{
		{"rip", r.RIP}, {"rsp", r.RSP}, {"rbp", r.RBP}, {"rflags", r.RFLAGS}, {"cr2", r.CR2}, {"cr3", r.CR3},
		{"vector", r.Vector}, {"error", r.Error}, {"rax", r.RAX}, {"rbx", r.RBX}, {"rcx", r.RCX}, {"rdx", r.RDX},
		{"rsi", r.RSI}, {"rdi", r.RDI}, {"r8", r.R8}, {"r9", r.R9}, {"r10", r.R10}, {"r11", r.R11}, {"r12", r.R12},
		{"r13", r.R13}, {"r14", r.R14}, {"r15", r.R15},
	} {
		rawString(v.name)
		rawString("=")
		rawHex(v.v)
		if i%4 == 3 {
			rawString("\n")
		} else {
			rawString(" ")
		}
	}
	rawString("\n")
}

func rawString(s string) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\n' {
			RawByte('\r')
		}
		RawByte(s[i])
	}
}

func rawHex(v uint64) {
	rawString("0x")
	for i := 60; i >= 0; i -= 4 {
		RawByte("0123456789abcdef"[v>>uint(i)&15])
	}
}

func halt() {
	for {
		cpu.CLI()
		cpu.HLT()
	}
}

// handleNested gets a fault inside a handler, or a double fault.
func handleNested(f *frame) {
	if cause, ok := overflow(f, uintptr(cpu.ReadCR2())); ok {
		die(cause, f)
	}
	die("exception inside the kernel", f)
}
